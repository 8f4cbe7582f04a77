//! A conference that is told anything: legs that nobody ordered, rosters of forgers, time. It never panics, and its bounds hold.

#![no_main]

#[path = "../../crates/signaling/tests/it/group/any_inputs.rs"]
mod any_inputs;

use std::sync::LazyLock;

use any_inputs::{PEOPLE, Trial};
use libfuzzer_sys::fuzz_target;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_fuzz::START;
use securecall_signaling::Person;

static PEOPLE_THERE: LazyLock<Vec<Person>> = LazyLock::new(|| {
    let server = "example.org".parse().expect("it is a server's name");
    let person = |number: usize| {
        let seed = IdentitySeed::from_bytes([u8::try_from(number).unwrap_or_default(); 32]);
        let id = SecureCallId::new(&IdentityKeyPair::from_seed(&seed).public());
        Person::new(id, MatrixId::of_securecall_id(&id, &server)).expect("it is their own address")
    };
    (0..PEOPLE).map(person).collect()
});

fuzz_target!(|data: &[u8]| {
    // Each waking costs, and what can be said with more bytes can be said with fewer.
    if data.len() <= 1024 {
        Trial::run(&PEOPLE_THERE, *START, data);
    }
});

//! Relay directories as files and as payloads, and the state of guards: what is read is written and read the same again, and a choice
//! keeps its rules.

#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use securecall_ghostnet::UnixTime;
use securecall_ghostnet::choice::{Guards, choose_exit, tunnel_path};
use securecall_ghostnet::directory::{
    Directory, DirectoryError, DirectorySigningKey, Families, Reach,
};

static KEY: LazyLock<DirectorySigningKey> =
    LazyLock::new(|| DirectorySigningKey::generate(&mut ChaCha20Rng::from_seed([1; 32])));

fuzz_target!(|bytes: &[u8]| {
    let now = UnixTime::from_secs(150);
    let keys = [KEY.public()];
    if let Err(error) = Directory::read(bytes, &keys, None, Reach::Internet, now) {
        assert!(error.to_string().chars().count() < 2_000);
    }
    for reach in [Reach::Internet, Reach::Lab] {
        match Directory::sign(bytes, &KEY, reach) {
            Ok(file) => check(&file, reach, now),
            Err(error) => assert!(error.to_string().chars().count() < 2_000),
        }
    }
    if let Ok(guards) = Guards::from_bytes(bytes) {
        let again = Guards::from_bytes(&guards.to_bytes()).expect("it was written");
        assert_eq!(again.to_bytes(), guards.to_bytes());
    }
});

fn check(file: &[u8], reach: Reach, now: UnixTime) {
    let directory = match Directory::read(file, &[KEY.public()], None, reach, now) {
        Ok((directory, _)) => directory,
        Err(DirectoryError::NotYetValid(_) | DirectoryError::Expired(_)) => return,
        Err(error) => panic!("signed, but not read: {error}"),
    };
    let again = Directory::sign(&directory.to_payload(), &KEY, reach);
    if let Ok(again) = again {
        let read = Directory::read(&again, &[KEY.public()], None, reach, now);
        assert_eq!(read.expect("it was written").0, directory);
    }
    let rng = &mut ChaCha20Rng::from_seed([2; 32]);
    let ours = Families::BOTH;
    let Ok(entry) = Guards::new().entry(&directory, ours, &BTreeSet::new(), now, rng) else {
        return;
    };
    let exit = choose_exit(&directory, entry, ours, &BTreeSet::new(), rng)
        .expect("an entry is drawn only if it has an exit");
    assert!(entry.role.is_entry() && exit.role.is_exit());
    assert_ne!(entry.operator, exit.operator);
    assert!(tunnel_path((entry, None), (exit, None), ours).is_ok());
}

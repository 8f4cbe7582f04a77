//! Session descriptions of a peer: the first offer, the answer, and the offer and answer of an ICE restart.
//!
//! The first byte says which; the rest is the text, in which `FINGERPRINT` stands for that of the peer's certificate.

#![no_main]

#[path = "../../crates/media/tests/it/transport/pair.rs"]
#[allow(
    dead_code,
    reason = "the transport's tests use more of it than one fuzz target"
)]
mod pair;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pair::{Pair, Side};
use securecall_media::{Transport, TransportError};

/// What a description that was taken, or an answer of ours to one, always is.
fn check_taken(transport: &Transport, answer: Option<&str>) {
    assert!(transport.remote_fingerprint().is_some());
    let Some(answer) = answer else { return };
    let count = |prefix: &str| answer.lines().filter(|it| it.starts_with(prefix)).count();
    assert_eq!(count("a=fingerprint:"), 1, "{answer}");
    assert_eq!(count("m="), 2, "{answer}");
}

/// The engine's panics end a call, and are found here.
fn check_refused(error: &TransportError) {
    assert_ne!(*error, TransportError::EnginePanicked);
    assert_ne!(*error, TransportError::Closed);
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let mut pair = Pair::new();
    let now = pair.now;
    match which % 4 {
        0 => {
            let fingerprint = pair.caller.local_fingerprint().to_string();
            let offer = text.replace("FINGERPRINT", &fingerprint);
            match pair.callee.accept_offer(now, &offer) {
                Ok(answer) => check_taken(&pair.callee, Some(&answer)),
                Err(error) => check_refused(&error),
            }
        }
        1 => {
            let fingerprint = pair.callee.local_fingerprint().to_string();
            let answer = text.replace("FINGERPRINT", &fingerprint);
            let Ok(_) = pair.caller.create_offer(now) else {
                unreachable!("a fresh transport")
            };
            match pair.caller.set_answer(now, &answer) {
                Ok(()) => check_taken(&pair.caller, None),
                Err(error) => check_refused(&error),
            }
        }
        2 => {
            pair.negotiate();
            pair.exchange_candidates();
            let fingerprint = pair.caller.local_fingerprint();
            let offer = text.replace("FINGERPRINT", &fingerprint.to_string());
            match pair.callee.accept_restart_offer(now, &offer) {
                Ok(answer) => check_taken(&pair.callee, Some(&answer)),
                Err(error) => check_refused(&error),
            }
            assert_eq!(pair.callee.remote_fingerprint(), Some(fingerprint));
        }
        _ => {
            pair.negotiate();
            pair.exchange_candidates();
            let fingerprint = pair.callee.local_fingerprint();
            let Ok(_) = pair.caller.create_restart_offer(now) else {
                unreachable!("offer and answer are through")
            };
            let answer = text.replace("FINGERPRINT", &fingerprint.to_string());
            match pair.caller.set_answer(now, &answer) {
                Ok(()) => check_taken(&pair.caller, None),
                Err(error) => check_refused(&error),
            }
            assert_eq!(pair.caller.remote_fingerprint(), Some(fingerprint));
        }
    }
    pair.run_for(Duration::from_millis(300));
    for side in [Side::Caller, Side::Callee] {
        if let Some(error) = pair.error(side) {
            check_refused(error);
        }
    }
});

//! Datagrams of anybody, before the offer, while a path is looked for, and in a connected call: forged ones, and true ones that were
//! changed on their way. What anybody sends ends no connected call. Of calls with other kinds of peers only the second is tried.
//!
//! The first byte says which state; then datagrams: two bytes of flags and length, and the bytes.

#![no_main]

#[path = "../../crates/media/tests/it/transport/pair.rs"]
#[allow(
    dead_code,
    reason = "the transport's tests use more of it than one fuzz target"
)]
mod pair;

use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pair::{FRAME, Pair, Side};
use securecall_media::{Datagram, TransportEvent};

const MAX_DATAGRAMS: usize = 16;

/// One datagram of the attacker.
struct Attack<'a> {
    to_caller: bool,
    from_stranger: bool,
    /// The bytes change a true datagram instead of being one.
    changes: bool,
    bytes: &'a [u8],
}

fn attacks(mut input: &[u8]) -> Vec<Attack<'_>> {
    let mut attacks = Vec::new();
    while let [flags, length, rest @ ..] = input {
        let (bytes, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        attacks.push(Attack {
            to_caller: flags & 1 != 0,
            from_stranger: flags & 2 != 0,
            changes: flags & 4 != 0,
            bytes,
        });
        input = rest;
        if attacks.len() == MAX_DATAGRAMS {
            break;
        }
    }
    attacks
}

fn send(pair: &mut Pair, attack: &Attack<'_>) {
    let (to, from) = if attack.to_caller {
        (Side::Caller, Side::Callee)
    } else {
        (Side::Callee, Side::Caller)
    };
    let (destination, mut source) = (pair.address(to), pair.address(from));
    let mut bytes = attack.bytes.to_vec();
    if attack.changes
        && let Some(Datagram { contents, .. }) = pair.under_way_to(to)
    {
        bytes.clone_from(contents);
        for (byte, change) in bytes.iter_mut().zip(attack.bytes) {
            *byte ^= change;
        }
        // A true one that was not changed arrives by itself.
        if bytes == *contents {
            return;
        }
    }
    if attack.from_stranger {
        source = SocketAddr::from(([192, 0, 2, 9], 9));
    }
    let now = pair.now;
    let handled = pair
        .side(to)
        .handle_datagram(now, source, destination, &bytes);
    assert!(handled.is_ok(), "{handled:?}");
}

fuzz_target!(|input: &[u8]| {
    let Some((&state, input)) = input.split_first() else {
        return;
    };
    let attacks = attacks(input);
    match state % 4 {
        // Of another kind of peer, where what comes first also settles on a library for the handshake.
        3 => {
            let mut pair = Pair::of_browsers();
            pair.negotiate();
            pair.exchange_candidates();
            for attack in &attacks {
                pair.run_for(Duration::from_millis(1));
                send(&mut pair, attack);
            }
            pair.run_for(Duration::from_secs(1));
        }
        0 => {
            let mut pair = Pair::new();
            attacks.iter().for_each(|it| send(&mut pair, it));
            // Nobody had a hand in this call yet, so it can still be made.
            pair.negotiate();
            pair.exchange_candidates();
            pair.run_until(Pair::both_up);
        }
        1 => {
            let mut pair = Pair::new();
            pair.negotiate();
            pair.exchange_candidates();
            for attack in &attacks {
                pair.run_for(Duration::from_millis(1));
                send(&mut pair, attack);
            }
            pair.run_for(Duration::from_secs(1));
        }
        _ => {
            let mut pair = Pair::connected();
            for attack in &attacks {
                let now = pair.now;
                for side in [Side::Caller, Side::Callee] {
                    assert!(pair.side(side).send_frame(now, 0, &FRAME).is_ok());
                }
                send(&mut pair, attack);
                pair.run_for(Duration::from_millis(20));
            }
            pair.clear_events();
            for side in [Side::Caller, Side::Callee] {
                let now = pair.now;
                assert!(pair.side(side).send_frame(now, 960, &FRAME).is_ok());
            }
            pair.run_for(Duration::from_secs(1));
            for side in [Side::Caller, Side::Callee] {
                assert_eq!(pair.frames(side).len(), 1, "{side:?}");
                assert_eq!(pair.error(side), None, "{side:?}");
                assert_eq!(pair.count(side, &TransportEvent::Closed), 0, "{side:?}");
                assert_eq!(pair.count(side, &TransportEvent::PathDown), 0, "{side:?}");
            }
        }
    }
});

//! What somebody on the way, or a broken peer, can do to the DTLS handshake.

use std::time::Duration;

use securecall_media::TransportError;

use super::pair::{Pair, Side};

const SIDES: [Side; 2] = [Side::Caller, Side::Callee];

fn record(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number];
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Messages of DTLS 1.3 in the place of what comes encrypted later, alone or behind a hello; and so many of them that they fill a queue.
fn forged_messages() -> Vec<Vec<Vec<u8>>> {
    // Complete, and of no length.
    let message = |kind: u8, number: u8| [kind, 0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0];
    let many = |kind| (1..60).map(move |number| record(22, 100 + number, &message(kind, number)));
    vec![
        vec![record(22, 217, &message(1, 1))],
        vec![record(22, 218, &message(2, 1))],
        vec![record(
            22,
            219,
            [message(2, 9), message(8, 1)].as_flattened(),
        )],
        many(1).collect(),
        many(2).collect(),
    ]
}

/// Records that anybody can make up, for none of them needs a key.
pub(super) fn forgeries() -> Vec<Vec<u8>> {
    let alert = |number, description| record(21, number, &[2, description]);
    vec![
        alert(200, 40),
        alert(201, 0),
        [record(20, 203, &[1]), alert(204, 0)].concat(),
        record(22, 205, b"no handshake message at all"),
        record(22, 206, b" a broken record"),
        record(23, 208, b"data"),
        record(26, 209, &[0, 2, 0, 0]),
        record(99, 210, b"what is that"),
        vec![22],
        // Behind what is dropped by itself: encrypted of an epoch that there is not, and of no type.
        [vec![0x2c, 0, 0, 0, 0], alert(211, 0)].concat(),
        [vec![0x24, 0, 0, 0], alert(212, 40)].concat(),
        [record(99, 213, b""), alert(214, 0)].concat(),
        [record(23, 215, b""), alert(216, 40)].concat(),
        vec![0x2e; 60],
        vec![0x2f; 1200],
    ]
}

#[test]
fn a_handshake_comes_through_whatever_anybody_throws_in() {
    let forgeries = forgeries().into_iter().map(|forgery| vec![forgery]);
    let forgeries = forgeries.chain(forged_messages());
    for (index, forgery) in forgeries.enumerate() {
        let mut pair = Pair::new();
        pair.delay = Duration::from_millis(20);
        pair.negotiate();
        pair.exchange_candidates();
        // Until both are up, each gets it every five milliseconds, as if of the other.
        for _ in 0..400 {
            for (to, from) in [SIDES, [Side::Callee, Side::Caller]].map(|[a, b]| (a, b)) {
                for datagram in &forgery {
                    pair.throw_in(from, to, datagram);
                }
            }
            pair.run_for(Duration::from_millis(5));
        }
        let errors = SIDES.map(|side| pair.error(side).cloned());
        assert!(pair.both_up(), "forgery {index}: {errors:?}");
        assert_eq!(errors, [None, None], "forgery {index}");
    }
}

/// Nobody's machine is at fault, neither that of the side that sends what is broken nor that of the other; and neither sends
/// without end, which is what dimpl does of itself where byte 120 of the callee's is another.
#[test]
fn a_handshake_that_is_broken_on_its_way_ends_at_both_ends_without_blame() {
    for from in SIDES {
        // Heads of records and of messages, the body of a hello, and what is encrypted.
        for place in [0, 2, 4, 11, 13, 16, 22, 30, 60, 90, 120, 160] {
            let mut pair = Pair::new();
            pair.negotiate();
            pair.exchange_candidates();
            pair.breaks = Some((from, place));
            pair.run_for(Duration::from_secs(31));
            for side in SIDES {
                let error = pair.error(side);
                assert!(
                    matches!(
                        error,
                        None | Some(
                            TransportError::HandshakeTimedOut | TransportError::HandshakeBroken
                        )
                    ),
                    "{from:?} {place}: {error:?} at {side:?}"
                );
                assert!(pair.sent(side) < 2000, "{from:?} {place} at {side:?}");
            }
        }
    }
}

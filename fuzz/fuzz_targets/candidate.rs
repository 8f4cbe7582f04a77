//! Candidates of a peer, one a line: whatever it names, packets go to addresses of hosts only, and the engine goes on.

#![no_main]

#[path = "../../crates/media/tests/it/transport/pair.rs"]
#[allow(
    dead_code,
    reason = "the transport's tests use more of it than one fuzz target"
)]
mod pair;

use std::net::IpAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pair::{Pair, Side};
use securecall_media::{LocalCandidate, TransportError};

fuzz_target!(|text: &str| {
    let mut pair = Pair::new();
    pair.negotiate();
    let (now, own) = (pair.now, pair.address(Side::Caller));
    assert!(
        pair.caller
            .add_local_candidate(now, LocalCandidate::host(own))
            .is_ok()
    );
    for line in text.lines() {
        let added = pair.caller.add_remote_candidate(now, line);
        assert!(
            matches!(added, Ok(()) | Err(TransportError::Candidate)),
            "{line}: {added:?}"
        );
    }
    pair.run_for(Duration::from_millis(300));
    for destination in pair.destinations(Side::Caller) {
        let ip = destination.ip().to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        assert!(
            destination.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast,
            "{destination}"
        );
    }
    assert_eq!(pair.error(Side::Caller), None);
});

//! Checks that came before the peer has said where it is.
//!
//! The engine would make a candidate of unknown kind from such a check, which counts for more than one by a server: a relay would
//! be preferred to a direct path. But the peer sends its next check only 50 ms later, which is most of what a call on one network
//! takes. So a check waits until its source is named.

use std::{collections::VecDeque, net::SocketAddr};

/// The most checks that wait. A peer checks each pair once before it has named its addresses, and few of those pairs work.
const MAX_HELD: usize = 16;
/// A check of ICE has some 100 bytes.
const MAX_LEN: usize = 512;

/// Checks that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct HeldChecks(VecDeque<HeldCheck>);

/// A check as it came.
#[derive(Debug)]
pub(super) struct HeldCheck {
    source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) contents: Vec<u8>,
}

impl HeldChecks {
    /// Keeps a check; the newest of its pair, for earlier ones have been given up by whoever sent them.
    pub(super) fn hold(&mut self, source: SocketAddr, destination: SocketAddr, contents: &[u8]) {
        if contents.len() > MAX_LEN {
            return;
        }
        let is_other = |held: &HeldCheck| (held.source, held.destination) != (source, destination);
        self.0.retain(is_other);
        if self.0.len() >= MAX_HELD {
            self.0.pop_front();
        }
        self.0.push_back(HeldCheck {
            source,
            destination,
            contents: contents.to_vec(),
        });
    }

    /// What came from an address that the peer has named now.
    pub(super) fn take_from(&mut self, named: SocketAddr) -> Vec<HeldCheck> {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|held| held.source == named);
        self.0 = left;
        Vec::from(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn of_each_pair_the_newest_check_waits_and_of_all_no_more_than_16() {
        let mut held = HeldChecks::default();
        for port in 1..=40 {
            held.hold(address(port), address(5000), b"older");
            held.hold(address(port), address(5000), b"newer");
        }
        held.hold(address(40), address(5001), &[0; MAX_LEN + 1]);
        assert!(held.take_from(address(24)).is_empty());
        for port in 25..=40 {
            let taken = held.take_from(address(port));
            let contents: Vec<&[u8]> = taken.iter().map(|held| &held.contents[..]).collect();
            assert_eq!(contents, [b"newer"], "{port}");
        }
        assert!(held.take_from(address(40)).is_empty());
    }
}

//! The addresses of this machine: an exit leads nobody to what else listens there.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those that the settings name, and which of their ports are lent to flows right now.
#[derive(Default)]
pub(crate) struct OwnAddresses {
    hosts: HashSet<IpAddr>,
    lent: Mutex<HashSet<SocketAddr>>,
}

impl OwnAddresses {
    pub(crate) fn new(hosts: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
            lent: Mutex::default(),
        }
    }

    pub(crate) fn lend(&self, address: SocketAddr) {
        self.lent().insert(address);
    }

    pub(crate) fn take_back(&self, address: SocketAddr) {
        self.lent().remove(&address);
    }

    /// Whether a packet would go to this machine itself, other than to another flow: two people may have chosen the same exit.
    pub(crate) fn are_behind(&self, peer: SocketAddr) -> bool {
        self.hosts.contains(&peer.ip()) && !self.lent().contains(&peer)
    }

    fn lent(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_machine_only_what_is_lent_is_reached() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own = OwnAddresses::new([at("198.51.100.7:1").ip()]);
        assert!(own.are_behind(at("198.51.100.7:443")));
        assert!(!own.are_behind(at("198.51.100.8:443")));
        own.lend(at("198.51.100.7:50000"));
        assert!(!own.are_behind(at("198.51.100.7:50000")));
        assert!(own.are_behind(at("198.51.100.7:443")));
        own.take_back(at("198.51.100.7:50000"));
        assert!(own.are_behind(at("198.51.100.7:50000")));
    }
}

//! Capsules as tests write them.

use std::net::SocketAddr;

use super::ContextId;
use super::capsule::{Capsule, Registration};

pub(super) fn id(number: u64) -> ContextId {
    ContextId::new(number).unwrap()
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn compressed(number: u64, peer: &str) -> Capsule {
    Capsule::Assign(id(number), Registration::Compressed(address(peer)))
}

pub(super) fn uncompressed(number: u64) -> Capsule {
    Capsule::Assign(id(number), Registration::Uncompressed)
}

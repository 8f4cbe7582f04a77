//! What a server granted, for whoever wants to know more than the addresses.

use std::net::SocketAddr;
use std::time::Duration;

use crate::reach::is_of_a_host;
use crate::stun::{AttributeType, Message};

/// What a server said when it granted addresses (RFC 8656 section 7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The addresses.
    pub relayed: Vec<SocketAddr>,
    /// How it sees us, if it says so.
    pub mapped: Option<SocketAddr>,
    /// For how long, in its own words: nothing is cut off.
    pub lifetime: Duration,
}

impl Granted {
    pub(super) fn new(message: &Message<'_>, relayed: &[SocketAddr]) -> Self {
        let seconds = message.number(AttributeType::LIFETIME).unwrap_or_default();
        Self {
            relayed: relayed.to_vec(),
            mapped: message
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS)
                .filter(|mapped| is_of_a_host(*mapped)),
            lifetime: Duration::from_secs(u64::from(seconds)),
        }
    }
}

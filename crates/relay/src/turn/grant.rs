//! What a server grants (RFC 8656 sections 7.4 and 8.3).

use std::net::SocketAddr;
use std::time::Duration;

use super::TurnFailure;
use crate::reach::is_of_a_host;
use crate::stun::{AttributeType, Message};

/// Servers grant ten minutes or more (RFC 8656 section 7.2). One that grants less than this keeps its
/// users busy with asking, and is not used.
pub(super) const MIN_LIFETIME: Duration = Duration::from_secs(60);
/// Longer ones are renewed as if they were this long, so that a lost allocation is noticed.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(600);

/// What a server said when it granted addresses (RFC 8656 section 7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The addresses: at most one of each family, IPv4 first.
    pub relayed: Vec<SocketAddr>,
    /// How it sees us, if it says so.
    pub mapped: Option<SocketAddr>,
    /// For how long, in its own words: nothing is cut off.
    pub lifetime: Duration,
}

impl Grant {
    /// Reads the response to a request for an address.
    pub(super) fn read(message: &Message<'_>) -> Result<Self, TurnFailure> {
        let lifetime = told_lifetime(message)
            .filter(|lifetime| *lifetime >= MIN_LIFETIME)
            .ok_or(TurnFailure::Nonsense("it grants an address for no time"))?;
        let mut relayed: Vec<SocketAddr> = Vec::new();
        for address in message.xor_addresses(AttributeType::XOR_RELAYED_ADDRESS) {
            let other_family = |own: &SocketAddr| own.is_ipv4() != address.is_ipv4();
            if is_of_a_host(address) && relayed.iter().all(other_family) {
                relayed.push(address);
            }
        }
        if relayed.is_empty() {
            return Err(TurnFailure::Nonsense("it grants an address but names none"));
        }
        relayed.sort_unstable();
        let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
        Ok(Self {
            relayed,
            mapped: mapped.filter(|mapped| is_of_a_host(*mapped)),
            lifetime,
        })
    }
}

/// How long an address is ours from now on; `None` for what is no time.
pub(super) fn lifetime_of(message: &Message<'_>) -> Option<Duration> {
    let lifetime = told_lifetime(message)?;
    (lifetime >= MIN_LIFETIME).then_some(lifetime.min(MAX_LIFETIME))
}

fn told_lifetime(message: &Message<'_>) -> Option<Duration> {
    let seconds = message.number(AttributeType::LIFETIME)?;
    Some(Duration::from_secs(u64::from(seconds)))
}

//! The relay directory: which relays there are, whose they are, and whose tokens they take.
//!
//! One signed file says it to everybody. So a client that buys tokens of the keys in it has the same keys as all others, and no issuer can
//! know it by a key that was made for it alone.

mod envelope;
mod payload;
mod relay;
mod signing_key;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use securecall_relay::HopProof;
use thiserror::Error;

pub use envelope::{DirectoryMark, MAX_DIRECTORY};
pub use payload::{IssuerFault, MAX_ISSUER_KEYS, MAX_RELAYS, PayloadError, RelayFault};
pub use relay::{Families, MAX_ADDRESSES, Operator, OperatorError, Relay, RelayError, Role};
pub use signing_key::{DirectoryKey, DirectoryKeyError, DirectorySigningKey};

use crate::host_name::{HostName, IssuerName};
use crate::time::{UnixTime, Validity};
use crate::token::AcceptedKey;

/// Which addresses relays may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the Internet, in different networks where the rules say so.
    Internet,
    /// Any, and all in one network: for tests and demonstrations on one machine.
    Lab,
}

/// What a directory says. All of it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its number: a later one has a higher one.
    pub serial: u64,
    /// When it may be used.
    pub validity: Validity,
    /// Keys of issuers whose tokens relays take; several of an issuer while one follows the other.
    pub issuer_keys: Vec<AcceptedKey>,
    /// The relays.
    pub relays: Vec<Relay>,
    /// Which addresses they may have.
    pub reach: Reach,
}

impl Directory {
    /// Reads a signed file. It must be signed by one of these keys, valid now, and not be older than the last that was read.
    pub fn read(
        file: &[u8],
        keys: &[DirectoryKey],
        last: Option<&DirectoryMark>,
        reach: Reach,
        now: UnixTime,
    ) -> Result<(Self, DirectoryMark), DirectoryError> {
        let payload = envelope::open(file, keys)?;
        let directory = payload::read(&payload, reach)?;
        let mark = DirectoryMark::new(directory.serial, &payload);
        if let Some(last) = last {
            mark.may_follow(last)?;
        }
        if now < directory.validity.not_before() {
            return Err(DirectoryError::NotYetValid(directory.validity.not_before()));
        }
        if !directory.validity.contains(now) {
            return Err(DirectoryError::Expired(directory.validity.not_after()));
        }
        Ok((directory, mark))
    }

    /// Signs a payload as it is. It is read first by the rules of readers, so that none is published that they would refuse.
    pub fn sign(
        payload: &[u8],
        key: &DirectorySigningKey,
        reach: Reach,
    ) -> Result<Vec<u8>, DirectoryError> {
        payload::read(payload, reach)?;
        let file = envelope::seal(payload, key);
        if file.len() > MAX_DIRECTORY {
            return Err(DirectoryError::TooLarge);
        }
        Ok(file)
    }

    /// Writes the payload that says this: what [`sign`](Self::sign) takes.
    pub fn to_payload(&self) -> Vec<u8> {
        payload::write(self)
    }

    /// The relay of this name.
    pub fn relay(&self, name: &HostName) -> Option<&Relay> {
        self.relays.iter().find(|relay| relay.name == *name)
    }

    /// The exit at this address, if there is one: an entry forwards nowhere else.
    pub fn exit_at(&self, address: SocketAddr) -> Option<&Relay> {
        self.relays
            .iter()
            .find(|relay| relay.role.is_exit() && relay.addresses.contains(&address))
    }

    /// The keys whose tokens a relay takes, past and future ones, too.
    pub fn keys_of(&self, relay: &Relay) -> impl Iterator<Item = &AcceptedKey> {
        self.issuer_keys
            .iter()
            .filter(|accepted| relay.issuers.contains(&accepted.issuer))
    }

    /// Whose tokens relays take, each once and in order.
    pub fn issuers(&self) -> BTreeSet<&IssuerName> {
        let issuers = self.relays.iter().flat_map(|relay| &relay.issuers);
        issuers.collect()
    }

    /// The key to buy tokens of from an issuer: of those that are valid, the one that ends last.
    pub fn key_to_buy(&self, issuer: &IssuerName, now: UnixTime) -> Option<&AcceptedKey> {
        self.issuer_keys
            .iter()
            .filter(|accepted| accepted.issuer == *issuer && accepted.validity.contains(now))
            .max_by_key(|accepted| accepted.validity.not_after())
    }
}

/// Why there is no directory in a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// It is larger than any.
    #[error("the relay directory is larger than 256 KiB")]
    TooLarge,
    /// It is no signed file.
    #[error(
        "the relay directory is no JSON with a payload and a signature in base64, and nothing else"
    )]
    Envelope,
    /// Nobody has signed it who may.
    #[error("the relay directory is not signed by a key that is trusted here")]
    Signature,
    /// There was one with a higher number.
    #[error("the relay directory has serial {serial}, and {last} was seen before")]
    Older {
        /// Its number.
        serial: u64,
        /// The number of the one that is known.
        last: u64,
    },
    /// There was another of the same number: somebody shows different people different relays.
    #[error("there are two relay directories with serial {0}")]
    Ambiguous(u64),
    /// Its time has not come, or the clock is wrong.
    #[error("the relay directory is valid from {0} on only: is the clock right?")]
    NotYetValid(UnixTime),
    /// Its time is over, or the clock is wrong.
    #[error("the relay directory was valid until {0}")]
    Expired(UnixTime),
    /// What is in it is wrong.
    #[error("the relay directory: {0}")]
    Payload(#[from] PayloadError),
}

/// The SHA-256 that a proof names, if it names one.
pub(crate) const fn spki(proof: &HopProof) -> Option<&[u8; 32]> {
    match proof {
        HopProof::Spki(hash) => Some(hash),
        HopProof::Authorities => None,
    }
}

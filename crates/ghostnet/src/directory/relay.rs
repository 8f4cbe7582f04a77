//! One relay of a directory.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use securecall_relay::{Hop, HopProof, is_public};
use thiserror::Error;
use zeroize::Zeroizing;

use super::Reach;
use crate::host_name::{HostName, IssuerName};

/// The most addresses of a relay.
pub const MAX_ADDRESSES: usize = 8;
const MAX_ISSUERS: usize = 8;
/// The longest name of an operator, in characters.
const MAX_OPERATOR: usize = 64;

/// A relay that carries calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its name, in its certificate and in requests to it.
    pub name: HostName,
    /// Where it listens, what it prefers first.
    pub addresses: Vec<SocketAddr>,
    /// How it proves that it is the one.
    pub proof: HopProof,
    /// What it may be in a tunnel.
    pub role: Role,
    /// Who runs it.
    pub operator: Operator,
    /// Whose tokens it takes. None if it asks for a shared secret, or for nothing.
    pub issuers: Vec<IssuerName>,
}

impl Relay {
    /// The rules for one relay by itself.
    pub(super) fn check(&self, reach: Reach) -> Result<(), RelayError> {
        if !(1..=MAX_ADDRESSES).contains(&self.addresses.len()) {
            return Err(RelayError::Addresses);
        }
        for address in &self.addresses {
            let reaches = match reach {
                Reach::Internet => is_public(*address),
                Reach::Lab => address.port() != 0 && !address.ip().is_unspecified(),
            };
            if !is_plain(address) || !reaches {
                return Err(RelayError::Address(*address));
            }
        }
        if self.issuers.len() > MAX_ISSUERS {
            return Err(RelayError::Issuers);
        }
        Ok(())
    }

    /// Which families it has addresses of.
    pub fn families(&self) -> Families {
        Families {
            v4: self.addresses.iter().any(SocketAddr::is_ipv4),
            v6: self.addresses.iter().any(SocketAddr::is_ipv6),
        }
    }

    /// Its first address of these families.
    pub fn address_within(&self, families: Families) -> Option<SocketAddr> {
        let reaches = |address: &&SocketAddr| families.contain(address.ip());
        self.addresses.iter().find(reaches).copied()
    }

    /// This relay as a hop of a tunnel.
    pub fn hop(&self, address: SocketAddr, authorization: Option<Zeroizing<String>>) -> Hop {
        Hop {
            address,
            name: self.name.to_string(),
            proof: self.proof,
            authorization,
        }
    }
}

/// Whether an address says which network it is in, and says it in one way: an address of IPv4 within one of IPv6 (mapped; NAT64, RFC
/// 6052; 6to4, RFC 3056) is of another network than it seems, and a scope is a matter of one machine.
fn is_plain(address: &SocketAddr) -> bool {
    match address {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => {
            let holds_v4 = matches!(
                v6.ip().segments(),
                [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, ..] | [0x2002, ..]
            );
            !holds_v4 && v6.scope_id() == 0 && v6.flowinfo() == 0
        }
    }
}

/// What a relay may be in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first: it sees who calls.
    Entry,
    /// The second: it sees who is called.
    Exit,
    /// Either, never both in one tunnel.
    Both,
}

impl Role {
    /// Whether it may be the first.
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Entry | Self::Both)
    }

    /// Whether it may be the second.
    pub const fn is_exit(self) -> bool {
        matches!(self, Self::Exit | Self::Both)
    }
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Families {
    /// Both.
    pub const BOTH: Self = Self { v4: true, v6: true };

    /// Whether an address is of one of them.
    pub const fn contain(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }

    /// Whether there is one in both.
    pub const fn meet(self, other: Self) -> bool {
        self.v4 && other.v4 || self.v6 && other.v6
    }

    /// Whether each of the others is in it.
    pub const fn include(self, other: Self) -> bool {
        (self.v4 || !other.v4) && (self.v6 || !other.v6)
    }
}

/// Who runs a relay: a name to show and to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operator(String);

impl Operator {
    /// A name of 1 to 64 characters in one line, without what changes how a line is shown.
    pub fn parse(text: &str) -> Result<Self, OperatorError> {
        let is_name = (1..=MAX_OPERATOR).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(is_unseen);
        is_name.then(|| Self(text.to_owned())).ok_or(OperatorError)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Controls, and what shows nothing or turns the direction: two names that look the same would be different.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text is no name of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the name of an operator has 1 to 64 characters, none of them a control")]
pub struct OperatorError;

/// What is wrong with a relay by itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RelayError {
    /// It has none, or too many.
    #[error("it has no address, or more than 8")]
    Addresses,
    /// It cannot be reached there from the Internet.
    #[error("{0} is not an address on the Internet")]
    Address(SocketAddr),
    /// It takes tokens of too many.
    #[error("it has more than 8 issuers")]
    Issuers,
}

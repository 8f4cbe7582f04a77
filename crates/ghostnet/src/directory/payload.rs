//! What is signed: JSON, read into types by rules that both who publishes and who reads hold to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use data_encoding::BASE64;
use securecall_relay::HopProof;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::relay::{Operator, OperatorError, Relay, RelayError, Role};
use super::{Directory, Reach, spki};
use crate::host_name::{HostName, HostNameError, IssuerName};
use crate::time::{UnixTime, Validity};
use crate::token::{AcceptedKey, TokenKey, TokenKeyError};

/// The most relays of a directory.
pub const MAX_RELAYS: usize = 1_000;
/// The most keys of issuers.
pub const MAX_ISSUER_KEYS: usize = 64;
/// The version of the format that is read and written.
const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
struct WireDirectory {
    version: u32,
    serial: u64,
    not_before: u64,
    not_after: u64,
    #[serde(default)]
    issuers: Vec<WireIssuer>,
    relays: Vec<WireRelay>,
}

#[derive(Deserialize, Serialize)]
struct WireIssuer {
    name: String,
    token_key: String,
    not_before: u64,
    not_after: u64,
}

#[derive(Deserialize, Serialize)]
struct WireRelay {
    name: String,
    addresses: Vec<SocketAddr>,
    role: WireRole,
    operator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spki: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    issuers: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    Entry,
    Exit,
    Both,
}

pub(super) fn read(payload: &[u8], reach: Reach) -> Result<Directory, PayloadError> {
    // The version first: another may have any other form.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(payload).map_err(|e| json_error(&e))?;
    if version != VERSION {
        return Err(PayloadError::Version(version));
    }
    let wire: WireDirectory = serde_json::from_slice(payload).map_err(|e| json_error(&e))?;
    if wire.relays.len() > MAX_RELAYS || wire.issuers.len() > MAX_ISSUER_KEYS {
        return Err(PayloadError::TooMany);
    }
    let issuer_keys = wire.issuers.iter().map(read_issuer);
    let relays = wire.relays.iter().map(|relay| {
        read_relay(relay, reach).map_err(|fault| PayloadError::Relay {
            name: shown(&relay.name),
            fault: Box::new(fault),
        })
    });
    let directory = Directory {
        serial: wire.serial,
        validity: read_validity(wire.not_before, wire.not_after)?,
        issuer_keys: issuer_keys.collect::<Result<_, _>>()?,
        relays: relays.collect::<Result<_, _>>()?,
        reach,
    };
    check(&directory)?;
    Ok(directory)
}

fn read_issuer(wire: &WireIssuer) -> Result<AcceptedKey, PayloadError> {
    let fault = |fault| PayloadError::Issuer {
        name: shown(&wire.name),
        fault,
    };
    Ok(AcceptedKey {
        issuer: IssuerName::parse(&wire.name).map_err(|e| fault(IssuerFault::Name(e)))?,
        key: TokenKey::from_base64url(&wire.token_key).map_err(|e| fault(IssuerFault::Key(e)))?,
        validity: read_validity(wire.not_before, wire.not_after)?,
    })
}

fn read_relay(wire: &WireRelay, reach: Reach) -> Result<Relay, RelayFault> {
    let proof = match &wire.spki {
        None => HopProof::Authorities,
        Some(text) => HopProof::Spki(read_spki(text).ok_or(RelayFault::Spki)?),
    };
    let issuers = wire.issuers.iter().map(|name| IssuerName::parse(name));
    let relay = Relay {
        name: HostName::parse(&wire.name)?,
        addresses: wire.addresses.clone(),
        proof,
        role: match wire.role {
            WireRole::Entry => Role::Entry,
            WireRole::Exit => Role::Exit,
            WireRole::Both => Role::Both,
        },
        operator: Operator::parse(&wire.operator)?,
        issuers: issuers.collect::<Result<_, _>>()?,
    };
    relay.check(reach)?;
    Ok(relay)
}

fn read_validity(not_before: u64, not_after: u64) -> Result<Validity, PayloadError> {
    let at = UnixTime::from_secs;
    Validity::new(at(not_before), at(not_after)).ok_or(PayloadError::Validity)
}

fn read_spki(text: &str) -> Option<[u8; 32]> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// The rules for relays and issuers together: nobody is in it twice, and nobody is named who is not.
fn check(directory: &Directory) -> Result<(), PayloadError> {
    let mut keys = BTreeSet::new();
    for accepted in &directory.issuer_keys {
        if !keys.insert(accepted.key.id()) {
            return Err(PayloadError::SameKey(accepted.issuer.clone()));
        }
    }
    let issuers: BTreeSet<_> = directory.issuer_keys.iter().map(|k| &k.issuer).collect();
    let mut names = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    let mut pins = BTreeMap::new();
    for relay in &directory.relays {
        let fault = |fault| {
            Err(PayloadError::Relay {
                name: relay.name.to_string(),
                fault: Box::new(fault),
            })
        };
        if !names.insert(&relay.name) {
            return fault(RelayFault::SameName);
        }
        if let Some(address) = relay.addresses.iter().find(|a| !addresses.insert(**a)) {
            return fault(RelayFault::SameAddress(*address));
        }
        // Who has the key of another operator's relay is that operator.
        if let Some(pin) = spki(&relay.proof)
            && *pins.entry(pin).or_insert(&relay.operator) != &relay.operator
        {
            return fault(RelayFault::SamePin);
        }
        let mut of_relay = BTreeSet::new();
        if let Some(issuer) = relay
            .issuers
            .iter()
            .find(|name| !issuers.contains(name) || !of_relay.insert(*name))
        {
            return fault(RelayFault::Issuer(issuer.clone()));
        }
    }
    Ok(())
}

pub(super) fn write(directory: &Directory) -> Vec<u8> {
    let issuers = directory.issuer_keys.iter().map(|accepted| WireIssuer {
        name: accepted.issuer.to_string(),
        token_key: accepted.key.to_base64url(),
        not_before: accepted.validity.not_before().as_secs(),
        not_after: accepted.validity.not_after().as_secs(),
    });
    let relays = directory.relays.iter().map(|relay| WireRelay {
        name: relay.name.to_string(),
        addresses: relay.addresses.clone(),
        role: match relay.role {
            Role::Entry => WireRole::Entry,
            Role::Exit => WireRole::Exit,
            Role::Both => WireRole::Both,
        },
        operator: relay.operator.to_string(),
        spki: spki(&relay.proof).map(|pin| BASE64.encode(pin)),
        issuers: relay.issuers.iter().map(ToString::to_string).collect(),
    });
    let wire = WireDirectory {
        version: VERSION,
        serial: directory.serial,
        not_before: directory.validity.not_before().as_secs(),
        not_after: directory.validity.not_after().as_secs(),
        issuers: issuers.collect(),
        relays: relays.collect(),
    };
    // Texts and numbers can always be written.
    serde_json::to_vec_pretty(&wire).unwrap_or_default()
}

/// A name that may be none, for people.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn json_error(error: &serde_json::Error) -> PayloadError {
    PayloadError::Json {
        line: error.line(),
        column: error.column(),
    }
}

/// What is wrong with a payload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// It is no such JSON.
    #[error("line {line}, column {column}: not the JSON of a relay directory")]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is of a format that this program does not know.
    #[error("version {0} is not known here: a newer program reads it")]
    Version(u32),
    /// There is more than any directory has.
    #[error("more than 1,000 relays or 64 keys of issuers")]
    TooMany,
    /// It would end before it begins.
    #[error("a not_after is not after its not_before")]
    Validity,
    /// Two issuers, or one twice, with one key.
    #[error("the key of issuer {0} is there twice")]
    SameKey(IssuerName),
    /// An issuer is wrong.
    #[error("issuer {name}: {fault}")]
    Issuer {
        /// Its name, as it is written.
        name: String,
        /// What is wrong.
        fault: IssuerFault,
    },
    /// A relay is wrong.
    #[error("relay {name}: {fault}")]
    Relay {
        /// Its name, as it is written.
        name: String,
        /// What is wrong.
        fault: Box<RelayFault>,
    },
}

/// What is wrong with an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuerFault {
    /// Its name.
    #[error(transparent)]
    Name(HostNameError),
    /// Its key.
    #[error(transparent)]
    Key(TokenKeyError),
}

/// What is wrong with a relay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RelayFault {
    /// Its name, or that of an issuer.
    #[error(transparent)]
    Name(#[from] HostNameError),
    /// Its operator.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Its pin.
    #[error("spki is not the base64 of a SHA-256")]
    Spki,
    /// Something of it alone.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// Another has its name.
    #[error("the name is there twice")]
    SameName,
    /// Another, or itself, has its address.
    #[error("the address {0} is there twice")]
    SameAddress(SocketAddr),
    /// A relay of another operator has its key.
    #[error("a relay of another operator has the same key")]
    SamePin,
    /// It takes tokens of somebody who is not there.
    #[error("issuer {0} is named twice, or is not in the directory")]
    Issuer(IssuerName),
}

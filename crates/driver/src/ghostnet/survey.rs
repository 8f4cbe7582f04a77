//! The relays of the list and what pays for them, tried for real before anybody calls.
//!
//! Nothing is bought, spent or remembered. Each relay learns that somebody at our address looked at it, which of all relays only the
//! entry learns in a call, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_ghostnet::choice::NoRelay;
use securecall_ghostnet::directory::{DirectoryError, Families, Relay, Role};
use securecall_ghostnet::token::{AcceptedKey, LOW_STOCK, read_www_authenticate};
use securecall_ghostnet::{HostName, IssuerName};
use securecall_media::Reach;
use securecall_relay::{Hop, TunnelFailureKind};
use securecall_relay_client::{Https, RelayProbeFailure, TlsTrust, probe_relay};

use super::GhostNetSources;
use super::call_paths::now;
use super::known::{Known, families};
use super::list::{self, ListError};
use super::token_shop::{ShopError, TokenShop};
use crate::clock;

/// What is known of relays and tokens.
#[derive(Debug)]
pub struct Survey {
    /// Why the list could not be had, if it could not; then all else is of the last one that was remembered.
    pub not_there: Option<ListError>,
    /// Why it is refused, if it is; then the same.
    pub refused: Option<DirectoryError>,
    /// For how long the list is good, if there is one that is.
    pub good_for: Option<Duration>,
    /// Whether a call could go through two relays now.
    pub ready: Result<(), NoRelay>,
    /// The relays.
    pub relays: Vec<ListedRelay>,
    /// Who sells the tokens that they take.
    pub issuers: Vec<ListedIssuer>,
    /// How long it took to get the list.
    pub took: Duration,
}

/// A relay of the list.
#[derive(Debug)]
pub struct ListedRelay {
    /// Its name.
    pub name: HostName,
    /// Where it is asked; `None` where this machine has no address of its kind.
    pub address: Option<SocketAddr>,
    /// What it may be.
    pub role: Role,
    /// Who runs it.
    pub operator: String,
    hop: Option<Hop>,
    /// Whose tokens it takes.
    issuers: Vec<IssuerName>,
    has_secret: bool,
    trust: Option<TlsTrust>,
}

/// An issuer of tokens.
#[derive(Debug)]
pub struct ListedIssuer {
    /// Its name.
    pub name: IssuerName,
    /// Tokens of its keys that are in stock, and good.
    pub tokens: usize,
    /// With fewer, others are bought.
    pub low: usize,
    key: Option<AcceptedKey>,
    https: Option<Https>,
    is_trial: bool,
}

/// Why a relay is of no use to a call.
#[derive(Debug, thiserror::Error)]
pub enum RelayFault {
    /// This machine has no address of the kind that the relay has.
    #[error("this machine has no way to an address of this kind (IPv4 or IPv6)")]
    NoWay,
    /// It does not answer.
    #[error("it does not answer")]
    Silent,
    /// It has another key than the list says, or no certificate that is believed.
    #[error("it is not the relay that the list means: its key is another")]
    WrongKey,
    /// Packets of the size that a tunnel needs do not get there.
    #[error("the way to it is too narrow for a connection to another relay")]
    TooNarrow,
    /// It has no room, or is about to stop.
    #[error("it has no room at present, or is about to stop")]
    Busy,
    /// It refuses.
    #[error("it refuses, with status {0}")]
    Refused(u16),
    /// It does not do what a relay does.
    #[error("it does not speak as a relay does")]
    Protocol,
    /// It asks for what we do not have.
    #[error("it asks for other tokens than the list says")]
    OtherTokens,
    /// It asks for a secret, and none is set.
    #[error("it asks for a secret, and `ghostnet_secret` is not set")]
    NoSecret,
}

impl From<TunnelFailureKind> for RelayFault {
    fn from(kind: TunnelFailureKind) -> Self {
        match kind {
            TunnelFailureKind::Silent => Self::Silent,
            TunnelFailureKind::WrongCertificate => Self::WrongKey,
            TunnelFailureKind::PathTooNarrow => Self::TooNarrow,
            TunnelFailureKind::Busy => Self::Busy,
            TunnelFailureKind::Refused(status) => Self::Refused(status),
            TunnelFailureKind::Unauthorized => Self::OtherTokens,
            TunnelFailureKind::Protocol | TunnelFailureKind::Ended => Self::Protocol,
        }
    }
}

/// Gets the list, and says what is in it. No relay is asked yet.
pub async fn survey(sources: &GhostNetSources, trust: Option<&TlsTrust>, reach: Reach) -> Survey {
    let begin = clock::now();
    let mut known = Known::of(sources, reach, now());
    let https = trust.and_then(|trust| Https::new(trust).ok());
    let (not_there, refused) = match list::fetch(&sources.directory, https.as_ref()).await {
        Ok(file) => (None, known.take_file(file, now()).err()),
        Err(error) => (Some(error), None),
    };
    let now = now();
    let ready = known.is_ready(now);
    let directory = known.directory.as_ref();
    let directory = directory.filter(|directory| directory.validity.contains(now));
    let left = directory.map(|directory| now.secs_until(directory.validity.not_after()));
    let ours = families(reach);
    let relays = directory.iter().flat_map(|directory| &directory.relays);
    let relays = relays
        .map(|relay| listed(relay, &known, ours, trust))
        .collect();
    let issuers = directory.map_or_else(Vec::new, |directory| {
        let issuer = |name: &IssuerName| {
            let keys = directory.issuer_keys.iter();
            let keys = keys.filter(|key| key.issuer == *name);
            ListedIssuer {
                name: name.clone(),
                tokens: keys.map(|key| known.stock.count(key.key.id(), now)).sum(),
                low: LOW_STOCK,
                key: directory.key_to_buy(name, now).cloned(),
                https: https.clone(),
                is_trial: reach == Reach::ThisMachine,
            }
        };
        directory.issuers().into_iter().map(issuer).collect()
    });
    Survey {
        not_there,
        refused,
        good_for: left.map(Duration::from_secs),
        ready,
        relays,
        issuers,
        took: clock::now() - begin,
    }
}

fn listed(relay: &Relay, known: &Known, ours: Families, trust: Option<&TlsTrust>) -> ListedRelay {
    let address = relay.address_within(ours);
    ListedRelay {
        name: relay.name.clone(),
        address,
        role: relay.role,
        operator: relay.operator.to_string(),
        hop: address.map(|address| relay.hop(address, None)),
        issuers: relay.issuers.clone(),
        has_secret: known.secret.is_some(),
        trust: trust.cloned(),
    }
}

impl ListedRelay {
    /// Asks the relay who it is and what it wants. Gives how long that took: three round trips or so.
    ///
    /// # Errors
    ///
    /// Why a call could not go through it.
    pub async fn probe(&self) -> Result<Duration, RelayFault> {
        let hop = self.hop.as_ref().ok_or(RelayFault::NoWay)?;
        let begin = clock::now();
        let shown = probe_relay(hop, self.role.is_entry(), self.trust.as_ref()).await;
        let took = clock::now() - begin;
        let shown = shown.map_err(|failure| match failure {
            RelayProbeFailure::NoWay => RelayFault::NoWay,
            RelayProbeFailure::Relay(kind) => kind.into(),
        })?;
        self.can_pay(&shown.asks_for)?;
        Ok(took)
    }

    /// Whether what it asks for is what the list says. One that asks for nothing is paid all the same.
    fn can_pay(&self, asks_for: &[String]) -> Result<(), RelayFault> {
        if asks_for.is_empty() {
            return Ok(());
        }
        if self.issuers.is_empty() {
            return if self.has_secret {
                Ok(())
            } else {
                Err(RelayFault::NoSecret)
            };
        }
        let offers = asks_for
            .iter()
            .filter_map(|text| read_www_authenticate(text).ok())
            .flatten();
        let mut offered = offers.map(|offer| offer.challenge.issuer_name().clone());
        if offered.any(|issuer| self.issuers.contains(&issuer)) {
            Ok(())
        } else {
            Err(RelayFault::OtherTokens)
        }
    }
}

impl ListedIssuer {
    /// Asks the issuer for its keys, one of which must be the list's. Nothing is bought. Gives how long that took.
    ///
    /// # Errors
    ///
    /// Why no token could be bought, in words.
    pub async fn probe(&self) -> Result<Duration, String> {
        let none = || "the list has no key of it that is valid now".to_owned();
        let key = self.key.as_ref().ok_or_else(none)?;
        let https = self
            .https
            .as_ref()
            .ok_or_else(|| ListError::NoTrust.to_string())?;
        let begin = clock::now();
        let found = TokenShop::find(https, key, None, self.is_trial).await;
        found.map_err(|error: ShopError| error.to_string())?;
        Ok(clock::now() - begin)
    }
}

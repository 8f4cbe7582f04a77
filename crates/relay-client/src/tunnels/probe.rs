//! One relay, looked at without paying it.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use quinn::{Endpoint, TokioRuntime};
use securecall_relay::masque::Target;
use securecall_relay::{Hop, HopRole, TunnelFailureKind};

use super::relay_connection::RelayConnection;
use super::requests;
use super::transport::endpoint_config;
use super::tunnel::become_wide;
use super::udp_socket::UdpSocket;
use crate::TlsTrust;

/// The most challenges that are read of an answer.
const MAX_CHALLENGES: usize = 16;

/// What a relay shows to whoever does not pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayShown {
    /// What it asks for, as the values of `www-authenticate` have it. None if it asks for nothing.
    pub asks_for: Vec<String>,
}

/// Why a relay cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayProbeFailure {
    /// This machine has no way to its address.
    #[error("this machine has no way to an address of this kind (IPv4 or IPv6)")]
    NoWay,
    /// It is not there, is another, or does not do what a relay does.
    #[error("it is of no use: {0:?}")]
    Relay(TunnelFailureKind),
}

/// Connects to a relay as a tunnel would, has it prove who it is, and asks for a flow that leads nowhere, without a token or a
/// secret. It says then what it asks for, and learns no more than that somebody looked. `as_entry` says whether the path to it must be
/// wide enough for the connection to an exit.
///
/// # Errors
///
/// Why a tunnel through it would fail.
pub async fn probe_relay(
    hop: &Hop,
    as_entry: bool,
    trust: Option<&TlsTrust>,
) -> Result<RelayShown, RelayProbeFailure> {
    let (socket, local) = UdpSocket::towards(hop.address).map_err(|_| RelayProbeFailure::NoWay)?;
    if local.is_none() {
        return Err(RelayProbeFailure::NoWay);
    }
    let runtime = std::sync::Arc::new(TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(endpoint_config(), None, socket, runtime)
        .map_err(|_| RelayProbeFailure::NoWay)?;
    look(&endpoint, hop, as_entry, trust)
        .await
        .map_err(RelayProbeFailure::Relay)
}

async fn look(
    endpoint: &Endpoint,
    hop: &Hop,
    as_entry: bool,
    trust: Option<&TlsTrust>,
) -> Result<RelayShown, TunnelFailureKind> {
    let relay = RelayConnection::open(endpoint, hop, HopRole::Entry, trust).await?;
    // Whatever is known to be asked for is not shown.
    let unpaid = Hop {
        authorization: None,
        ..hop.clone()
    };
    let request = requests::connect_udp(&unpaid, Target::Any);
    let request = request.ok_or(TunnelFailureKind::Protocol)?;
    let (status, fields) = relay.look(request).await?;
    if status != StatusCode::UNAUTHORIZED {
        // One that asks for nothing has opened a flow, which ends with the connection.
        requests::accepted(status)?;
    }
    if as_entry {
        become_wide(&relay.quic).await?;
    }
    Ok(RelayShown {
        asks_for: challenges(&fields),
    })
}

fn challenges(fields: &HeaderMap) -> Vec<String> {
    let values = fields.get_all(WWW_AUTHENTICATE).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.take(MAX_CHALLENGES).map(str::to_owned).collect()
}

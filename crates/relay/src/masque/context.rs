//! HTTP datagrams of a flow: context ID, in some contexts an address, payload.

use std::net::{IpAddr, SocketAddr};

use super::{ContextId, varint};

/// The longest payload of UDP (RFC 9298 section 5).
pub const MAX_UDP_PAYLOAD: usize = 65_527;
/// The longest address with its port, and the byte that says its version.
pub(super) const MAX_PEER_LEN: usize = 1 + 16 + 2;
/// The most that stands before a payload.
pub const MAX_HEADER_LEN: usize = varint::MAX_LEN + MAX_PEER_LEN;

/// What stands before the payload in a datagram. To be written in front of it, so that no packet is copied
/// for its sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl DatagramHeader {
    /// The context says whom the packet is for, or from.
    pub fn compressed(id: ContextId) -> Self {
        Self::of(id, &[])
    }

    /// The packet says so itself.
    pub fn uncompressed(id: ContextId, peer: SocketAddr) -> Self {
        Self::of(id, EncodedPeer::new(peer).as_ref())
    }

    fn of(id: ContextId, peer: &[u8]) -> Self {
        let mut header = Self {
            bytes: [0; MAX_HEADER_LEN],
            len: 0,
        };
        for part in [varint::encode(id.value()).as_ref(), peer] {
            let at = usize::from(header.len);
            header.bytes[at..at + part.len()].copy_from_slice(part);
            header.len += part.len() as u8;
        }
        header
    }
}

impl AsRef<[u8]> for DatagramHeader {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// An address as capsules and datagrams have it: version, address, port.
pub(super) struct EncodedPeer {
    bytes: [u8; MAX_PEER_LEN],
    len: u8,
}

impl EncodedPeer {
    pub(super) fn new(peer: SocketAddr) -> Self {
        let mut encoded = Self {
            bytes: [0; MAX_PEER_LEN],
            len: 0,
        };
        match peer.ip() {
            IpAddr::V4(ip) => {
                encoded.push(&[4]);
                encoded.push(&ip.octets());
            }
            IpAddr::V6(ip) => {
                encoded.push(&[6]);
                encoded.push(&ip.octets());
            }
        }
        encoded.push(&peer.port().to_be_bytes());
        encoded
    }

    fn push(&mut self, part: &[u8]) {
        let at = usize::from(self.len);
        self.bytes[at..at + part.len()].copy_from_slice(part);
        self.len += part.len() as u8;
    }
}

impl AsRef<[u8]> for EncodedPeer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The context ID of a datagram, and the rest. Nothing is copied.
///
/// # Errors
/// [`DatagramRefusal::Truncated`].
pub fn split(datagram: &[u8]) -> Result<(ContextId, &[u8]), DatagramRefusal> {
    let (id, rest) = varint::read(datagram).ok_or(DatagramRefusal::Truncated)?;
    let id = ContextId::new(id).ok_or(DatagramRefusal::Truncated)?;
    Ok((id, rest))
}

/// The payload of a datagram in a flow with one target (RFC 9298 section 5).
///
/// # Errors
/// A datagram of another context, for there is none; or one that is no datagram.
pub fn udp_payload(datagram: &[u8]) -> Result<&[u8], DatagramRefusal> {
    match split(datagram)? {
        (ContextId::UDP_PAYLOAD, payload) => bounded(payload),
        _ => Err(DatagramRefusal::UnknownContext),
    }
}

/// The address in front of an uncompressed payload, and the payload.
pub(super) fn split_peer(bytes: &[u8]) -> Result<(SocketAddr, &[u8]), DatagramRefusal> {
    let (version, rest) = bytes.split_first().ok_or(DatagramRefusal::Truncated)?;
    let (ip, rest) = match version {
        4 => {
            let (ip, rest) = rest
                .split_first_chunk::<4>()
                .ok_or(DatagramRefusal::Truncated)?;
            (IpAddr::from(*ip), rest)
        }
        6 => {
            let (ip, rest) = rest
                .split_first_chunk::<16>()
                .ok_or(DatagramRefusal::Truncated)?;
            (IpAddr::from(*ip), rest)
        }
        _ => return Err(DatagramRefusal::NoAddress),
    };
    let (port, payload) = rest
        .split_first_chunk::<2>()
        .ok_or(DatagramRefusal::Truncated)?;
    Ok((SocketAddr::new(ip, u16::from_be_bytes(*port)), payload))
}

/// A payload that UDP can carry.
pub(super) fn bounded(payload: &[u8]) -> Result<&[u8], DatagramRefusal> {
    match payload.len() {
        0..=MAX_UDP_PAYLOAD => Ok(payload),
        _ => Err(DatagramRefusal::PayloadTooLong),
    }
}

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DatagramRefusal {
    /// Context 0 in a bound flow: whoever sends it does not speak this protocol.
    #[error("context 0 in a bound flow")]
    ContextZero,
    /// It is longer than UDP can carry.
    #[error("a payload longer than UDP can carry")]
    PayloadTooLong,
    /// The flow has ended by a mistake before.
    #[error("the flow is over")]
    FlowOver,
    /// It ends within its context ID or address.
    #[error("a datagram that ends too early")]
    Truncated,
    /// Nobody has registered this context, or it is closed.
    #[error("a context that is not open")]
    UnknownContext,
    /// Neither IPv4 nor IPv6.
    #[error("an address that is neither IPv4 nor IPv6")]
    NoAddress,
    /// The relay sends nothing there.
    #[error("an address that the relay does not send to")]
    NotAdmitted,
    /// The client sends to more hosts at a time than is allowed.
    #[error("too many hosts at a time")]
    TooManyHosts,
    /// The client has not sent to this host, or not for a while.
    #[error("a host that the client has not sent to")]
    NotPermitted,
    /// Only registered peers pass, and this is none.
    #[error("no context for this peer")]
    NoContext,
}

impl DatagramRefusal {
    /// Whether the flow must end: other packets are only lost.
    pub fn ends_flow(self) -> bool {
        matches!(
            self,
            Self::ContextZero | Self::PayloadTooLong | Self::FlowOver
        )
    }
}

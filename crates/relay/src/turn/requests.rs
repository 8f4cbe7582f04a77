//! What is asked of a server (RFC 8656), before it is authenticated.

use std::net::SocketAddr;

use super::transactions::Purpose;
use crate::stun::{AttributeType, Class, MessageBuilder, Method, TransactionId};

/// UDP (RFC 8656 section 18.8), for packets to and from the peer.
const REQUESTED_UDP: u32 = 17 << 24;
/// IPv6 (RFC 8656 section 18.6).
const FAMILY_IPV6: u32 = 2 << 24;

impl Purpose {
    /// The method of such a request, and so of its responses.
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Allocate | Self::AllocateIpv4 | Self::AllocateIpv6 => Method::Allocate,
            Self::Refresh | Self::Check | Self::Release => Method::Refresh,
            Self::Permission(_) => Method::CreatePermission,
            Self::Channel(_) => Method::ChannelBind,
        }
    }

    /// The request. A channel has a number by then.
    pub(super) fn request(self, id: TransactionId, channel: Option<u16>) -> MessageBuilder {
        let request = MessageBuilder::new(Class::Request, self.method(), id);
        match self {
            Self::Allocate => request
                .number(AttributeType::REQUESTED_TRANSPORT, REQUESTED_UDP)
                // An IPv4 address, and an IPv6 one where the server has any, so that peers of both
                // kinds are reached (RFC 8656 section 7.1).
                .number(AttributeType::ADDITIONAL_ADDRESS_FAMILY, FAMILY_IPV6)
                .number(AttributeType::ADDITIONAL_ADDRESS_FAMILY_DRAFT, FAMILY_IPV6),
            Self::AllocateIpv4 => request.number(AttributeType::REQUESTED_TRANSPORT, REQUESTED_UDP),
            Self::AllocateIpv6 => request
                .number(AttributeType::REQUESTED_TRANSPORT, REQUESTED_UDP)
                .number(AttributeType::REQUESTED_ADDRESS_FAMILY, FAMILY_IPV6),
            Self::Refresh | Self::Check => request,
            Self::Release => request.number(AttributeType::LIFETIME, 0),
            Self::Permission(ip) => {
                request.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(ip, 0))
            }
            Self::Channel(peer) => request
                .number(
                    AttributeType::CHANNEL_NUMBER,
                    u32::from(channel.unwrap_or_default()) << 16,
                )
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer),
        }
    }
}

//! What a STUN server says of where it sees us (RFC 8489 section 14.2).

use std::net::SocketAddr;

use crate::reach::is_of_a_host;
use crate::stun::{AttributeType, Class, Message};

/// Where the server saw a socket of this family, if it says so and packets can come there.
pub(crate) fn mapped_address(message: &Message<'_>, socket: SocketAddr) -> Option<SocketAddr> {
    if message.class() != Class::Success {
        return None;
    }
    message
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS)
        // Servers of the time before RFC 5389 know this one only.
        .or_else(|| message.address(AttributeType::MAPPED_ADDRESS))
        .filter(|address| is_of_a_host(*address) && address.is_ipv4() == socket.is_ipv4())
}

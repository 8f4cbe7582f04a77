//! Whether this machine has an address that others reach without a NAT.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use super::check::Check;
use super::names::Name;

/// The first global unicast address there is (RFC 4291). Nothing is sent to it.
const SOMEWHERE: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

/// Whether this machine has an IPv6 address by which it would send into the Internet. It is well either way.
pub(crate) fn ipv6() -> Check {
    let message = match source_towards(SOMEWHERE) {
        Some(address) => format!("this machine has {address}"),
        None => "this machine has no global address; calls go by IPv4".to_owned(),
    };
    Check::good(Name::Ipv6, message)
}

/// The address that the operating system would send from, if it knows a way at all.
fn source_towards(destination: Ipv6Addr) -> Option<Ipv6Addr> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    // Of datagrams this sends nothing: it looks for a way.
    socket.connect((destination, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V6(address) => Some(*address.ip()).filter(|ip| is_global(*ip)),
        SocketAddr::V4(_) => None,
    }
}

/// Neither of this machine, nor of this network or site.
fn is_global(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_nowhere_are_none() {
        for (address, global) in [
            ("2001:db8::1", true),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("::ffff:192.0.2.1", false),
        ] {
            assert_eq!(is_global(address.parse().unwrap()), global, "{address}");
        }
    }
}

//! Which clients belong together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network that a client is counted in: whoever has a /24 of IPv4 or a /56 of IPv6 has all of it.
///
/// `securecall-server` goes by single addresses of IPv4: behind one /24 can be a whole town that wants accounts, while of places for
/// handshakes and flows there are enough for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork(IpAddr);

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 72)).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_one_subscriber_belong_together() {
        let of = |text: &str| ClientNetwork::from(text.parse::<IpAddr>().unwrap());
        assert!(of("192.0.2.1") == of("192.0.2.200"));
        assert!(of("192.0.2.1") == of("::ffff:192.0.2.9"));
        assert!(of("192.0.2.1") != of("192.0.3.1"));
        assert!(of("2001:db8:0:1::1") == of("2001:db8:0:2::1"));
        assert!(of("2001:db8:0:100::1") != of("2001:db8:0:200::1"));
    }
}

//! Whose request it is, as limits go: by network, for addresses of one are to be had in any number.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use ipnet::IpNet;

/// The header in which proxies say for whom they ask.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// An IPv4 address, or the /56 of an IPv6 address: what one customer of an access provider has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    /// Of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let mut octets = address.octets();
                octets[7..].fill(0);
                Self(Ipv6Addr::from(octets).into())
            }
            v4 => Self(v4),
        }
    }

    /// Of a request. What proxies say is believed from the last one on, as long as each is one of ours: what a client writes into
    /// the header itself stands before that.
    pub(crate) fn of_request(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_ours = |address: IpAddr| {
            let address = address.to_canonical();
            trusted.iter().any(|network| network.contains(&address))
        };
        let mut address = peer;
        let named = headers.get_all(FORWARDED_FOR).iter();
        let named: Vec<&str> = named.filter_map(|value| value.to_str().ok()).collect();
        let mut hops = named.iter().rev().flat_map(|value| value.rsplit(','));
        while is_ours(address) {
            match hops.next().and_then(|hop| hop.trim().parse().ok()) {
                Some(before) => address = before,
                None => break,
            }
        }
        Self::of(address)
    }
}

/// It stands for an address.
impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(peer: &str, forwarded: &[&str]) -> Network {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted = [
            "127.0.0.1/32".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        Network::of_request(peer.parse().unwrap(), &headers, &trusted)
    }

    fn of(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn only_our_proxies_are_believed() {
        assert_eq!(network("127.0.0.1", &["192.0.2.1"]), of("192.0.2.1"));
        assert_eq!(network("192.0.2.9", &["192.0.2.1"]), of("192.0.2.9"));
        // Whatever the client has written before.
        assert_eq!(
            network("127.0.0.1", &["198.51.100.7, 192.0.2.1"]),
            of("192.0.2.1")
        );
        assert_eq!(
            network("127.0.0.1", &["198.51.100.7", "192.0.2.1, 10.1.1.1"]),
            of("192.0.2.1")
        );
        for nothing in [&[][..], &["unknown"], &[""], &["192.0.2.1, x"]] {
            assert_eq!(network("127.0.0.1", nothing), of("127.0.0.1"));
        }
    }

    #[test]
    fn a_customer_is_one_network() {
        assert_eq!(of("2001:db8:0:aa00::1"), of("2001:db8:0:aaff:1:2:3:4"));
        assert_ne!(of("2001:db8:0:aa00::1"), of("2001:db8:0:ab00::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}

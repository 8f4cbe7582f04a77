//! Where an exit sends packets to at all.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::reach::{is_of_a_host, is_public, v4_within};

/// Where an exit sends packets to: one for all its flows.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    is_lab: bool,
    refused: Vec<Network>,
}

impl Admission {
    /// Hosts that anybody on the Internet can reach ([`is_public`]), and no others.
    pub fn of_public_hosts() -> Self {
        Self::default()
    }

    /// Any host, this machine as well: for a lab, where nobody else can ask.
    pub fn of_any_host() -> Self {
        Self {
            is_lab: true,
            ..Self::default()
        }
    }

    /// But none in these networks: those of whoever runs the relay.
    pub fn but_not_in(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.refused.extend(networks);
        self
    }

    /// Whether packets are sent there. An IPv4 address within an IPv6 one, whoever would take it out (the system, a NAT64, 6to4), is no
    /// way around: not into networks that are refused, nor to this machine. Nobody has such an address for ICE to name.
    pub fn admits(&self, peer: SocketAddr) -> bool {
        let is_mapped = match peer.ip() {
            IpAddr::V4(_) => false,
            // `::1` is one of a lab.
            IpAddr::V6(ip) if ip.is_loopback() => false,
            IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some() || v4_within(ip).is_some(),
        };
        let is_host = is_public(peer) || self.is_lab && is_of_a_host(peer);
        let is_refused = self
            .refused
            .iter()
            .any(|network| network.contains(peer.ip()));
        is_host && !is_mapped && !is_refused
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `None` if an address has fewer bits than that.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether an address is one of them.
    pub fn contains(self, ip: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= prefix
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= prefix
            }
            _ => false,
        }
    }
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network such as 198.51.100.0/24 or 2001:db8::/32")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').ok_or(NetworkError)?;
        let address = address.parse().map_err(|_| NetworkError)?;
        let prefix = prefix.parse().map_err(|_| NetworkError)?;
        Self::new(address, prefix).ok_or(NetworkError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_hosts_are_admitted_and_in_a_lab_any_host() {
        let public = Admission::of_public_hosts();
        let lab = Admission::of_any_host();
        for text in ["198.51.100.7:40000", "[2001:db8::7]:40000"] {
            assert!(
                public.admits(address(text)) && lab.admits(address(text)),
                "{text}"
            );
        }
        for text in [
            "10.0.0.1:80",
            "127.0.0.1:22",
            "[::1]:22",
            "169.254.169.254:80",
            "[fd00::1]:1",
        ] {
            assert!(
                !public.admits(address(text)) && lab.admits(address(text)),
                "{text}"
            );
        }
        for text in [
            "198.51.100.7:0",
            "224.0.0.251:5353",
            "255.255.255.255:1",
            "0.0.0.0:1",
            "[ff02::fb]:5353",
            "[::ffff:198.51.100.7]:40000",
            "[::ffff:127.0.0.1]:22",
            "[64:ff9b::198.51.100.7]:40000",
            "[2002:c633:6407::1]:40000",
            "[::198.51.100.7]:40000",
            "[::ffff:0:198.51.100.7]:40000",
        ] {
            assert!(
                !public.admits(address(text)) && !lab.admits(address(text)),
                "{text}"
            );
        }
    }

    #[test]
    fn the_networks_of_the_operator_are_not_reached() {
        let networks = ["198.51.100.0/24", "2001:db8:1::/48"].map(|text| text.parse().unwrap());
        for admission in [Admission::of_public_hosts(), Admission::of_any_host()] {
            let admission = admission.but_not_in(networks);
            assert!(!admission.admits(address("198.51.100.255:9")));
            assert!(admission.admits(address("198.51.101.1:9")));
            assert!(!admission.admits(address("[2001:db8:1:ffff::1]:9")));
            assert!(admission.admits(address("[2001:db8:2::1]:9")));
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.1".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        for wrong in [
            "198.51.100.0",
            "198.51.100.0/33",
            "::/129",
            "a/8",
            "/",
            "10.0.0.0/+8x",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
    }
}

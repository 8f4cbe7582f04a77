//! Which addresses a server may name.

use std::net::{IpAddr, SocketAddr};

/// Whether packets can come to an address that a server named: a port and a host, not a group of hosts.
pub(crate) fn is_of_a_host(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether an address is anybody's on the Internet. What is not may be named by the user only: a server
/// from elsewhere must not point this device at machines of its own network.
pub fn is_public(address: SocketAddr) -> bool {
    let private = match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let carrier_nat = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || carrier_nat || first == 0
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    is_of_a_host(address) && !private
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_hosts_elsewhere_are_public() {
        for text in [
            "198.51.100.7:3478",
            "[2001:db8::7]:3478",
            "100.63.0.1:1",
            "100.128.0.1:1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.0.0.1:3478",
            "172.16.0.1:1",
            "192.168.1.1:1",
            "127.0.0.1:3478",
            "169.254.169.254:80",
            "100.64.0.1:1",
            "0.1.2.3:1",
            "198.51.100.7:0",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::1]:1",
            "[fd00::1]:1",
            "[fe80::1]:1",
            "[ff02::1]:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}

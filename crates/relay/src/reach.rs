//! Which addresses a server may name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => {
            // fec0::/10 are the unique local addresses of before RFC 4193, and 64:ff9b:1::/48 is translated as a network likes
            // (RFC 8215).
            let [first, second, third, ..] = ip.segments();
            let local = first & 0xffc0 == 0xfec0 || [first, second, third] == [0x64, 0xff9b, 1];
            ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || local
                || v4_within(ip).is_some_and(is_private_v4)
        }
    };
    is_of_a_host(address) && !private
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let carrier_nat = first == 100 && (64..128).contains(&second);
    // Groups of hosts as well: within an IPv6 address nothing else tells of them.
    let reserved = first == 0 || first >= 224;
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || carrier_nat || reserved
}

/// Where a packet to an IPv6 address ends up in IPv4: behind a NAT64 (RFC 6052) or another translator (RFC 2765 section 2.1), by 6to4
/// (RFC 3056), or as of old (`::a.b.c.d`).
pub(crate) fn v4_within(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
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
            "[64:ff9b::198.51.100.7]:3478",
            "[2002:c633:6407::1]:3478",
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
            "[::10.0.0.1]:1",
            "[64:ff9b::10.0.0.1]:1",
            "[64:ff9b::127.0.0.1]:1",
            "[64:ff9b::224.0.0.251]:5353",
            "[::ffff:0:10.0.0.1]:1",
            "[64:ff9b:1::198.51.100.7]:1",
            "[2002:c0a8:101::1]:1",
            "[fec0::1]:1",
            "240.0.0.1:1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}

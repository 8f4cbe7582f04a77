//! The addresses of this machine that a peer may be told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that lead to this machine from elsewhere; loopback only where there is no other.
pub(crate) fn all() -> Vec<IpAddr> {
    let mut addresses = interface_addresses();
    addresses.retain(|address| is_useful(*address));
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

/// Neither loopback nor link-local: those need a scope that means nothing to a peer.
fn is_useful(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}

/// The addresses of all interfaces that are up.
#[expect(
    unsafe_code,
    reason = "getifaddrs has no safe form in the standard library"
)]
fn interface_addresses() -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes the head of a list to `first`, which is freed below and read only before that.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return addresses;
    }
    let mut entry = first;
    while !entry.is_null() {
        // SAFETY: `entry` is a node of the list that getifaddrs made and that is not yet freed.
        let node = unsafe { &*entry };
        entry = node.ifa_next;
        let is_up = node.ifa_flags & (libc::IFF_UP as libc::c_uint) != 0;
        if node.ifa_addr.is_null() || !is_up {
            continue;
        }
        // SAFETY: a node's address is at least a sockaddr, and its family says which type it is.
        let family = i32::from(unsafe { (*node.ifa_addr).sa_family });
        if family == libc::AF_INET {
            // SAFETY: the family is AF_INET, so it is a sockaddr_in.
            let v4 = unsafe { *node.ifa_addr.cast::<libc::sockaddr_in>() };
            addresses.push(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into());
        } else if family == libc::AF_INET6 {
            // SAFETY: the family is AF_INET6, so it is a sockaddr_in6.
            let v6 = unsafe { *node.ifa_addr.cast::<libc::sockaddr_in6>() };
            addresses.push(Ipv6Addr::from(v6.sin6_addr.s6_addr).into());
        }
    }
    // SAFETY: `first` came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(first) };
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_an_address_and_never_a_link_local_one() {
        let addresses = all();
        assert!(!addresses.is_empty());
        assert!(
            addresses.iter().all(|address| is_useful(*address))
                || addresses == [IpAddr::V4(Ipv4Addr::LOCALHOST)]
        );
    }

    #[test]
    fn loopback_and_link_local_addresses_are_of_no_use_to_a_peer() {
        for address in ["127.0.0.1", "::1", "169.254.1.1", "fe80::1", "0.0.0.0"] {
            assert!(!is_useful(address.parse().unwrap()), "{address}");
        }
        for address in ["192.168.1.2", "2001:db8::1"] {
            assert!(is_useful(address.parse().unwrap()), "{address}");
        }
    }
}

//! The addresses of this machine: those that a peer may be told, and the one from which packets leave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use securecall_media::Reach;

/// All addresses that lead to this machine from elsewhere; a loopback address where there is no other and the peer may be on this
/// machine. What a peer could not use is told to none: the filter is the one for the peer's own addresses.
pub(crate) fn all(reach: Reach) -> Vec<IpAddr> {
    let mut addresses = interface_addresses();
    addresses.retain(|address| Reach::OtherMachines.admits(*address));
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() && reach == Reach::ThisMachine {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

/// The address from which packets to another leave. Nothing is sent.
///
/// # Errors
///
/// What the operating system says, where there is no way to it.
pub(crate) fn source_towards(far: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match far {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // To connect a UDP socket only looks for the way.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(far)?;
    Ok(socket.local_addr()?.ip())
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
    fn there_is_always_an_address_within_this_machine_and_loopback_nowhere_else() {
        let elsewhere = all(Reach::OtherMachines);
        let admitted = |address: &IpAddr| Reach::OtherMachines.admits(*address);
        assert!(elsewhere.iter().all(admitted), "{elsewhere:?}");
        let here = all(Reach::ThisMachine);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        if elsewhere.is_empty() {
            assert_eq!(here, loopback);
        } else {
            assert_eq!(here, elsewhere);
        }
    }
}

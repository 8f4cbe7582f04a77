//! Ports for servers that have to be told theirs before they start.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Below those that whoever names none gets (from 32768 on Linux, from 49152 elsewhere): a connection that is made between the
/// choice of a port and its server's start, or while that is stopped, does not take it.
const PORTS: Range<u16> = 20_000..32_000;

/// A port of the loopback interface that nobody uses just now, by TCP or UDP. This process gets it once.
///
/// # Errors
///
/// No port is free.
pub fn free_port() -> io::Result<u16> {
    // Other processes look at the same time: each begins somewhere else.
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(process::id()) >> 1));

    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(next).unwrap_or_default();
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

/// The same as an address.
///
/// # Errors
///
/// No port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_not_while_it_is_in_use_and_connections_get_others() {
        let ports: BTreeSet<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 100);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!PORTS.contains(&listener.local_addr().unwrap().port()));

        // Whoever has all the next ones is passed over.
        let next = *ports.last().unwrap() + 1;
        let taken: Vec<_> = (next..next + 50)
            .map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)))
            .collect();
        let given: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        for socket in taken.iter().flatten() {
            assert!(!given.contains(&socket.local_addr().unwrap().port()));
        }
    }
}

//! Linux tells of changes of links, addresses and routes by netlink (`rtnetlink(7)`).
//!
//! A message is taken for the news that something has changed, and for nothing else. So its bytes are never read, it does not
//! matter which process sent it, and one that found no room is news like any other.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// What is told of.
const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE;
/// Room for the beginning of a message; the rest is cut off.
const MESSAGE: usize = 64;
/// Messages read in one go: a machine whose routes change without end has news all the time.
const MAX_MESSAGES: usize = 1024;

/// A subscription to the changes of the network that the thread is in which has made it.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: AsyncFd<Socket>,
}

impl Netlink {
    /// Subscribes.
    #[expect(unsafe_code, reason = "tokio wants a promise about the descriptor")]
    pub(super) fn subscribe() -> io::Result<Self> {
        let socket = Socket::new(
            Domain::from(libc::AF_NETLINK),
            Type::RAW.nonblocking().cloexec(),
            Some(Protocol::from(libc::NETLINK_ROUTE)),
        )?;
        socket.bind(&address()?)?;
        // SAFETY: the socket owns its descriptor, and nobody takes it out or replaces it while the AsyncFd has it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(Self { socket: socket? })
    }

    /// Waits for a change.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard: AsyncFdReadyGuard<'_, Socket> = self.socket.readable().await?;
            match guard.try_io(|socket| receive(socket.get_ref())) {
                Ok(received) => return received,
                Err(_would_block) => {}
            }
        }
    }

    /// Takes what else was told.
    pub(super) fn drain(&self) {
        for _ in 0..MAX_MESSAGES {
            if receive(self.socket.get_ref()).is_err() {
                return;
            }
        }
    }
}

/// Takes one message.
fn receive(socket: &Socket) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); MESSAGE];
    match socket.recv(&mut buffer) {
        Ok(_) => Ok(()),
        // Messages found no room, so there were some.
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

/// The address of a subscriber; the kernel gives it a port of its own.
#[expect(
    unsafe_code,
    reason = "socket2 knows no address of the family AF_NETLINK"
)]
fn address() -> io::Result<SockAddr> {
    // SAFETY: `storage` has room for any address and is aligned for each. A sockaddr_nl is plain data for which all bytes zero
    // are valid, and the length is that of a sockaddr_nl, as its family says.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let netlink = storage.cast::<libc::sockaddr_nl>();
            let mut groups: libc::sockaddr_nl = std::mem::zeroed();
            groups.nl_family = libc::AF_NETLINK as libc::sa_family_t;
            groups.nl_groups = GROUPS as u32;
            netlink.write(groups);
            *length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

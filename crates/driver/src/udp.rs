//! What sockets of calls and of probes have in common.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Larger than any packet of a call, and any message of a server.
pub(crate) const MAX_DATAGRAM: usize = 2048;
/// Errors read from one socket in one go.
const MAX_ERRORS: usize = 16;

/// A socket that is only read from here. tokio's own also waits for room to write, and so each datagram that has left it wakes
/// the reactor once.
#[cfg(unix)]
pub(crate) struct UdpReader(tokio::io::unix::AsyncFd<std::net::UdpSocket>);

#[cfg(unix)]
impl UdpReader {
    /// Of a socket that does not block.
    #[expect(
        unsafe_code,
        reason = "tokio asks for a promise that the descriptor stays open"
    )]
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        use tokio::io::{Interest, unix::AsyncFd};
        // SAFETY: the socket is owned from here on, and has one descriptor, open until it is dropped.
        let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let registered = registered.map_err(|error| error.into_parts().1)?;
        Ok(Self(registered))
    }

    /// Looks for a datagram that is there already.
    pub(crate) fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let read = |socket: &std::net::UdpSocket| socket.recv_from(buffer);
        self.0.try_io(tokio::io::Interest::READABLE, read)
    }
}

#[cfg(unix)]
impl PollDatagram for UdpReader {
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            let mut ready = std::task::ready!(self.0.poll_read_ready(context))?;
            if let Ok(read) = ready.try_io(|socket| socket.get_ref().recv_from(buffer)) {
                return Poll::Ready(read);
            }
        }
    }
}

/// A socket that is only read from here.
#[cfg(not(unix))]
pub(crate) struct UdpReader(UdpSocket);

#[cfg(not(unix))]
impl UdpReader {
    /// Of a socket that does not block.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self(UdpSocket::from_std(socket)?))
    }

    /// Looks for a datagram that is there already.
    pub(crate) fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.try_recv_from(buffer)
    }
}

#[cfg(not(unix))]
impl PollDatagram for UdpReader {
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.0.poll_recv(context, buffer)
    }
}

/// What datagrams come from.
pub(crate) trait PollDatagram {
    /// Looks for one. Gives its length in the buffer, and where it is from.
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

impl PollDatagram for UdpSocket {
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut into = ReadBuf::new(buffer);
        let source = std::task::ready!(self.poll_recv_from(context, &mut into))?;
        Poll::Ready(Ok((into.filled().len(), source)))
    }
}

/// Looks for a datagram. Gives where it is from, and its length in the buffer.
pub(crate) fn poll_datagram(
    socket: &impl PollDatagram,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<(SocketAddr, usize)> {
    // An error (a port that nobody listens on, told by ICMP) is news about the address of somebody else, not about ours.
    for _ in 0..=MAX_ERRORS {
        match socket.poll_recv(context, buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok((len, source))) => return Poll::Ready((source, len)),
            Poll::Ready(Err(_)) => {}
        }
    }
    // Nobody else would wake us for what is still there.
    context.waker().wake_by_ref();
    Poll::Pending
}

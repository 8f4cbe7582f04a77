//! What sockets of calls and of probes have in common.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Larger than any packet of a call, and any message of a server.
pub(crate) const MAX_DATAGRAM: usize = 2048;
/// Errors read from one socket in one go.
const MAX_ERRORS: usize = 16;

/// Looks for a datagram. Gives where it is from, and its length in the buffer.
pub(crate) fn poll_datagram(
    socket: &UdpSocket,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<(SocketAddr, usize)> {
    // An error (a port that nobody listens on, told by ICMP) is news about the address of somebody else, not about ours.
    for _ in 0..=MAX_ERRORS {
        let mut into = ReadBuf::new(buffer);
        match socket.poll_recv_from(context, &mut into) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(source)) => return Poll::Ready((source, into.filled().len())),
            Poll::Ready(Err(_)) => {}
        }
    }
    // Nobody else would wake us for what is still there.
    context.waker().wake_by_ref();
    Poll::Pending
}

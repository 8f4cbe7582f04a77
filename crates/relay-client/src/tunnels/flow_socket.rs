//! The socket of an inner connection: a CONNECT-UDP flow through an outer one.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::datagram_queue::DatagramQueue;
use super::flow_sender::FlowSender;

/// Datagrams of a flow with context ID 0 are UDP payloads (RFC 9298 section 5).
const UDP_PAYLOADS: u8 = 0;

/// What the inner connection takes for a UDP socket.
#[derive(Debug)]
pub(super) struct FlowSocket {
    /// Where the flow leads to. Whatever comes out of it is from there.
    pub(super) exit: SocketAddr,
    pub(super) sender: FlowSender,
    pub(super) received: Arc<DatagramQueue>,
}

impl AsyncUdpSocket for FlowSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        // What finds no room is lost: an error would end the inner connection, and to wait would make old what must be new.
        self.sender.send(&[UDP_PAYLOADS], transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        loop {
            let mut datagram = ready!(self.received.poll_next(cx));
            // Other contexts are of extensions that we did not ask for.
            if datagram.first() != Some(&UDP_PAYLOADS) {
                continue;
            }
            datagram.advance(1);
            let Some(room) = buf.get_mut(..datagram.len()) else {
                continue;
            };
            room.copy_from_slice(&datagram);
            *meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (self.exit, datagram.len(), datagram.len());
            return Poll::Ready(Ok(1));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        // There is none. Of the family of what it leads to, for quinn asks that.
        Ok(match self.exit {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        })
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

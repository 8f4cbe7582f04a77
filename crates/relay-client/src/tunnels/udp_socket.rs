//! The UDP socket of an outer connection.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::net::UdpSocket as TokioSocket;

/// A UDP socket for one connection, as quinn's own, but for two things: it never logs an address, which that one does when the system
/// refuses a packet; and it sends and takes one packet at a time, so that none waits for others.
pub(super) struct UdpSocket {
    state: UdpSocketState,
    io: TokioSocket,
}

impl UdpSocket {
    /// A socket from which packets reach a host, and the address of this machine that they leave from; `None` while there is no way
    /// there.
    ///
    /// It is bound to that address. The system would else move it silently to another network, and whoever listens there would see
    /// the same port and connection ID again.
    pub(super) fn towards(host: SocketAddr) -> io::Result<(Arc<Self>, Option<IpAddr>)> {
        let local = source_towards(host);
        let bound = StdSocket::bind((local.unwrap_or(unspecified(host)), 0))?;
        bound.set_nonblocking(true)?;
        let socket = Self {
            state: UdpSocketState::new((&bound).into())?,
            io: TokioSocket::from_std(bound)?,
        };
        Ok((Arc::new(socket), local))
    }
}

/// From which address packets to a host leave.
pub(super) fn source_towards(host: SocketAddr) -> Option<IpAddr> {
    // To connect a datagram socket sends nothing: the system looks up the route.
    let socket = StdSocket::bind((unspecified(host), 0)).ok()?;
    socket.connect(host).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn unspecified(host: SocketAddr) -> IpAddr {
    match host {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for UdpSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.io).into(), transmit)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // A probe that is too large, an address that is gone, no network: for QUIC the packet is lost.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), bufs, meta)
            });
            // An error is about a packet that somebody did not take. It is no reason to give up: the next may be taken.
            if let Ok(count) = received {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

#[derive(Debug)]
struct Writable(Arc<UdpSocket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(cx)
    }
}

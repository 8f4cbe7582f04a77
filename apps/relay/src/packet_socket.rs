//! UDP sockets, of flows and of QUIC: many packets in one call of the system where there are many.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rand_core::Rng as _;
use securecall_randomness::SystemRandomness;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Buffers that are read into at once. Each may hold many packets of one sender (GRO). At a flow's socket there are a few senders, at
/// one of QUIC as many as there are clients.
const FLOW_BUFFERS: usize = 8;
pub(crate) const QUIC_BUFFERS: usize = 16;

/// As large as what the kernel puts together.
const BUFFER_SIZE: usize = 64 * 1024;

/// Ports that are tried in a range before it counts as full.
const TRIES: u32 = 32;

thread_local! {
    /// Read into and emptied within one call, so one for each thread is enough, whatever the number of flows.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; QUIC_BUFFERS * BUFFER_SIZE]);
}

/// A socket that never waits.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl PacketSocket {
    /// For one relay: the system drops what comes from elsewhere.
    pub(crate) fn connected_to(peer: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(peer)?;
        Self::of(socket)
    }

    /// At an address of this machine, at a port of a range if there is one.
    pub(crate) fn bound_to(address: IpAddr, ports: Option<(u16, u16)>) -> io::Result<Self> {
        let Some((first, last)) = ports else {
            return Self::of(std::net::UdpSocket::bind((address, 0))?);
        };
        let count = u32::from(last - first) + 1;
        // From somewhere in the range on, so that a port says nothing of the number of flows.
        let start = SystemRandomness::check()?.next_u32() % count;
        for offset in 0..TRIES.min(count) {
            let port = first + ((start + offset) % count) as u16;
            match std::net::UdpSocket::bind((address, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                socket => return Self::of(socket?),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// A socket that is bound.
    pub(crate) fn of(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            state,
        })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Whether the network may split a packet, so that sizes of the path cannot be found out.
    pub(crate) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Sends a packet, or loses it: neither a full queue nor what an ICMP message says of an earlier packet holds anything up.
    pub(crate) fn send(&self, destination: SocketAddr, contents: &[u8]) -> bool {
        let sent = self.transmit(&Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        });
        sent.is_ok()
    }

    /// The same, with all that QUIC says of it. Tells why it was not sent.
    pub(crate) fn transmit(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let send = || self.state.try_send((&self.socket).into(), transmit);
        match send() {
            // Noted, so that [`Self::writable`] waits.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.try_io(Interest::WRITABLE, send)
            }
            // Not asked before: tokio holds a new socket for full until its reactor has seen it once.
            sent => sent,
        }
    }

    /// Sends a packet to where it is connected.
    pub(crate) fn send_connected(&self, contents: &[u8]) -> bool {
        SockRef::from(&self.socket).send(contents).is_ok()
    }

    /// Waits until there are packets. For one task at a time: that needs no room in it, unlike tokio's own.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.poll_recv_ready(cx)).await
    }

    /// Waits until there is room for packets. For one task at a time.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.poll_send_ready(cx)).await
    }

    /// Hands out each packet that is there.
    pub(crate) fn receive(&self, mut each: impl FnMut(SocketAddr, &[u8])) -> io::Result<()> {
        self.receive_with_meta::<FLOW_BUFFERS>(|meta, packet| each(meta.addr, packet))
    }

    /// The same, with all that the system says of it, and with so many buffers, [`QUIC_BUFFERS`] at most.
    pub(crate) fn receive_with_meta<const BUFFERS: usize>(
        &self,
        mut each: impl FnMut(&RecvMeta, &[u8]),
    ) -> io::Result<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut meta = [RecvMeta::default(); BUFFERS];
            let mut count = 0;
            let received = self.socket.try_io(Interest::READABLE, || {
                let mut slices = buffer.chunks_exact_mut(BUFFER_SIZE).map(IoSliceMut::new);
                let mut slices: [IoSliceMut<'_>; BUFFERS] =
                    std::array::from_fn(|_| slices.next().unwrap_or(IoSliceMut::new(&mut [])));
                count = self
                    .state
                    .recv((&self.socket).into(), &mut slices, &mut meta)?;
                // Fewer than there is room for: these were all. To be told so by a call of its own would cost as much as a packet;
                // whatever has come since is told by the system anew.
                if count < BUFFERS {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match received {
                Ok(()) => {}
                Err(error) if is_of_one_packet(&error) => {}
                Err(error) => return Err(error),
            }
            for (meta, buffer) in meta
                .iter()
                .zip(buffer.chunks_exact(BUFFER_SIZE))
                .take(count)
            {
                if meta.len == 0 {
                    each(meta, &[]);
                }
                for packet in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    each(meta, packet);
                }
            }
            Ok(())
        })
    }
}

/// Nothing was there after all, or an ICMP message has come that says that somebody else is not.
fn is_of_one_packet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::task::{Context, Waker};

    use super::*;

    fn is_ready(socket: &PacketSocket) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        std::pin::pin!(socket.readable())
            .as_mut()
            .poll(&mut cx)
            .is_ready()
    }

    #[tokio::test]
    async fn a_new_socket_has_room() {
        let peer = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(10)))
            .unwrap();
        let to = peer.local_addr().unwrap();
        // Nothing here lets the reactor have a look at them.
        assert!(PacketSocket::connected_to(to).unwrap().send_connected(b"1"));
        let lent = PacketSocket::bound_to(Ipv4Addr::LOCALHOST.into(), None).unwrap();
        assert!(lent.send(to, b"2"));
        let mut buffer = [0; 8];
        for expected in [b"1", b"2"] {
            let (length, _) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], expected);
        }
    }

    #[tokio::test]
    async fn all_packets_come_and_none_is_looked_for_that_is_not_there() {
        let lent = PacketSocket::bound_to(Ipv4Addr::LOCALHOST.into(), None).unwrap();
        let address = (Ipv4Addr::LOCALHOST, lent.port().unwrap());
        let peer = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for round in 0..3_u8 {
            // More than are read at once, fewer, and one alone.
            let count = [FLOW_BUFFERS * 2 + 3, 3, 1][usize::from(round)];
            for number in 0..count as u8 {
                peer.send_to(&[round, number], address).unwrap();
            }
            let mut came = Vec::new();
            let mut looked = 0;
            while came.len() < count {
                lent.readable().await.unwrap();
                looked += 1;
                lent.receive(|_, packet| came.push(packet.to_vec()))
                    .unwrap();
            }
            let sent: Vec<_> = (0..count as u8).map(|number| vec![round, number]).collect();
            assert_eq!(came, sent);
            assert_eq!(looked, count.div_ceil(FLOW_BUFFERS));
            // Not even to be told so.
            assert!(!is_ready(&lent));
        }
    }
}

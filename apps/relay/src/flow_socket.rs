//! UDP sockets of flows: many packets in one call of the system where there are many.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use rand_core::Rng as _;
use securecall_randomness::SystemRandomness;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Buffers that are read into at once. Each may hold many packets of one sender (GRO).
const BUFFERS: usize = 8;

/// As large as what the kernel puts together.
const BUFFER_SIZE: usize = 64 * 1024;

/// Ports that are tried in a range before it counts as full.
const TRIES: u32 = 32;

thread_local! {
    /// Read into and emptied within one call, so one for each thread is enough, whatever the number of flows.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFERS * BUFFER_SIZE]);
}

/// A socket of one flow.
#[derive(Debug)]
pub(crate) struct FlowSocket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl FlowSocket {
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

    fn of(socket: std::net::UdpSocket) -> io::Result<Self> {
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

    /// Sends a packet, or loses it: neither a full queue nor what an ICMP message says of an earlier packet holds anything up.
    pub(crate) fn send(&self, destination: SocketAddr, contents: &[u8]) -> bool {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        let sent = self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.socket).into(), &transmit)
        });
        sent.is_ok()
    }

    /// Sends a packet to where it is connected.
    pub(crate) fn send_connected(&self, contents: &[u8]) -> bool {
        self.socket.try_send(contents).is_ok()
    }

    /// Waits until there are packets.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Hands out each packet that is there.
    pub(crate) fn receive(&self, mut each: impl FnMut(SocketAddr, &[u8])) -> io::Result<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut meta = [RecvMeta::default(); BUFFERS];
            let received = self.socket.try_io(Interest::READABLE, || {
                let mut slices = buffer.chunks_exact_mut(BUFFER_SIZE).map(IoSliceMut::new);
                let mut slices: [IoSliceMut<'_>; BUFFERS] =
                    std::array::from_fn(|_| slices.next().unwrap_or(IoSliceMut::new(&mut [])));
                self.state
                    .recv((&self.socket).into(), &mut slices, &mut meta)
            });
            let count = match received {
                Ok(count) => count,
                Err(error) if is_of_one_packet(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            for (meta, buffer) in meta
                .iter()
                .zip(buffer.chunks_exact(BUFFER_SIZE))
                .take(count)
            {
                if meta.len == 0 {
                    each(meta.addr, &[]);
                }
                for packet in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    each(meta.addr, packet);
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

//! Packets as they go through the interfaces of a namespace.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, eth, recv, socket_with,
        sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout},
    },
};

use super::{
    NetworkError,
    namespace::{Namespace, lock},
};

/// As large as anything that goes over a virtual cable at once: with TCP that is more than a packet.
const MAX_PACKET: usize = 1 << 17;
/// What may wait while this process has no processor: minutes of a call.
const BUFFER: usize = 1 << 26;
/// How often one looks whether it is over, while nothing comes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How a message of STUN is known (RFC 8489, section 5), also where it is wrapped in another one; its transaction ID follows.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const TRANSACTION_ID_LEN: usize = 12;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// All UDP and TCP packets of a host or a router, but for those of its loopback interface; or those of this machine's.
#[derive(Debug)]
pub struct Capture {
    packets: Arc<Mutex<Vec<Packet>>>,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<io::Result<()>>>,
}

/// A packet, as it was on the wire.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it was read, which is a moment later.
    pub at: Instant,
    /// Who sent it.
    pub source: SocketAddr,
    /// For whom it is.
    pub destination: SocketAddr,
    /// UDP, or else TCP.
    pub is_udp: bool,
    /// What is in the datagram or segment; of TCP with the rest of its header.
    pub contents: Vec<u8>,
}

impl Capture {
    /// Everything from now on.
    pub(super) fn start(namespace: &Namespace) -> Result<Self, NetworkError> {
        let socket = namespace
            .enter(open)?
            .map_err(NetworkError::io("a raw socket"))?;
        Ok(Self::from(socket, |packet| {
            !packet.source.ip().is_loopback()
        }))
    }

    /// Everything by UDP from now on that programs on this machine send each other over its loopback interface, from whichever of
    /// its addresses. Each packet is there twice: as it leaves, and as it comes.
    ///
    /// # Errors
    ///
    /// When the system refuses, as it does to all but root.
    pub fn of_loopback() -> Result<Self, NetworkError> {
        let socket = open().map_err(NetworkError::io("a raw socket"))?;
        // What goes from an address of this machine's to itself does not leave it.
        let is_wanted = |packet: &Packet| {
            let (from, to) = (packet.source.ip(), packet.destination.ip());
            packet.is_udp && (from.is_loopback() || from == to)
        };
        Ok(Self::from(socket, is_wanted))
    }

    fn from(socket: OwnedFd, is_wanted: fn(&Packet) -> bool) -> Self {
        let packets = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (into, over) = (Arc::clone(&packets), Arc::clone(&is_over));
        let reader = thread::spawn(move || read(&socket, is_wanted, &into, &over));
        Self {
            packets,
            is_over,
            reader: Some(reader),
        }
    }

    /// What was there so far, in order, and is not given again.
    #[must_use]
    pub fn take(&self) -> Vec<Packet> {
        std::mem::take(&mut *lock(&self.packets))
    }

    /// Ends it, and gives what was there since it was asked last.
    ///
    /// # Errors
    ///
    /// When the socket has failed meanwhile, so that packets are missing.
    pub fn stop(mut self) -> Result<Vec<Packet>, NetworkError> {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(Ok(read)) = self.reader.take().map(JoinHandle::join) {
            read.map_err(NetworkError::io("a raw socket"))?;
        }
        Ok(self.take())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

impl Packet {
    /// Whether both ends are these, whichever sends.
    #[must_use]
    pub fn is_between(&self, one: IpAddr, other: IpAddr) -> bool {
        let ends = (self.source.ip(), self.destination.ip());
        ends == (one, other) || ends == (other, one)
    }

    /// Whether it says this address, in a message of STUN or of a TURN server: plainly, as STUN hides it from NATs
    /// (`XOR-MAPPED-ADDRESS`, RFC 8489, section 14.2), or in letters. Elsewhere four bytes may be anything.
    #[must_use]
    pub fn says(&self, address: IpAddr) -> bool {
        let cookies = positions(&self.contents, &MAGIC_COOKIE);
        cookies.into_iter().any(|at| {
            let transaction = at + MAGIC_COOKIE.len();
            let id = self
                .contents
                .get(transaction..transaction + TRANSACTION_ID_LEN);
            forms(address, id.unwrap_or_default())
                .iter()
                .any(|form| !positions(&self.contents, form).is_empty())
        })
    }
}

/// An address as it may stand in a message with this transaction ID.
fn forms(address: IpAddr, transaction_id: &[u8]) -> [Vec<u8>; 3] {
    let plain = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mask = MAGIC_COOKIE.iter().chain(transaction_id);
    let hidden = plain.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
    let hidden = hidden.collect();
    [plain, hidden, address.to_string().into_bytes()]
}

/// Where a text of bytes stands in others.
fn positions(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows
        .filter(|(_, window)| *window == wanted)
        .map(|(at, _)| at)
        .collect()
}

/// A socket for all packets of all interfaces of the namespace that the thread is in, without the headers of the link.
fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(eth::ALL),
    )?;
    set_socket_recv_buffer_size_force(&socket, BUFFER)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LOOK_AGAIN))?;
    Ok(socket)
}

fn read(
    socket: &OwnedFd,
    is_wanted: fn(&Packet) -> bool,
    packets: &Mutex<Vec<Packet>>,
    over: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; MAX_PACKET];
    loop {
        // Then only what is there already: on a busy cable there is always more to come.
        let is_over = over.load(Ordering::SeqCst);
        let flags = if is_over {
            RecvFlags::DONTWAIT
        } else {
            RecvFlags::empty()
        };
        match recv(socket, &mut buffer, flags) {
            Ok((length, _)) => {
                let packet = buffer.get(..length).and_then(parse);
                lock(packets).extend(packet.filter(is_wanted));
            }
            Err(Errno::AGAIN) if is_over => return Ok(()),
            // An interface went down, with its host for example: the others go on.
            Err(Errno::AGAIN | Errno::INTR | Errno::NETDOWN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A packet of UDP or TCP; nothing else is one of a call.
fn parse(bytes: &[u8]) -> Option<Packet> {
    let (source, destination, protocol, inner): (IpAddr, IpAddr, u8, &[u8]) =
        match bytes.first()? >> 4 {
            4 => {
                let header = usize::from(bytes.first()? & 0xf) * 4;
                let address = |at| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
                (
                    Ipv4Addr::from(address(12)?).into(),
                    Ipv4Addr::from(address(16)?).into(),
                    *bytes.get(9)?,
                    bytes.get(header..)?,
                )
            }
            6 => {
                let address = |at| -> Option<[u8; 16]> { bytes.get(at..at + 16)?.try_into().ok() };
                (
                    Ipv6Addr::from(address(8)?).into(),
                    Ipv6Addr::from(address(24)?).into(),
                    *bytes.get(6)?,
                    bytes.get(40..)?,
                )
            }
            _ => return None,
        };
    let [a, b, c, d, rest @ ..] = inner else {
        return None;
    };
    let contents = match protocol {
        UDP => rest.get(4..)?,
        TCP => rest,
        _ => return None,
    };
    Some(Packet {
        at: Instant::now(),
        source: (source, u16::from_be_bytes([*a, *b])).into(),
        destination: (destination, u16::from_be_bytes([*c, *d])).into(),
        is_udp: protocol == UDP,
        contents: contents.to_vec(),
    })
}

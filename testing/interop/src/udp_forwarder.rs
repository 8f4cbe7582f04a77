//! A network path that a test can cut, heal and filter.

use std::{
    collections::HashMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a waiting thread looks whether it should end.
const WAKE: Duration = Duration::from_millis(100);

/// More than any UDP datagram holds.
const MAX_DATAGRAM: usize = 65_536;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// From whoever sends to the forwarder, to the target.
    ToTarget,
    /// From the target, back to whoever sent to it.
    FromTarget,
}

/// What a datagram between two WebRTC peers carries (RFC 7983).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketClass {
    /// Connectivity checks and consent.
    Stun,
    /// The DTLS handshake, and in it the data channel.
    Dtls,
    /// SRTP: voice, one packet a frame.
    Rtp,
    /// RTCP: reports about it.
    Rtcp,
    /// Anything else.
    Other,
}

impl PacketClass {
    /// Looks at the first bytes of a datagram.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

type Filter = Box<dyn FnMut(Flow, &[u8]) -> bool + Send>;

/// Stands in front of one UDP socket, its target: what anybody sends to [`address`](Self::address) goes on to the target,
/// and what the target answers goes back, as through a NAT. Each sender gets an address of its own towards the target.
pub struct UdpForwarder {
    address: SocketAddr,
    path: Arc<Path>,
}

struct Path {
    front: UdpSocket,
    target: Mutex<Option<SocketAddr>>,
    filter: Mutex<Option<Filter>>,
    is_cut: AtomicBool,
    is_over: AtomicBool,
    forwarded: AtomicU64,
    dropped: AtomicU64,
}

impl UdpForwarder {
    /// Opens a forwarder on the loopback interface. Until it has a target it drops everything.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn start() -> io::Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        front.set_read_timeout(Some(WAKE))?;
        let address = front.local_addr()?;
        let path = Arc::new(Path {
            front,
            target: Mutex::new(None),
            filter: Mutex::new(None),
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            forwarded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let towards = Arc::clone(&path);
        thread::Builder::new()
            .name("udp-forwarder".to_owned())
            .spawn(move || towards.forward_to_target())?;
        Ok(Self { address, path })
    }

    /// Opens a forwarder in front of `target`.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn in_front_of(target: SocketAddr) -> io::Result<Self> {
        let forwarder = Self::start()?;
        forwarder.set_target(target);
        Ok(forwarder)
    }

    /// Where to send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where everything goes from now on.
    pub fn set_target(&self, target: SocketAddr) {
        *lock(&self.path.target) = Some(target);
    }

    /// Drops everything, both ways, from now on.
    pub fn cut(&self) {
        self.path.is_cut.store(true, Ordering::SeqCst);
    }

    /// Ends a [`cut`](Self::cut).
    pub fn heal(&self) {
        self.path.is_cut.store(false, Ordering::SeqCst);
    }

    /// Lets only those datagrams through for which `keep` is true.
    pub fn set_filter(&self, keep: impl FnMut(Flow, &[u8]) -> bool + Send + 'static) {
        *lock(&self.path.filter) = Some(Box::new(keep));
    }

    /// Drops one class of datagrams, both ways, and lets the rest through.
    pub fn drop_class(&self, class: PacketClass) {
        self.set_filter(move |_, datagram| PacketClass::of(datagram) != class);
    }

    /// Lets everything through again.
    pub fn clear_filter(&self) {
        *lock(&self.path.filter) = None;
    }

    /// How many datagrams went through.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.path.forwarded.load(Ordering::SeqCst)
    }

    /// Datagrams that the filter has kept back.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.path.dropped.load(Ordering::SeqCst)
    }
}

impl Drop for UdpForwarder {
    fn drop(&mut self) {
        self.path.is_over.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for UdpForwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, path: _ } = self;
        f.debug_struct("UdpForwarder")
            .field("address", address)
            .finish_non_exhaustive()
    }
}

impl Path {
    fn forward_to_target(self: Arc<Self>) {
        let mut senders: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !self.is_over.load(Ordering::SeqCst) {
            // A timeout, or an ICMP error about something sent before: neither ends the path.
            let Ok((length, sender)) = self.front.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            let target = *lock(&self.target);
            let (Some(target), true) = (target, self.lets_through(Flow::ToTarget, datagram)) else {
                self.dropped.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            let back = match senders.get(&sender) {
                Some(back) => Arc::clone(back),
                None => match self.open_back(sender) {
                    Ok(back) => {
                        senders.insert(sender, Arc::clone(&back));
                        back
                    }
                    Err(_) => continue,
                },
            };
            self.count(&back.send_to(datagram, target));
        }
    }

    /// The address that the target sees for one sender, with a thread that carries back what the target answers.
    fn open_back(self: &Arc<Self>, sender: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        back.set_read_timeout(Some(WAKE))?;
        let (path, socket) = (Arc::clone(self), Arc::clone(&back));
        thread::Builder::new()
            .name("udp-forwarder".to_owned())
            .spawn(move || path.forward_back(&socket, sender))?;
        Ok(back)
    }

    fn forward_back(&self, back: &UdpSocket, sender: SocketAddr) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !self.is_over.load(Ordering::SeqCst) {
            let Ok((length, _)) = back.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            if self.lets_through(Flow::FromTarget, datagram) {
                self.count(&self.front.send_to(datagram, sender));
            } else {
                self.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn lets_through(&self, flow: Flow, datagram: &[u8]) -> bool {
        !self.is_cut.load(Ordering::SeqCst)
            && lock(&self.filter)
                .as_mut()
                .is_none_or(|keep| keep(flow, datagram))
    }

    fn count(&self, sent: &io::Result<usize>) {
        let counter = if sent.is_ok() {
            &self.forwarded
        } else {
            &self.dropped
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// A filter that panicked has failed its test already; the path goes on.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

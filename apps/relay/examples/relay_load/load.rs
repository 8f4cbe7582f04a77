//! Who sends what when, and what came of it.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use serde_json::{Value, json};

use crate::process::{Process, drops};

/// Packets that are sent in a row at most, before it is looked what came.
const BURST: usize = 8;
/// All that settles: caches, the sizes of paths, acknowledgements.
const SETTLING: Duration = Duration::from_secs(2);
/// How long the last packets may take.
const LAST: Duration = Duration::from_millis(500);
/// Larger than any packet.
const BUFFER: usize = 2048;

/// The clients of a relay.
pub(crate) trait Clients {
    /// Has a client send a packet to the peer.
    fn send(&mut self, flow: usize, packet: &[u8]);

    /// Hands out what has come to clients, and does whatever else is due.
    fn receive(&mut self, each: &mut dyn FnMut(&[u8]));

    /// Bytes by which the last packet grew on its way to the relay.
    fn overhead(&self) -> usize;

    /// The port of their socket, if they share one.
    fn port(&self) -> Option<u16>;
}

/// What is to be done.
pub(crate) struct Load<'a> {
    pub(crate) flows: usize,
    pub(crate) rate: u32,
    pub(crate) measured: Duration,
    pub(crate) size: usize,
    pub(crate) process: Option<&'a Process>,
}

/// A UDP socket that is read in batches.
pub(crate) struct Socket {
    pub(crate) socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
}

impl Socket {
    pub(crate) fn bind(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).expect("no socket");
        let sized = socket2::SockRef::from(&socket);
        sized.set_recv_buffer_size(4 << 20).expect("no buffer");
        sized.set_send_buffer_size(4 << 20).expect("no buffer");
        socket.set_nonblocking(true).expect("a socket that waits");
        let state = UdpSocketState::new((&socket).into()).expect("no socket of QUIC");
        Self {
            socket,
            state,
            buffers: vec![0; BATCH_SIZE * BUFFER],
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("no address")
    }

    pub(crate) fn send(&self, to: SocketAddr, packet: &[u8]) {
        // What finds no room is missed elsewhere.
        let _ = self.socket.send_to(packet, to);
    }

    /// One batch of what is there.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut buffers = self.buffers.chunks_exact_mut(BUFFER).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| buffers.next().expect("as many as that"));
        let Ok(count) = self
            .state
            .recv((&self.socket).into(), &mut slices, &mut meta)
        else {
            return;
        };
        for (meta, buffer) in meta.iter().zip(&slices).take(count) {
            for packet in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(meta.addr, packet);
            }
        }
    }
}

/// To whom all clients send.
pub(crate) struct Peer(std::cell::RefCell<Socket>);

impl Peer {
    pub(crate) fn bind(address: SocketAddr) -> Self {
        Self(Socket::bind(address).into())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.borrow().address()
    }
}

/// Packets of one direction.
#[derive(Default)]
struct Direction {
    sent: u64,
    arrived: u64,
    /// Nanoseconds.
    delays: Vec<u64>,
}

impl Direction {
    fn json(mut self) -> Value {
        self.delays.sort_unstable();
        let at = |share: f64| {
            let index = (self.delays.len() as f64 * share) as usize;
            self.delays.get(index).map(|ns| *ns as f64 / 1e6)
        };
        json!({
            "sent": self.sent,
            "arrived": self.arrived,
            "delay_ms": at(0.5),
            "delay_99_ms": at(0.99),
        })
    }
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    out: Direction,
    back: Direction,
    /// Lost by our own sockets.
    own_drops: u64,
    /// How much later than it should the loader sent a packet, at worst.
    late: Duration,
    /// What the process took, in nanoseconds.
    time: Option<u64>,
    /// Bytes by which packets grew on their way to the relay.
    overhead: usize,
}

impl Outcome {
    pub(crate) fn json(self) -> Value {
        json!({
            "out": self.out.json(),
            "back": self.back.json(),
            "own_drops": self.own_drops,
            "overhead": self.overhead,
            "late_ms": self.late.as_secs_f64() * 1e3,
            "process_seconds": self.time.map(|time| time as f64 / 1e9),
        })
    }
}

/// What a packet says of itself.
struct Stamp {
    flow: usize,
    sent: u64,
    /// Whether it counts.
    is_measured: bool,
}

impl Stamp {
    fn write(&self, packet: &mut [u8]) {
        packet[..4].copy_from_slice(&(self.flow as u32).to_be_bytes());
        packet[4..12].copy_from_slice(&self.sent.to_be_bytes());
        packet[12] = self.is_measured.into();
    }

    fn read(packet: &[u8]) -> Option<Self> {
        let (flow, rest) = packet.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        Some(Self {
            flow: u32::from_be_bytes(*flow) as usize,
            sent: u64::from_be_bytes(*sent),
            is_measured: *rest.first()? == 1,
        })
    }
}

impl Load<'_> {
    /// Does it. Gives the memory of the process once all flows are there, and what came of them.
    pub(crate) fn run(&self, mut clients: impl Clients, peer: &Peer) -> (Option<u64>, Outcome) {
        let mut peer = peer.0.borrow_mut();
        let from = self.find_out(&mut clients, &mut peer);
        let open = self.process.map(Process::memory);
        let mut outcome = Outcome::default();
        let mut packet = vec![0; self.size];
        let start = Instant::now();
        let begin = SETTLING.as_nanos() as u64;
        let end = begin + self.measured.as_nanos() as u64;
        // Each flow sends one way and the other, and all of them evenly spread.
        let gap = 1e9 / f64::from(self.rate) / (2 * self.flows) as f64;
        let nanos = || start.elapsed().as_nanos() as u64;
        let own_ports = [Some(peer.address().port()), clients.port()];
        let own_drops = || {
            own_ports
                .iter()
                .flatten()
                .map(|port| drops(*port))
                .sum::<u64>()
        };
        let (mut slot, mut time, mut dropped) = (0_u64, None, None);
        loop {
            let mut now = nanos();
            if now >= begin && dropped.is_none() {
                (time, dropped) = (self.process.map(Process::time), Some(own_drops()));
            }
            for _ in 0..BURST {
                let due = (slot as f64 * gap) as u64;
                if due > now || due >= end {
                    break;
                }
                let is_measured = due >= begin;
                let back = slot % 2 == 1;
                let place = (slot / 2) as usize;
                let flow = if back { place + self.flows / 2 } else { place } % self.flows;
                Stamp {
                    flow,
                    sent: now,
                    is_measured,
                }
                .write(&mut packet);
                if back {
                    peer.send(from[flow], &packet);
                } else {
                    clients.send(flow, &packet);
                }
                if is_measured {
                    let direction = if back {
                        &mut outcome.back
                    } else {
                        &mut outcome.out
                    };
                    direction.sent += 1;
                    let late = Duration::from_nanos(now - due);
                    outcome.late = outcome.late.max(late);
                }
                slot += 1;
                now = nanos();
            }
            let arrived = |packet: &[u8], direction: &mut Direction| {
                let Some(stamp) = Stamp::read(packet) else {
                    return;
                };
                // Before it is measured, packets have been sent that still come.
                if stamp.is_measured {
                    direction.arrived += 1;
                    direction.delays.push(nanos() - stamp.sent);
                }
            };
            peer.receive(|_, packet| arrived(packet, &mut outcome.out));
            clients.receive(&mut |packet| arrived(packet, &mut outcome.back));
            if now >= end && outcome.time.is_none() {
                outcome.time = self
                    .process
                    .map(Process::time)
                    .zip(time)
                    .map(|(end, begin)| end - begin);
                outcome.own_drops = own_drops() - dropped.unwrap_or_default();
            }
            if now >= end + LAST.as_nanos() as u64 {
                outcome.overhead = clients.overhead();
                return (open, outcome);
            }
        }
    }

    /// Where the peer sees each client.
    fn find_out(&self, clients: &mut impl Clients, peer: &mut Socket) -> Vec<SocketAddr> {
        let mut from: Vec<Option<SocketAddr>> = vec![None; self.flows];
        let mut packet = vec![0; self.size];
        let deadline = Instant::now() + Duration::from_secs(10);
        while from.iter().any(Option::is_none) {
            assert!(Instant::now() < deadline, "no packet comes through");
            for flow in 0..self.flows {
                if from[flow].is_some() {
                    continue;
                }
                Stamp {
                    flow,
                    sent: 0,
                    is_measured: false,
                }
                .write(&mut packet);
                clients.send(flow, &packet);
                clients.receive(&mut |_| {});
                peer.receive(|address, packet| {
                    if let Some(stamp) = Stamp::read(packet) {
                        from[stamp.flow] = Some(address);
                    }
                });
            }
            let patience = Instant::now() + Duration::from_millis(100);
            while Instant::now() < patience {
                clients.receive(&mut |_| {});
                peer.receive(|address, packet| {
                    if let Some(stamp) = Stamp::read(packet) {
                        from[stamp.flow] = Some(address);
                    }
                });
            }
        }
        from.into_iter().flatten().collect()
    }
}

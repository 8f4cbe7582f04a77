//! One flow: packets of a client on their way out, and those that come back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use securecall_daemon::figures::Figure;
use securecall_relay::masque::{DatagramRefusal, context, varint};
use tokio::sync::Notify;

use crate::clock;
use crate::exit::ExitFlow;
use crate::limits::FlowRate;
use crate::packet_socket::PacketSocket;
use crate::quic::{Connection, NotQueued};
use crate::relay::Relay;

/// A flow that is open.
pub(crate) struct Flow {
    relay: Arc<Relay>,
    connection: Arc<Connection>,
    /// What tells its datagrams from those of other flows of the connection (RFC 9297 section 2.1).
    quarter_stream_id: u64,
    /// The rate of what the client sends.
    outward: Mutex<FlowRate>,
    way: Way,
    aborted: Notify,
}

/// Where its packets go.
pub(crate) enum Way {
    /// To one other relay, and back.
    Entry(PacketSocket),
    /// To whom the client names.
    Exit(ExitFlow),
}

impl Flow {
    pub(crate) fn new(
        relay: Arc<Relay>,
        connection: Arc<Connection>,
        stream_id: u64,
        way: Way,
    ) -> Self {
        let outward = Mutex::new(relay.limits.flow.rate(clock::now()));
        Self {
            relay,
            connection,
            quarter_stream_id: stream_id / 4,
            outward,
            way,
            aborted: Notify::new(),
        }
    }

    pub(crate) fn quarter_stream_id(&self) -> u64 {
        self.quarter_stream_id
    }

    pub(crate) fn is_entry(&self) -> bool {
        matches!(self.way, Way::Entry(_))
    }

    /// A datagram of the client, from its context ID on.
    pub(crate) fn handle_datagram(&self, datagram: &[u8]) {
        let now = clock::now();
        let figures = &self.relay.figures;
        let is_allowed = {
            let mut outward = self.outward.lock().unwrap_or_else(PoisonError::into_inner);
            outward.allows(now, datagram.len())
        };
        if !is_allowed {
            figures.dropped_rate.one();
            return;
        }
        match self.send_out(now, datagram) {
            Ok(size) => {
                figures.packets_from_clients.one();
                figures.bytes_from_clients.add(size as u64);
            }
            Err(Dropped(figure)) => figure.one(),
        }
    }

    fn send_out(&self, now: Instant, datagram: &[u8]) -> Result<usize, Dropped<'_>> {
        let figures = &self.relay.figures;
        let (is_sent, size) = match &self.way {
            Way::Entry(socket) => {
                // Other contexts than that of plain packets mean nothing here (RFC 9298 section 4).
                let payload = context::udp_payload(datagram)
                    .map_err(|_| Dropped(&figures.dropped_malformed))?;
                (socket.send_connected(payload), payload.len())
            }
            Way::Exit(exit) => {
                let outbound = exit
                    .outbound(now, datagram)
                    .map_err(|refusal| self.refused(refusal))?;
                if self.relay.own.are_behind(outbound.peer) {
                    return Err(Dropped(&figures.dropped_not_allowed));
                }
                let payload = outbound.payload;
                (exit.send(outbound.peer, payload), payload.len())
            }
        };
        if !is_sent {
            return Err(Dropped(&figures.dropped_not_sent));
        }
        Ok(size)
    }

    fn refused(&self, refusal: DatagramRefusal) -> Dropped<'_> {
        if refusal.ends_flow() {
            self.aborted.notify_one();
        }
        let figures = &self.relay.figures;
        Dropped(match refusal {
            DatagramRefusal::NotAdmitted
            | DatagramRefusal::NotPermitted
            | DatagramRefusal::TooManyHosts
            | DatagramRefusal::NoContext => &figures.dropped_not_allowed,
            _ => &figures.dropped_malformed,
        })
    }

    /// Carries packets to the client until no more can come.
    pub(crate) async fn carry_inward(&self) {
        let mut rate = self.relay.limits.flow.rate(clock::now());
        match &self.way {
            Way::Entry(socket) => {
                // Context 0, as one byte.
                let deliver =
                    |_, packet: &[u8]| self.send_in(&mut rate, clock::now(), &[0], packet);
                carry(socket, deliver, || self.connection.flush()).await;
            }
            Way::Exit(exit) => {
                let deliver = |from: SocketAddr, packet: &[u8]| {
                    let now = clock::now();
                    match exit.inbound(now, from) {
                        Ok(header) => self.send_in(&mut rate, now, header.as_ref(), packet),
                        Err(_) => self.relay.figures.dropped_not_allowed.one(),
                    }
                };
                exit.receive(deliver, || self.connection.flush()).await;
            }
        }
    }

    fn send_in(&self, rate: &mut FlowRate, now: Instant, header: &[u8], packet: &[u8]) {
        let figures = &self.relay.figures;
        if !rate.allows(now, packet.len()) {
            figures.dropped_rate.one();
            return;
        }
        // One piece of memory of the size of the packet: a larger one that is shared would be held by the slowest client.
        let prefix = varint::encode(self.quarter_stream_id);
        let mut datagram =
            BytesMut::with_capacity(prefix.as_ref().len() + header.len() + packet.len());
        for part in [prefix.as_ref(), header, packet] {
            datagram.extend_from_slice(part);
        }
        match self.connection.queue_datagram(datagram.freeze()) {
            Ok(()) => {
                figures.packets_to_clients.one();
                figures.bytes_to_clients.add(packet.len() as u64);
            }
            Err(NotQueued::Lost) => figures.dropped_not_sent.one(),
            Err(NotQueued::Unsupported) => self.aborted.notify_one(),
        }
    }

    /// Bytes of capsules. `false`: the flow is to be aborted.
    pub(crate) fn handle_capsules(&self, bytes: &[u8]) -> bool {
        match &self.way {
            // No capsule means anything to an entry, and unknown ones are skipped (RFC 9297 section 3.2).
            Way::Entry(_) => true,
            Way::Exit(exit) => exit.handle_capsules(clock::now(), bytes),
        }
    }

    /// Capsules for the client.
    pub(crate) fn poll_capsules(&self) -> Option<Bytes> {
        match &self.way {
            Way::Entry(_) => None,
            Way::Exit(exit) => exit.poll_capsules(),
        }
    }

    /// Waits until the client has done what must not be done.
    pub(crate) async fn aborted(&self) {
        self.aborted.notified().await;
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Way::Exit(exit) = &self.way {
            exit.release(&self.relay.own);
        }
    }
}

/// Where a packet is counted that was not sent.
struct Dropped<'a>(&'a Figure);

/// Hands out what comes to a socket, and says after each batch that it has.
pub(crate) async fn carry(
    socket: &PacketSocket,
    mut deliver: impl FnMut(SocketAddr, &[u8]),
    delivered: impl Fn(),
) {
    while socket.readable().await.is_ok() && socket.receive(&mut deliver).is_ok() {
        delivered();
    }
}

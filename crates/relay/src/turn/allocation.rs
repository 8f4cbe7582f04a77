//! What one server has for us, over one link: asked for, kept, given back (RFC 8656).

mod responses;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use web_time::Instant;

use super::authentication::Authentication;
use super::channel_data;
use super::grant::{Grant, MIN_LIFETIME};
use super::peers::Peers;
use super::stream_buffer::StreamBuffer;
use super::transactions::{Purpose, Transactions};
use super::{TurnFailure, TurnServer};
use crate::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use crate::{StreamEvent, StreamId, TransactionIds, Urgency};

/// How long a stream may take to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// By datagrams from this socket.
    Socket(SocketAddr),
    /// By this stream.
    Stream(StreamId),
}

impl Via {
    pub(super) const fn is_stream(self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AllocationOutput {
    /// Send this to the server.
    Send(Vec<u8>, Urgency),
    /// Addresses were granted.
    Allocated,
    /// A packet of a peer came, for the address of ours of its family.
    Packet {
        peer: SocketAddr,
        own: SocketAddr,
        contents: Vec<u8>,
    },
    /// There is no address, or no longer.
    Failed(TurnFailure),
}

#[derive(Debug)]
enum State {
    /// The stream is being opened.
    Opening { until: Instant },
    /// The server was asked for an address.
    Asking,
    /// These addresses are ours.
    Held {
        relayed: Vec<SocketAddr>,
        refresh_at: Instant,
    },
    /// It was given back, or never was.
    Over,
}

/// A refusal that the server may not have made.
#[derive(Debug)]
struct Doubt {
    failure: TurnFailure,
    /// When it is believed.
    until: Instant,
}

/// What one server has for us.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) server: TurnServer,
    pub(super) via: Via,
    pub(super) grant: Option<Grant>,
    state: State,
    authentication: Authentication,
    stale_nonces: u8,
    doubt: Option<Doubt>,
    /// An address of a time before was given back.
    has_given_back: bool,
    transactions: Transactions,
    peers: Peers,
    buffer: StreamBuffer,
    outputs: VecDeque<AllocationOutput>,
}

impl Allocation {
    /// Asks the server for an address, as soon as the stream to it is open.
    pub(super) fn new(
        now: Instant,
        ids: &mut TransactionIds,
        server: TurnServer,
        via: Via,
    ) -> Self {
        let in_stream = via.is_stream();
        let mut allocation = Self {
            authentication: Authentication::new(server.credentials.clone()),
            server,
            via,
            grant: None,
            state: State::Opening {
                until: now + OPEN_TIMEOUT,
            },
            stale_nonces: 0,
            doubt: None,
            has_given_back: false,
            transactions: Transactions::new(in_stream),
            peers: Peers::default(),
            buffer: StreamBuffer::default(),
            outputs: VecDeque::new(),
        };
        if !in_stream {
            allocation.ask(now, ids);
        }
        allocation
    }

    /// The addresses that are ours.
    pub(super) fn relayed(&self) -> &[SocketAddr] {
        match &self.state {
            State::Held { relayed, .. } => relayed,
            State::Opening { .. } | State::Asking | State::Over => &[],
        }
    }

    /// Whether the server lets packets of a host through; `None` while it has not said.
    pub(super) fn permits(&self, peer: IpAddr) -> Option<bool> {
        self.peers.permits(peer)
    }

    /// Whether nothing comes of it any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Something happened to its stream.
    pub(super) fn handle_stream(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        event: StreamEvent<'_>,
    ) {
        match event {
            StreamEvent::Opened => {
                if matches!(self.state, State::Opening { .. }) {
                    self.ask(now, ids);
                }
            }
            StreamEvent::Bytes(bytes) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                let taken = buffer.take(bytes, |frame| {
                    // In a stream of ours there is nothing for others.
                    self.handle_bytes(now, ids, frame);
                });
                self.buffer = buffer;
                if taken.is_err() {
                    self.fail(TurnFailure::Nonsense("what it sends is not TURN"));
                }
            }
            StreamEvent::Closed => self.fail(TurnFailure::Disconnected),
            StreamEvent::TlsFailed => self.fail(TurnFailure::Tls),
        }
    }

    /// A datagram or a frame of the server. What makes no sense is dropped. Returns whether it was for this allocation: a
    /// server may be asked by others from the same socket, about how it sees us for instance.
    pub(super) fn handle_bytes(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        bytes: &[u8],
    ) -> bool {
        if self.is_over() {
            return false;
        }
        if let [0x40..=0x4f, ..] = bytes {
            self.handle_channel_data(bytes);
            return matches!(self.state, State::Held { .. });
        }
        let Ok(message) = Message::parse(bytes) else {
            return false;
        };
        match (message.class(), message.method()) {
            (Class::Indication, Method::Data) => self.handle_data(&message),
            (Class::Success | Class::Error, _) => return self.handle_response(now, ids, &message),
            // Servers ask nothing.
            (Class::Request | Class::Indication, _) => return false,
        }
        true
    }

    /// Lets packets of a host through.
    pub(super) fn allow(&mut self, now: Instant, ids: &mut TransactionIds, peer: IpAddr) {
        let has_family = |own: &SocketAddr| own.is_ipv4() == peer.is_ipv4();
        if self.relayed().iter().any(has_family) && self.peers.add_permission(now, peer) {
            self.request(now, ids, Purpose::Permission(peer));
        }
    }

    /// Lets a number stand for a peer: four bytes a packet in place of thirty-six.
    pub(super) fn bind(&mut self, now: Instant, ids: &mut TransactionIds, peer: SocketAddr) {
        if self.peers.is_permitted(peer.ip()) && self.peers.add_channel(peer) {
            self.request(now, ids, Purpose::Channel(peer));
        }
    }

    /// Sends a packet to a peer, behind the request to let its host through if that was not asked for so far: the server takes
    /// one after the other, so the first check does not wait a round trip for the permission. One that overtakes the request
    /// is lost, as any may be.
    pub(super) fn send(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        peer: SocketAddr,
        contents: &[u8],
    ) {
        self.allow(now, ids, peer.ip());
        if !self.peers.is_asked_for(peer.ip()) {
            return;
        }
        let bytes = match self.peers.bound_number(peer) {
            Some(number) => channel_data::write(number, contents, self.via.is_stream()),
            None => MessageBuilder::new(Class::Indication, Method::Send, ids.draw())
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
                .attribute(AttributeType::DATA, contents)
                .finish(),
        };
        self.outputs
            .push_back(AllocationOutput::Send(bytes, Urgency::SoonOrNever));
    }

    /// Finds out whether the addresses are still ours.
    pub(super) fn check(&mut self, now: Instant, ids: &mut TransactionIds) {
        if !self.transactions.is_open(Purpose::Check) {
            self.refresh(now, ids, Purpose::Check);
        }
    }

    /// Gives the addresses back. The server is told once: if that is lost, it finds out by itself.
    pub(super) fn release(&mut self, now: Instant, ids: &mut TransactionIds) {
        if matches!(self.state, State::Held { .. }) {
            self.request(now, ids, Purpose::Release);
        }
        self.transactions.clear();
        self.state = State::Over;
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Opening { until } => Some(*until),
            State::Asking => None,
            State::Held { refresh_at, .. } => Some(*refresh_at),
            State::Over => return None,
        };
        [
            own,
            self.doubt.as_ref().map(|doubt| doubt.until),
            self.transactions.poll_timeout(),
            self.peers.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, ids: &mut TransactionIds) {
        match &mut self.state {
            State::Opening { until } if *until <= now => self.fail(TurnFailure::NoAnswer),
            State::Held { refresh_at, .. } if *refresh_at <= now => {
                // Until the answer says when, or it would be due all the time.
                *refresh_at = now + MIN_LIFETIME;
                self.refresh(now, ids, Purpose::Refresh);
            }
            State::Opening { .. } | State::Asking | State::Held { .. } | State::Over => {}
        }
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.until <= now) {
            self.fail(doubt.failure);
        }
        let (again, given_up) = self.transactions.handle_timeout(now);
        for bytes in again {
            self.outputs
                .push_back(AllocationOutput::Send(bytes, Urgency::Waits));
        }
        for purpose in given_up {
            match purpose {
                Purpose::Permission(ip) => self.peers.permission_unanswered(ip),
                Purpose::Channel(peer) => self.peers.channel_refused(peer),
                _ => self.fail(TurnFailure::NoAnswer),
            }
        }
        // After what may have failed: without an address nobody is allowed to send to it.
        if self.is_over() {
            return;
        }
        let (ips, peers) = self.peers.due(now);
        for ip in ips {
            self.request(now, ids, Purpose::Permission(ip));
        }
        for peer in peers {
            self.request(now, ids, Purpose::Channel(peer));
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<AllocationOutput> {
        self.outputs.pop_front()
    }

    fn ask(&mut self, now: Instant, ids: &mut TransactionIds) {
        self.state = State::Asking;
        self.request(now, ids, Purpose::Allocate);
    }

    fn refresh(&mut self, now: Instant, ids: &mut TransactionIds, purpose: Purpose) {
        if matches!(self.state, State::Held { .. }) {
            self.request(now, ids, purpose);
        }
    }

    fn request(&mut self, now: Instant, ids: &mut TransactionIds, purpose: Purpose) {
        let id = ids.draw();
        let channel = match purpose {
            Purpose::Channel(peer) => self.peers.channel_number(peer),
            _ => None,
        };
        let request = purpose.request(id, channel);
        let bytes = self.authentication.sign(request).finish();
        let nonce = self.authentication.nonce().map(str::to_owned);
        self.outputs
            .push_back(AllocationOutput::Send(bytes.clone(), Urgency::Waits));
        self.transactions.begin(now, id, purpose, nonce, bytes);
    }

    fn handle_channel_data(&mut self, bytes: &[u8]) {
        let Some((number, contents)) = channel_data::read(bytes) else {
            return;
        };
        if let Some(peer) = self.peers.peer_of(number) {
            self.packet(peer, contents);
        }
    }

    fn handle_data(&mut self, message: &Message<'_>) {
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS);
        let contents = message.attribute(AttributeType::DATA);
        if let (Some(peer), Some(contents)) = (peer, contents)
            // A server has no business to bring packets of others. Its word that a host is let through may come behind one.
            && self.peers.is_asked_for(peer.ip())
        {
            self.packet(peer, contents);
        }
    }

    fn packet(&mut self, peer: SocketAddr, contents: &[u8]) {
        let mut relayed = self.relayed().iter();
        if let Some(own) = relayed.find(|own| own.is_ipv4() == peer.is_ipv4()).copied() {
            self.outputs.push_back(AllocationOutput::Packet {
                peer,
                own,
                contents: contents.to_vec(),
            });
        }
    }

    fn fail(&mut self, failure: TurnFailure) {
        if !self.is_over() {
            self.transactions.clear();
            self.state = State::Over;
            self.outputs.push_back(AllocationOutput::Failed(failure));
        }
    }
}

//! Packets that show whether a relay relays: binding requests, as the checks of a call are.

use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use crate::stun::{AttributeType, Class, Message, MessageBuilder, Method, TransactionId};
use crate::{Datagram, TransactionIds};

/// The most packets sent.
const MAX_PACKETS: usize = 6;
/// One in so long: the server may learn of a permission after the first, and networks lose.
const INTERVAL: Duration = Duration::from_millis(150);
/// How long an answer to the last one may take.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// Packets from one address to another, of which one is enough.
pub(super) struct RelayCheck {
    from: SocketAddr,
    to: SocketAddr,
    sent: Vec<(TransactionId, Instant)>,
    next_at: Instant,
}

impl RelayCheck {
    /// Nothing is sent yet.
    pub(super) fn new(now: Instant, from: SocketAddr, to: SocketAddr) -> Self {
        Self {
            from,
            to,
            sent: Vec::new(),
            next_at: now,
        }
    }

    /// Where the packets come from.
    pub(super) fn from(&self) -> SocketAddr {
        self.from
    }

    /// Where the packets go.
    pub(super) fn to(&self) -> SocketAddr {
        self.to
    }

    /// The next packet, if it is due.
    pub(super) fn next(&mut self, now: Instant, ids: &mut TransactionIds) -> Option<Datagram> {
        if self.next_at > now || self.sent.len() >= MAX_PACKETS {
            return None;
        }
        let id = ids.draw();
        self.sent.push((id, now));
        let was_last = self.sent.len() >= MAX_PACKETS;
        self.next_at = now + if was_last { LAST_ANSWER } else { INTERVAL };
        Some(Datagram {
            source: self.from,
            destination: self.to,
            contents: MessageBuilder::new(Class::Request, Method::Binding, id).finish(),
        })
    }

    /// When there is another packet, or an end.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// Whether everything was sent, and nothing came in time.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.sent.len() >= MAX_PACKETS && self.next_at <= now
    }

    /// The answer to a packet of ours that went through the relay.
    pub(super) fn answer(&self, packet: &Datagram) -> Option<Datagram> {
        let request = Message::parse(&packet.contents).ok()?;
        let is_request = request.class() == Class::Request && request.method() == Method::Binding;
        self.sent_at(&request).filter(|_| is_request)?;
        let answer = MessageBuilder::new(Class::Success, Method::Binding, request.transaction());
        Some(Datagram {
            source: packet.destination,
            destination: packet.source,
            contents: answer
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, packet.source)
                .finish(),
        })
    }

    /// When the packet was sent whose answer this is.
    pub(super) fn answered(&self, contents: &[u8]) -> Option<Instant> {
        let answer = Message::parse(contents).ok()?;
        let is_answer = answer.class() == Class::Success && answer.method() == Method::Binding;
        self.sent_at(&answer).filter(|_| is_answer)
    }

    fn sent_at(&self, message: &Message<'_>) -> Option<Instant> {
        let mut sent = self.sent.iter();
        sent.find(|(id, _)| *id == message.transaction())
            .map(|(_, at)| *at)
    }
}

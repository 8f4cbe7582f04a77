//! Binding requests that wait for an answer (RFC 8489 section 6.2.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use crate::stun::{AttributeType, Class, Message, MessageBuilder, Method, TransactionId};
use crate::{Datagram, Inbound, TransactionIds};

/// From which address the server is to answer (RFC 5780 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeRequest {
    /// From where it was asked.
    Nothing,
    /// From another port.
    Port,
    /// From another host and port.
    HostAndPort,
}

impl ChangeRequest {
    /// The value of CHANGE-REQUEST; `None` for no such attribute.
    const fn value(self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Port => Some(0x02),
            Self::HostAndPort => Some(0x06),
        }
    }
}

/// Binding requests, each for a purpose.
pub(crate) struct BindingRequests<P> {
    ids: TransactionIds,
    /// When a request is sent again, and after the last of these given up.
    retransmissions: &'static [Duration],
    open: Vec<Request<P>>,
    outputs: VecDeque<Datagram>,
}

struct Request<P> {
    purpose: P,
    id: TransactionId,
    socket: SocketAddr,
    destination: SocketAddr,
    change: ChangeRequest,
    /// How often it was sent, since it was hurried last.
    sent: usize,
    sent_at: Instant,
    again_at: Instant,
}

impl<P: Copy + PartialEq> BindingRequests<P> {
    pub(crate) fn new(ids: TransactionIds, retransmissions: &'static [Duration]) -> Self {
        Self {
            ids,
            retransmissions,
            open: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn ask(
        &mut self,
        now: Instant,
        purpose: P,
        socket: SocketAddr,
        destination: SocketAddr,
        change: ChangeRequest,
    ) {
        let mut request = Request {
            purpose,
            id: self.ids.draw(),
            socket,
            destination,
            change,
            sent: 0,
            sent_at: now,
            again_at: now,
        };
        self.outputs
            .push_back(request.send(now, self.retransmissions));
        self.open.push(request);
    }

    /// The purpose of the request that this is an answer to, which is open no longer. Where the answer comes from is
    /// for `may_answer` to look at, if it matters: who does not see the request cannot guess its ID.
    pub(crate) fn take_answered(
        &mut self,
        socket: SocketAddr,
        message: &Message<'_>,
        may_answer: impl Fn(P) -> bool,
    ) -> Option<P> {
        let is_answer = matches!(message.class(), Class::Success | Class::Error)
            && message.method() == Method::Binding;
        let asked = |request: &Request<P>| {
            request.id == message.transaction()
                && request.socket == socket
                && may_answer(request.purpose)
        };
        let index = self.open.iter().position(asked).filter(|_| is_answer)?;
        Some(self.open.swap_remove(index).purpose)
    }

    /// The purpose of a request of ours that came back to another socket of ours.
    pub(crate) fn came_back(&self, datagram: Inbound<'_>, message: &Message<'_>) -> Option<P> {
        let is_request = message.class() == Class::Request && message.method() == Method::Binding;
        let mut open = self.open.iter();
        open.find(|request| {
            request.id == message.transaction() && request.socket != datagram.destination
        })
        .filter(|_| is_request)
        .map(|request| request.purpose)
    }

    /// How many answers are waited for.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_open(&self, purpose: impl Fn(P) -> bool) -> bool {
        self.open.iter().any(|request| purpose(request.purpose))
    }

    /// The way to the server is another one now, perhaps the first that leads there: what is open is sent again as soon as if it
    /// had been asked just when it was sent last.
    pub(crate) fn hurry(&mut self, purpose: impl Fn(P) -> bool) {
        let Some(first) = self.retransmissions.first() else {
            return;
        };
        for request in &mut self.open {
            if purpose(request.purpose) {
                request.sent = 1;
                request.again_at = request.sent_at + *first;
            }
        }
    }

    /// Waits no longer for these.
    pub(crate) fn forget(&mut self, purpose: impl Fn(P) -> bool) {
        self.open.retain(|request| !purpose(request.purpose));
    }

    /// Sends again what is due, and gives what is given up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<P> {
        let mut given_up = Vec::new();
        let outputs = &mut self.outputs;
        self.open.retain_mut(|request| {
            if request.again_at > now {
                return true;
            }
            if request.sent >= self.retransmissions.len() {
                given_up.push(request.purpose);
                return false;
            }
            outputs.push_back(request.send(now, self.retransmissions));
            true
        });
        given_up
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|request| request.again_at).min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Datagram> {
        self.outputs.pop_front()
    }
}

impl<P> Request<P> {
    fn send(&mut self, now: Instant, retransmissions: &[Duration]) -> Datagram {
        if let Some(wait) = retransmissions.get(self.sent) {
            self.again_at = now + *wait;
        }
        self.sent += 1;
        self.sent_at = now;
        let message = MessageBuilder::new(Class::Request, Method::Binding, self.id);
        let message = match self.change.value() {
            Some(value) => message.number(AttributeType::CHANGE_REQUEST, value),
            None => message,
        };
        Datagram {
            source: self.socket,
            destination: self.destination,
            contents: message.finish(),
        }
    }
}

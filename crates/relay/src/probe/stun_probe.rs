//! One question to a STUN server: how do you see me? (RFC 8489 section 13)

use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use super::{Probe, ProbeOutput, RETRANSMISSIONS};
use crate::binding_requests::{BindingRequests, ChangeRequest};
use crate::mapped_address::mapped_address;
use crate::stun::{Class, Message};
use crate::{Inbound, TransactionIds, TurnFailure};

/// How a STUN server sees a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflexive {
    /// Our address outside.
    pub mapped: SocketAddr,
    /// From the first request to the answer.
    pub took: Duration,
}

/// Asks a STUN server once, and again where nothing comes back, for 2.4 s.
pub struct StunProbe {
    socket: SocketAddr,
    begun: Instant,
    requests: BindingRequests<()>,
    outcome: Option<Result<Reflexive, TurnFailure>>,
}

impl StunProbe {
    /// Asks the server from this socket.
    pub fn new(now: Instant, socket: SocketAddr, server: SocketAddr, ids: TransactionIds) -> Self {
        let mut requests = BindingRequests::new(ids, &RETRANSMISSIONS);
        requests.ask(now, (), socket, server, ChangeRequest::Nothing);
        Self {
            socket,
            begun: now,
            requests,
            outcome: None,
        }
    }
}

impl Probe for StunProbe {
    type Outcome = Result<Reflexive, TurnFailure>;

    fn handle_datagram(&mut self, now: Instant, datagram: Inbound<'_>) {
        let Ok(message) = Message::parse(datagram.contents) else {
            return;
        };
        if self
            .requests
            .take_answered(datagram.destination, &message, |()| true)
            .is_none()
        {
            return;
        }
        let took = now.duration_since(self.begun);
        let mapped = mapped_address(&message, self.socket);
        let outcome = match (message.class(), mapped, message.error_code()) {
            (Class::Success, Some(mapped), _) => Ok(Reflexive { mapped, took }),
            (Class::Error, _, Some(error)) => Err(TurnFailure::Refused(error.code)),
            (Class::Error, ..) => Err(TurnFailure::Nonsense("it refuses without a reason")),
            _ => Err(TurnFailure::Nonsense("it does not say how it sees us")),
        };
        self.outcome = Some(outcome);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.requests.handle_timeout(now).is_empty() {
            self.outcome = Some(Err(TurnFailure::NoAnswer));
        }
    }

    fn poll_output(&mut self) -> ProbeOutput<Self::Outcome> {
        if let Some(datagram) = self.requests.poll_transmit() {
            return ProbeOutput::Transmit(datagram);
        }
        if let Some(outcome) = self.outcome.take() {
            return ProbeOutput::Finished(outcome);
        }
        ProbeOutput::Timeout(self.requests.poll_timeout().unwrap_or(self.begun))
    }
}

//! Requests that wait for their response (RFC 8489 section 6.2).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use web_time::Instant;

use crate::stun::TransactionId;

/// When a datagram is sent again, and after the last of these given up. RFC 8489 begins with 500 ms and
/// ends after 39.5 s; a person waits for a call, and a server that is on line has answered by then.
const RETRANSMISSIONS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];
/// How long a response may take in a stream, which repeats by itself.
const STREAM_TIMEOUT: Duration = Duration::from_secs(6);
/// How long an answer may come to what was asked once more.
const SUPERSEDED_FOR: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Addresses, one of each family.
    Allocate,
    /// An IPv4 address alone, at a server that refuses both at once.
    AllocateIpv4,
    /// An IPv6 address alone, at a server that has no others.
    AllocateIpv6,
    /// To keep it.
    Refresh,
    /// The same, because nothing comes any more: the server may have forgotten us.
    Check,
    /// To give it back.
    Release,
    /// To let packets of this host through.
    Permission(IpAddr),
    /// To let a number stand for this peer.
    Channel(SocketAddr),
}

impl Purpose {
    /// Whether nothing is left to be asked for once the other is granted.
    fn is_settled_by(self, other: Self) -> bool {
        let keeps = |purpose| matches!(purpose, Self::Refresh | Self::Check);
        self == other || (keeps(self) && keeps(other))
    }
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) purpose: Purpose,
    /// The nonce it had with it, if it had our credentials.
    pub(super) nonce: Option<String>,
    bytes: Vec<u8>,
    sent: usize,
    again_at: Instant,
    /// The same was asked once more with another nonce: nothing is sent again, but an answer still counts.
    superseded: bool,
}

/// The requests that wait.
#[derive(Debug)]
pub(super) struct Transactions {
    in_stream: bool,
    open: Vec<Transaction>,
}

impl Transactions {
    pub(super) fn new(in_stream: bool) -> Self {
        Self {
            in_stream,
            open: Vec::new(),
        }
    }

    /// Waits for the response to a request that is being sent now.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        id: TransactionId,
        purpose: Purpose,
        nonce: Option<String>,
        bytes: Vec<u8>,
    ) {
        let mut transaction = Transaction {
            id,
            purpose,
            nonce,
            bytes,
            sent: 0,
            again_at: now,
            superseded: false,
        };
        transaction.was_sent(now, self.in_stream);
        self.open.push(transaction);
    }

    /// Whether this is being asked for.
    pub(super) fn is_open(&self, purpose: Purpose) -> bool {
        self.open.iter().any(|open| open.purpose == purpose)
    }

    /// The request of a response.
    pub(super) fn get(&self, id: TransactionId) -> Option<&Transaction> {
        self.open.iter().find(|open| open.id == id)
    }

    /// The same is being asked for by another request.
    pub(super) fn supersede(&mut self, now: Instant, id: TransactionId) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.superseded = true;
            open.again_at = now + SUPERSEDED_FOR;
        }
    }

    /// One of those that ask for this was answered: the others need no answer any more.
    pub(super) fn answered(&mut self, purpose: Purpose, id: TransactionId) {
        self.open
            .retain(|open| open.id != id && !open.purpose.is_settled_by(purpose));
    }

    /// Waits no longer for this one.
    pub(super) fn remove(&mut self, id: TransactionId) {
        self.open.retain(|open| open.id != id);
    }

    /// Waits for nothing any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.again_at).min()
    }

    /// Gives what is to be sent again, and the purposes that are given up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> (Vec<Vec<u8>>, Vec<Purpose>) {
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        let in_stream = self.in_stream;
        self.open.retain_mut(|open| {
            if open.again_at > now {
                return true;
            }
            if open.superseded {
                return false;
            }
            if in_stream || open.sent >= RETRANSMISSIONS.len() {
                given_up.push(open.purpose);
                return false;
            }
            again.push(open.bytes.clone());
            open.was_sent(now, in_stream);
            true
        });
        (again, given_up)
    }
}

impl Transaction {
    fn was_sent(&mut self, now: Instant, in_stream: bool) {
        let wait = if in_stream {
            STREAM_TIMEOUT
        } else {
            RETRANSMISSIONS.get(self.sent).copied().unwrap_or_default()
        };
        self.again_at = now + wait;
        self.sent += 1;
    }
}

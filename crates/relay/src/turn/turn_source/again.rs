//! Asking once more: elsewhere, later, and those that were held back.

use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use super::{Discretion, MAX_SERVERS, TurnServer, TurnSource};
use crate::SourceOutput;
use crate::reach::is_public;

/// How often a server may send us on to another one.
const MAX_REDIRECTS: u8 = 3;
/// When servers are asked again after an address was lost: at once, then with waits of 1, 2, 4 and 8 s.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(8);
const MIN_RETRY_WAIT: Duration = Duration::from_secs(1);

/// When the servers are asked again.
pub(super) struct Retry {
    at: Option<Instant>,
    wait: Duration,
}

impl Retry {
    pub(super) fn after(now: Instant, wait: Duration) -> Self {
        Self {
            at: Some(now + wait),
            wait: next_wait(wait),
        }
    }
}

/// The wait after this one.
pub(super) fn next_wait(wait: Duration) -> Duration {
    (wait * 2).clamp(MIN_RETRY_WAIT, MAX_RETRY_WAIT)
}

impl TurnSource {
    /// A server names another one to ask. It is from outside: it must not point us at machines of our own
    /// network, unless the user has named one there.
    pub(super) fn redirected(&mut self, now: Instant, server: &TurnServer, alternate: SocketAddr) {
        let admitted = is_public(alternate) || !is_public(server.address);
        if self.redirects >= MAX_REDIRECTS || !admitted || alternate == server.address {
            return;
        }
        self.redirects += 1;
        let server = TurnServer {
            address: alternate,
            ..server.clone()
        };
        let sockets = self.sockets.of_call();
        self.ask(now, server, &sockets);
    }

    /// Whether nobody is being asked, and all have a socket to be asked from.
    fn may_ask_again(&self) -> bool {
        self.attempts.is_empty() && !self.sockets.are_awaited()
    }

    /// When the servers are asked again, if nobody is being asked now.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        let retry = self.retry.as_ref().filter(|_| self.may_ask_again());
        retry.and_then(|retry| retry.at)
    }

    /// Whoever waits for the next time to ask need not: in another network servers may be found elsewhere, and only there.
    pub(super) fn ask_others(&mut self, now: Instant) {
        if let Some(at) = self.retry.as_mut().and_then(|retry| retry.at.as_mut()) {
            *at = now.min(*at);
        }
    }

    pub(super) fn retry_if_due(&mut self, now: Instant) {
        if self.may_ask_again()
            && let Some(retry) = &mut self.retry
        {
            match retry.at {
                Some(at) if at <= now => {
                    // Not before, for others were asked from there.
                    let spoilt = self.sockets.take_spoilt();
                    if !spoilt.is_empty() {
                        self.outputs
                            .extend(spoilt.into_iter().map(SourceOutput::Bind));
                        return;
                    }
                    retry.at = None;
                    let sockets = self.sockets.of_call();
                    self.ask_all(now, &sockets);
                }
                Some(_) => {}
                // All that were asked have refused by now.
                None => {
                    retry.at = Some(now + retry.wait);
                    retry.wait = next_wait(retry.wait);
                }
            }
        }
    }

    /// Those to whom our name goes in plain text, where nobody else gave an address.
    pub(super) fn ask_held_back(&mut self, now: Instant) {
        if self.is_told(self.generation) {
            self.discretion.forget();
        }
        let nobody_else = self.attempts.is_empty();
        let Some(sockets) = self.discretion.take_due(now, nobody_else) else {
            return;
        };
        // Some may have been closed meanwhile.
        let still_open = |socket: &SocketAddr| self.sockets.contains(*socket);
        let sockets: Vec<SocketAddr> = sockets.into_iter().filter(still_open).collect();
        let mut servers = (self.servers)();
        servers.truncate(MAX_SERVERS);
        for server in servers {
            if Discretion::holds_back(&server) {
                self.ask(now, server, &sockets);
            }
        }
    }
}

//! A server gives no address, or no longer.

use std::time::Duration;

use tracing::debug;
use web_time::Instant;

use super::again::{Retry, next_wait};
use super::{TurnFailure, TurnServer, TurnSource, Via};
use crate::SourceOutput;

/// The most failures that are kept to be told.
const MAX_FAILURES: usize = 16;
/// Losses for a reason of the network that are mended at once, however near each other: a machine that moves has some.
const LOSSES_AT_ONCE: u32 = 3;
/// A server that keeps an address for so long is not blamed for one that it did not keep before.
const REFUSALS_FORGOTTEN: Duration = Duration::from_secs(60);
/// How long a homeserver has to name others before a server is asked once more: with the name that it has just refused that would
/// be in vain, and the time after that is longer.
const TIME_FOR_OTHERS: Duration = Duration::from_millis(250);

/// Addresses that servers have granted and then refused to keep. One that does so again and again is not asked as fast as it
/// answers.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<(Instant, Duration)>,
    /// Losses for a reason of the network: how many near each other, and when the last was.
    by_network: Option<(Instant, u32)>,
}

impl Refusals {
    /// How long to wait before another address is asked for, as one was lost for this reason.
    pub(super) fn wait(&mut self, now: Instant, failure: &TurnFailure) -> Duration {
        // What a network does is no server's fault, but nobody can tell it from a server that grants an address and hangs up, again
        // and again.
        if matches!(
            failure,
            TurnFailure::NoAnswer
                | TurnFailure::Disconnected
                | TurnFailure::Tls
                // A NAT that has forgotten us makes us somebody else.
                | TurnFailure::AllocationMismatch
        ) {
            let near = self
                .by_network
                .filter(|(at, _)| now < *at + REFUSALS_FORGOTTEN);
            let losses = near.map_or(0, |(_, losses)| losses) + 1;
            self.by_network = Some((now, losses));
            if losses <= LOSSES_AT_ONCE {
                return Duration::ZERO;
            }
        }
        let wait = match self.last {
            Some((at, wait)) if now < at + REFUSALS_FORGOTTEN => next_wait(wait),
            _ => Duration::ZERO,
        };
        self.last = Some((now, wait));
        wait
    }
}

/// Whether a server does not take a user name that the homeserver has made.
fn is_refused_name(server: &TurnServer, failure: &TurnFailure) -> bool {
    *failure == TurnFailure::WrongCredentials && server.credentials.name_user()
}

impl TurnSource {
    pub(super) fn failed(&mut self, now: Instant, index: usize, failure: TurnFailure) {
        let attempt = &mut self.attempts[index];
        let server = attempt.allocation.server.clone();
        let via = attempt.allocation.via;
        let lost = std::mem::take(&mut attempt.candidates);
        if let Via::Stream(stream) = via {
            self.outputs.push_back(SourceOutput::Close(stream));
        }
        debug!(%failure, "no address at a TURN server");
        if let TurnFailure::Redirected(alternate) = failure {
            self.redirected(now, &server, alternate);
        }
        let was_held = !lost.is_empty();
        for candidate in lost {
            self.outputs.push_back(SourceOutput::Lost(candidate));
        }
        if was_held && !self.is_held() {
            // A server that was started anew has forgotten us, and grants another address at once.
            let mut wait = self.refusals.wait(now, &failure);
            if is_refused_name(&server, &failure) {
                wait = wait.max(TIME_FOR_OTHERS);
            }
            self.retry.get_or_insert(Retry::after(now, wait));
        }
        self.credentials_refused(&server, via, was_held, &failure);
        self.remember(server, failure);
    }

    fn remember(&mut self, server: TurnServer, failure: TurnFailure) {
        if self.failures.len() >= MAX_FAILURES {
            self.failures.pop_front();
        }
        let told = (server.address, server.link, failure);
        self.failures.push_back(told);
    }

    /// A server does not take a user name, or may hold an address for one before it.
    fn credentials_refused(
        &mut self,
        server: &TurnServer,
        via: Via,
        was_held: bool,
        failure: &TurnFailure,
    ) {
        let is_refused = *failure == TurnFailure::WrongCredentials;
        if is_refused_name(server, failure) {
            self.outputs.push_back(SourceOutput::CredentialsRefused);
        }
        // A server that does not know an address that we had holds none for the socket. But it has heard a name there, and coturn takes no
        // other from then on.
        let takes_no_other = *failure == TurnFailure::AllocationMismatch
            && (!was_held || self.has_another_name(server));
        if let Via::Socket(socket) = via
            && self.retry.is_some()
            && (is_refused || takes_no_other)
        {
            self.sockets.spoil(socket);
        }
    }

    /// Whether we have another name at a server by now than the one that it was asked with.
    fn has_another_name(&mut self, asked: &TurnServer) -> bool {
        (self.servers)().iter().any(|server| {
            (server.address, &server.link) == (asked.address, &asked.link)
                && server.credentials.username() != asked.credentials.username()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_grants_and_hangs_up_without_end_is_asked_ever_more_rarely() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let mut now = start;
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                now += Duration::from_millis(100);
                let wait = refusals.wait(now, &TurnFailure::Disconnected);
                now += wait;
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits[..4], [0; 4]);
        assert!(
            waits[4] >= 1 && waits[7] >= 4 && waits.is_sorted(),
            "{waits:?}"
        );
        // After a minute without one it is as it was.
        let later = now + REFUSALS_FORGOTTEN;
        assert_eq!(
            refusals.wait(later, &TurnFailure::Disconnected),
            Duration::ZERO
        );
    }
}

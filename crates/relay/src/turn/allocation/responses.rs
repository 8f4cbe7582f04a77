//! What the server says to what it was asked.

use tracing::debug;
use web_time::Instant;

use super::{Allocation, AllocationOutput, State};
use crate::TransactionIds;
use crate::stun::{AttributeType, Class, Message};
use crate::turn::TurnFailure;
use crate::turn::grant::{Grant, MAX_LIFETIME, lifetime_of};
use crate::turn::transactions::Purpose;

/// How often a server may call its own nonce stale without having accepted one.
const MAX_STALE_NONCES: u8 = 3;

impl Allocation {
    /// Returns whether it is one to a request of ours.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        message: &Message<'_>,
    ) -> bool {
        let request = self.transactions.get(message.transaction());
        let request = request.filter(|request| request.purpose.method() == message.method());
        let Some(asked) = request.map(|request| (request.purpose, request.authenticated)) else {
            return false;
        };
        if message.class() == Class::Success {
            self.handle_success(now, ids, message, asked);
        } else {
            self.handle_error(now, ids, message, asked);
        }
        true
    }

    fn handle_success(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        message: &Message<'_>,
        (purpose, authenticated): (Purpose, bool),
    ) {
        // A grant that anybody could have made would send the voice through anybody's hands.
        if authenticated && !self.authentication.vouches_for(message) {
            return;
        }
        self.transactions.remove(message.transaction());
        self.stale_nonces = 0;
        match purpose {
            Purpose::Allocate | Purpose::AllocateIpv4 | Purpose::AllocateIpv6 => {
                self.allocated(now, message);
            }
            Purpose::Refresh | Purpose::Check => self.refreshed(now, message),
            Purpose::Permission(ip) => self.peers.permission_granted(now, ip),
            Purpose::Channel(peer) => self.peers.channel_granted(now, peer),
            // Whoever releases an address for good hears of nothing any more.
            Purpose::Release => self.request(now, ids, Purpose::Allocate),
        }
    }

    fn allocated(&mut self, now: Instant, message: &Message<'_>) {
        match Grant::read(message) {
            Ok(grant) => {
                self.state = State::Held {
                    relayed: grant.relayed.clone(),
                    refresh_at: now + grant.lifetime.min(MAX_LIFETIME) / 2,
                };
                self.grant = Some(grant);
                self.outputs.push_back(AllocationOutput::Allocated);
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn refreshed(&mut self, now: Instant, message: &Message<'_>) {
        let lifetime = lifetime_of(message);
        match (&mut self.state, lifetime) {
            (State::Held { refresh_at, .. }, Some(lifetime)) => *refresh_at = now + lifetime / 2,
            _ => self.fail(TurnFailure::Nonsense("it keeps an address for no time")),
        }
    }

    fn handle_error(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        message: &Message<'_>,
        (purpose, authenticated): (Purpose, bool),
    ) {
        let error = message.error_code();
        let code = error.as_ref().map(|error| error.code);
        if authenticated && !self.is_credible(message, purpose, code) {
            // The request stays open: the server's own answer may still come.
            return;
        }
        // Anybody on the way could have said so: the request stays open, for its answer may still come, and the server is asked whether
        // the address is ours.
        let on_a_host = matches!(purpose, Purpose::Permission(_) | Purpose::Channel(_));
        let is_signed = self.authentication.vouches_for(message);
        if on_a_host && authenticated && code == Some(401) && !is_signed {
            return self.check(now, ids);
        }
        self.transactions.remove(message.transaction());
        let Some(error) = error else {
            return self.fail(TurnFailure::Nonsense("it refuses without a reason"));
        };
        debug!(?purpose, ?error, "the TURN server refused a request");
        // Before the purposes: who asks for a password, or for it with a new nonce, has refused nothing yet.
        if error.code == 438 || (error.code == 401 && !authenticated) {
            return self.challenged(now, ids, purpose, message);
        }
        match purpose {
            // The server still has an address for us, of a time before the network was gone. Whoever does not know it can only give
            // it back, and ask again.
            Purpose::Allocate if error.code == 437 && !self.has_given_back => {
                self.has_given_back = true;
                self.request(now, ids, Purpose::Release);
            }
            // It may have addresses of one family: coturn behind a NAT (`external-ip`) gives never both at once.
            Purpose::Allocate if error.code == 440 => {
                self.request(now, ids, Purpose::AllocateIpv4);
            }
            Purpose::AllocateIpv4 if error.code == 440 => {
                self.request(now, ids, Purpose::AllocateIpv6);
            }
            // The server does not know of any address of ours.
            _ if error.code == 437 => self.fail(TurnFailure::AllocationMismatch),
            Purpose::Allocate
            | Purpose::AllocateIpv4
            | Purpose::AllocateIpv6
            | Purpose::Refresh
            | Purpose::Check => {
                let alternate = message.address(AttributeType::ALTERNATE_SERVER);
                self.fail(TurnFailure::of_code(error.code, alternate));
            }
            // That is no word on this host: whoever does not take our name any more does not keep the address either, and says so.
            Purpose::Permission(_) | Purpose::Channel(_) if matches!(error.code, 401 | 441) => {
                self.check(now, ids);
            }
            Purpose::Permission(ip) => self.peers.permission_refused(ip),
            Purpose::Channel(peer) => self.peers.channel_refused(peer),
            Purpose::Release => self.request(now, ids, Purpose::Allocate),
        }
    }

    /// Whether a refusal counts. An address that we hold is not given up for the word of somebody who has not shown the password
    /// (RFC 8489 section 9.2.5), but for a stale nonce and refused credentials, which cannot be said otherwise, if the realm is
    /// the one that the server had before. Where nothing comes any more there is nothing to lose: a server that was started anew
    /// says in many ways that it does not know us.
    fn is_credible(&self, message: &Message<'_>, purpose: Purpose, code: Option<u16>) -> bool {
        let has_something = matches!(self.state, State::Held { .. }) && purpose != Purpose::Check;
        let is_challenge = matches!(code, Some(401 | 438));
        !has_something
            || self.authentication.vouches_for(message)
            || (is_challenge && self.authentication.has_realm_of(message))
    }

    fn challenged(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        purpose: Purpose,
        message: &Message<'_>,
    ) {
        self.stale_nonces += 1;
        if self.stale_nonces > MAX_STALE_NONCES {
            return self.fail(TurnFailure::Nonsense("it never takes its own nonce"));
        }
        match self.authentication.take_challenge(message) {
            Ok(()) => self.request(now, ids, purpose),
            Err(what) => self.fail(TurnFailure::Nonsense(what)),
        }
    }
}

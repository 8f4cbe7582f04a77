//! What the server says to what it was asked.

use std::time::Duration;

use tracing::debug;
use web_time::Instant;

use super::{Allocation, AllocationOutput, Doubt, State};
use crate::TransactionIds;
use crate::stun::{AttributeType, Class, ErrorCode, Message};
use crate::turn::TurnFailure;
use crate::turn::grant::{Grant, MAX_LIFETIME, lifetime_of};
use crate::turn::transactions::Purpose;

/// How often a server may call its own nonce stale without having accepted one.
const MAX_STALE_NONCES: u8 = 3;
/// For so long the server's own word is waited for, before a refusal is believed that anybody on the way could have made. It may be
/// half a second away, or one packet may get lost on a way that is shorter.
const SERVERS_OWN_WORD: Duration = Duration::from_millis(500);

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
        let Some(asked) = request.map(|request| (request.purpose, request.nonce.clone())) else {
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
        (purpose, nonce): (Purpose, Option<String>),
    ) {
        // A grant that anybody could have made would send the voice through anybody's hands.
        if let Some(nonce) = nonce {
            if !self.authentication.vouches_for(message) {
                return;
            }
            self.authentication.nonce_is_taken(nonce);
        }
        self.transactions.answered(purpose, message.transaction());
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
            (State::Held { refresh_at, .. }, Some(lifetime)) => {
                *refresh_at = now + lifetime / 2;
                // Whoever has said otherwise was not the server.
                self.doubt = None;
            }
            _ => self.fail(TurnFailure::Nonsense("it keeps an address for no time")),
        }
    }

    fn handle_error(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        message: &Message<'_>,
        (purpose, nonce): (Purpose, Option<String>),
    ) {
        let authenticated = nonce.is_some();
        let error = message.error_code();
        // An address that we hold is not given up for the word of somebody who has not shown the password (RFC 8489 section 9.2.5).
        let has_something = matches!(self.state, State::Held { .. });
        if has_something && authenticated && !self.authentication.vouches_for(message) {
            return self.handle_unsigned(now, ids, message, purpose, error.as_ref());
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
            | Purpose::Check => self.fail(failure_of(message, &error)),
            // That is no word on this host: whoever does not take our name any more does not keep the address either, and says so.
            Purpose::Permission(_) | Purpose::Channel(_) if matches!(error.code, 401 | 441) => {
                self.check(now, ids);
            }
            Purpose::Permission(ip) => self.peers.permission_refused(ip),
            Purpose::Channel(peer) => self.peers.channel_refused(peer),
            Purpose::Release => self.request(now, ids, Purpose::Allocate),
        }
    }

    /// A refusal that anybody on the way could have made, while we hold an address. A stale nonce and refused credentials cannot be
    /// said otherwise, and a server that was started anew says in many ways that it does not know us. So the request stays open: the
    /// server's own answer may still come, and counts.
    fn handle_unsigned(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        message: &Message<'_>,
        purpose: Purpose,
        error: Option<&ErrorCode>,
    ) {
        let code = error.map(|error| error.code);
        let is_of_realm = self.authentication.has_realm_of(message);
        match (purpose, code) {
            (_, Some(438)) if is_of_realm => {
                self.challenged_in_use(now, ids, purpose, message);
            }
            // Whoever does not take our name any more does not keep the address either: the server is asked whether it is ours.
            (Purpose::Permission(_) | Purpose::Channel(_), Some(401)) if is_of_realm => {
                self.check(now, ids);
            }
            (Purpose::Refresh, Some(401)) if !is_of_realm => {}
            // Nothing comes any more, and that may be why.
            (Purpose::Refresh, Some(401)) | (Purpose::Check, _) => {
                let failure = error.map_or_else(
                    || TurnFailure::Nonsense("it refuses without a reason"),
                    |error| failure_of(message, error),
                );
                self.doubt(now, failure);
            }
            _ => {}
        }
    }

    /// Believes a refusal that nobody has signed, unless the server says something else soon.
    fn doubt(&mut self, now: Instant, failure: TurnFailure) {
        // Whoever gets bytes into a stream can end it as well.
        if self.via.is_stream() {
            return self.fail(failure);
        }
        debug!(%failure, "somebody says that the TURN server refuses us");
        let until = now + SERVERS_OWN_WORD;
        self.doubt.get_or_insert(Doubt { failure, until });
    }

    /// Asks once more with the nonce of somebody who may be the server. An answer to what was asked with the one before counts, too.
    fn challenged_in_use(
        &mut self,
        now: Instant,
        ids: &mut TransactionIds,
        purpose: Purpose,
        message: &Message<'_>,
    ) {
        if self.stale_nonces >= MAX_STALE_NONCES {
            return;
        }
        // What makes no sense is not the server's.
        if self.authentication.take_challenge(message).is_ok() {
            self.stale_nonces += 1;
            self.transactions.supersede(now, message.transaction());
            self.request(now, ids, purpose);
        }
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

/// Why a server refuses what it was asked for.
fn failure_of(message: &Message<'_>, error: &ErrorCode) -> TurnFailure {
    match error.code {
        437 => TurnFailure::AllocationMismatch,
        code => TurnFailure::of_code(code, message.address(AttributeType::ALTERNATE_SERVER)),
    }
}

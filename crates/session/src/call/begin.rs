//! How a call begins: placed here, or by an invite that rings, or that is turned away.

use std::time::Duration;

use securecall_crypto::IdentityKey;
use securecall_signaling::{CallId, CallMachine, Content, Deadlines};
use web_time::Instant;

use super::Call;
use super::carrier::Carrier;
use super::connection::Connection;
use super::end::End;
use super::ending::FORGET;
use super::media::Media;
use super::restarts::Restarts;
use super::timer::{CANDIDATE_BATCH, Timer};
use crate::call_handle::{CallHandle, NamedCall};
use crate::config::Route;
use crate::event::{Event, Peer};
use crate::io::Io;
use crate::output::MediaCommand;
use crate::sealed::Sealed;
use crate::sealed::admission::OpenedInvite;

impl Call {
    /// Places a sealed call: asks for the peer's devices and for an offer.
    pub(crate) fn place(
        io: &mut Io<'_>,
        handle: CallHandle,
        id: CallId,
        (peer, identity): (Peer, IdentityKey),
        route: Route,
        sent_at: u64,
        lifetime: Duration,
    ) -> Self {
        let machine = CallMachine::caller(io.now, io.own.party(), lifetime);
        let sealed = Sealed::of_caller(handle, id, &peer, identity, sent_at, lifetime);
        let mut call = Self {
            name: NamedCall {
                handle,
                id: id.into(),
            },
            peer,
            route,
            machine,
            carrier: Carrier::Sealed(sealed),
            deadlines: Deadlines::new(),
            connection: Connection::new(io.now),
            media: Media::of_caller(),
            restarts: Restarts::of_caller(),
            end: End::default(),
        };
        io.event(Event::Dialing {
            call: call.name.clone(),
            peer: call.peer.clone(),
            tier: call.carrier.tier(),
        });
        // Both at once: the homeserver looks for the devices while the media engine makes the
        // offer, and whichever comes last sends the invites.
        call.carrier.begin(io);
        let tier = call.carrier.tier();
        call.order(
            io,
            MediaCommand::CreateOffer {
                tier,
                route,
                beside: None,
            },
        );
        // Now, though nobody is told before a device rings: our own servers take longer to answer than the invite needs to get
        // there.
        call.gather(io);
        call
    }

    /// Lets a sealed call ring; with `accept`, it is answered at once and message 2 brings the answer.
    pub(crate) fn ring(
        io: &mut Io<'_>,
        name: NamedCall,
        invite: OpenedInvite,
        peer: Peer,
        route: Route,
        rings_until: Instant,
        accept: bool,
    ) -> Self {
        let own = io.own.party();
        let machine = CallMachine::callee(own, invite.party.clone(), rings_until);
        let mut call = Self::of_invite(io, name, invite, peer, route, machine);
        io.event(Event::Incoming {
            call: call.name.clone(),
            peer: call.peer.clone(),
            tier: call.carrier.tier(),
            accepted: accept,
            conference: None,
        });
        if accept {
            // No `ringing`: message 2 waits for the answer, and brings it.
            call.accept(io);
        } else {
            call.carrier.say_to_all(&Content::Ringing);
        }
        call.flush(io);
        call
    }

    /// A sealed call that does not ring here: message 2 says why, and nothing else happens.
    pub(crate) fn turn_away(
        io: &mut Io<'_>,
        name: NamedCall,
        invite: OpenedInvite,
        peer: Peer,
        why: &Content,
    ) -> Self {
        let own = io.own.party();
        let machine = CallMachine::busy_callee(own, invite.party.clone(), io.now);
        // No transport is ever opened, so the route is nobody's; the strictest stands for it.
        let mut call = Self::of_invite(io, name, invite, peer, Route::Relay, machine);
        call.end.was_turned_away = true;
        call.deadlines.set(Timer::Forget, io.now + FORGET);
        call.carrier.say_to_all(why);
        call.flush(io);
        call
    }

    fn of_invite(
        io: &Io<'_>,
        name: NamedCall,
        invite: OpenedInvite,
        peer: Peer,
        route: Route,
        machine: CallMachine,
    ) -> Self {
        Self {
            media: Media::of_callee(invite.offer.clone()),
            restarts: Restarts::of_callee(invite.fingerprint),
            carrier: Carrier::Sealed(Sealed::of_callee(name.handle, &peer, invite)),
            name,
            peer,
            route,
            machine,
            deadlines: Deadlines::new(),
            connection: Connection::new(io.now),
            end: End::default(),
        }
    }

    /// The user, or the policy, accepts: only now is there a transport.
    ///
    /// Returns whether the call was waiting for that.
    pub(crate) fn accept(&mut self, io: &mut Io<'_>) -> bool {
        if self.machine.accept(io.now).is_err() {
            return false;
        }
        self.connection.accepted(io.now);
        self.deadlines
            .set(Timer::CandidateBatch, io.now + CANDIDATE_BATCH);
        for command in self.media.accept(self.carrier.tier(), self.route) {
            self.order(io, command);
        }
        self.flush(io);
        true
    }
}

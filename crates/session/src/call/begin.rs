//! How a call begins: placed here, or by an invite that rings, that is taken as a leg of our conference, or that is turned away.

use std::time::Duration;

use securecall_crypto::IdentityKey;
use securecall_signaling::{CallId, CallMachine, Content, Deadlines};
use web_time::Instant;

use super::Call;
use super::carrier::Carrier;
use super::connection::Connection;
use super::end::End;
use super::ending::FORGET;
use super::leg::{LegOrder, LegSide, Shares};
use super::media::Media;
use super::restarts::Restarts;
use super::timer::{CANDIDATE_BATCH, Timer};
use crate::call_handle::{CallHandle, NamedCall};
use crate::config::Route;
use crate::event::{Event, Peer};
use crate::group::IncomingConference;
use crate::io::Io;
use crate::output::MediaCommand;
use crate::sealed::admission::OpenedInvite;
use crate::sealed::{CallerHalf, Sealed};

/// A sealed call that is to be placed.
pub(crate) struct Dial {
    pub(crate) handle: CallHandle,
    pub(crate) id: CallId,
    pub(crate) peer: Peer,
    pub(crate) identity: IdentityKey,
    pub(crate) route: Route,
    /// The route that the user has asked for.
    pub(crate) asked: Option<Route>,
    /// By our clock, in milliseconds since the Unix epoch.
    pub(crate) sent_at: u64,
    pub(crate) lifetime: Duration,
    /// If it is a leg of a conference.
    pub(crate) leg: Option<LegOrder>,
}

impl Dial {
    /// What the call is going to be told of by.
    pub(crate) fn name(&self) -> NamedCall {
        NamedCall {
            handle: self.handle,
            id: self.id.into(),
        }
    }
}

/// An invite that passed every rule.
pub(crate) struct Invited {
    pub(crate) name: NamedCall,
    pub(crate) invite: OpenedInvite,
    pub(crate) peer: Peer,
    pub(crate) route: Route,
    pub(crate) rings_until: Instant,
}

/// What becomes of an invite.
pub(crate) enum Reception {
    /// The user is asked, or has decided already.
    Rings {
        accept: bool,
        conference: Option<IncomingConference>,
    },
    /// It is taken without a word to the user, who is in the conference already.
    Leg(Shares),
}

impl Call {
    /// Places a sealed call: asks for the peer's devices and for an offer.
    pub(crate) fn place(io: &mut Io<'_>, dial: Dial) -> Self {
        let Dial {
            handle,
            id,
            peer,
            identity,
            route,
            asked,
            sent_at,
            lifetime,
            leg,
        } = dial;
        let (conference, shares) = match leg {
            Some(LegOrder { invite, shares }) => (Some(invite), shares),
            None => (None, Shares::default()),
        };
        let machine = CallMachine::caller(io.now, io.own.party(), lifetime);
        let half = CallerHalf::new(sent_at, lifetime, conference);
        let sealed = Sealed::of_caller(handle, id, &peer, identity, half);
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
            leg: LegSide::default(),
            asked,
            beside: shares.beside,
        };
        io.event(Event::Dialing {
            call: call.name.clone(),
            peer: call.peer.clone(),
            tier: call.carrier.tier(),
        });
        // Both at once: the homeserver looks for the devices while the media engine makes the
        // offer, and whichever comes last sends the invites.
        call.carrier.begin(io);
        let (tier, beside) = (call.carrier.tier(), shares.beside);
        call.order(
            io,
            MediaCommand::CreateOffer {
                tier,
                route,
                beside,
            },
        );
        if shares.muted {
            call.begin_muted(io);
        }
        // Now, though nobody is told before a device rings: our own servers take longer to answer than the invite needs to get
        // there.
        call.gather(io);
        call
    }

    /// Takes in a sealed call. One that is accepted is answered at once, and message 2 brings the answer.
    pub(crate) fn receive(io: &mut Io<'_>, invited: Invited, reception: Reception) -> Self {
        let Invited {
            name,
            invite,
            peer,
            route,
            rings_until,
        } = invited;
        let own = io.own.party();
        let machine = CallMachine::callee(own, invite.party.clone(), rings_until);
        let mut call = Self::of_invite(io, name, invite, peer, route, machine);
        let accept = match reception {
            Reception::Rings { accept, conference } => {
                io.event(Event::Incoming {
                    call: call.name.clone(),
                    peer: call.peer.clone(),
                    tier: call.carrier.tier(),
                    accepted: accept,
                    conference,
                });
                accept
            }
            Reception::Leg(shares) => {
                call.media.set_muted(shares.muted);
                call.beside = shares.beside;
                true
            }
        };
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
            leg: LegSide::default(),
            asked: None,
            beside: None,
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
        let tier = self.carrier.tier();
        for command in self.media.accept(tier, self.route, self.beside) {
            self.order(io, command);
        }
        self.flush(io);
        true
    }
}

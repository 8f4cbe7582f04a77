//! How a call in a room begins, in its timeline or as a leg of a group call.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_signaling::{CallMachine, Deadlines, PartyId, Role, WireCallId};
use web_time::Instant;

use super::Call;
use super::carrier::Carrier;
use super::connection::Connection;
use super::end::End;
use super::leg::{LegSide, Shares};
use super::media::Media;
use super::restarts::Restarts;
use super::timer::Timer;
use crate::call_handle::NamedCall;
use crate::config::Route;
use crate::event::{Event, Peer};
use crate::io::Io;
use crate::output::MediaCommand;
use crate::room::invite::RoomInvited;
use crate::room::{LINGER, Room, Way, new_party};

/// How long a call is on its way before the caller hears that nothing says whether it rings.
const NO_SIGN: Duration = Duration::from_secs(8);

/// How long a leg waits to be taken: nobody has to answer it, but the other's server may be slow.
const LEG_LIFETIME: Duration = Duration::from_secs(30);

/// An ID for a call in a room, in the grammar of VoIP IDs.
pub(crate) fn new_call_id(rng: &mut dyn CryptoRng) -> WireCallId {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    securecall_signaling::CallId::from_random(bytes).into()
}

/// A call that the user has placed, before it has a room.
pub(crate) struct Placing {
    pub(crate) call: NamedCall,
    pub(crate) peer: Peer,
    pub(crate) route: Route,
    pub(crate) lifetime: Duration,
    pub(crate) muted: bool,
    pub(crate) dialed_at: Instant,
}

/// A leg of a group call in a room that begins, whoever calls.
pub(crate) struct RoomLeg {
    pub(crate) call: NamedCall,
    pub(crate) peer: Peer,
    pub(crate) route: Route,
    /// To the one device.
    pub(crate) way: Way,
    pub(crate) shares: Shares,
}

impl Call {
    /// Places a call in a room: asks for an offer, with which the invite goes. That it is on its way was told when the room was
    /// looked for.
    pub(crate) fn place_in_room(io: &mut Io<'_>, placing: Placing, room: RoomId) -> Self {
        let Placing {
            call,
            peer,
            route,
            lifetime,
            muted,
            dialed_at,
        } = placing;
        let party = new_party(io.rng);
        let way = Way::Timeline {
            room: room.clone(),
            transactions: party.to_string(),
        };
        let shares = Shares {
            beside: None,
            muted,
        };
        let leg = RoomLeg {
            call,
            peer,
            route,
            way,
            shares,
        };
        let mut call = Self::of_room_caller(io, leg, party, room, lifetime);
        call.connection = Connection::to_quiet_peer(dialed_at);
        call.deadlines.set(Timer::NoSign, io.now + NO_SIGN);
        call.ask_for_offer(io, shares);
        call
    }

    /// Places a leg of a group call in a room.
    pub(crate) fn place_leg_in_room(io: &mut Io<'_>, leg: RoomLeg, room: RoomId) -> Self {
        let party = new_party(io.rng);
        let shares = leg.shares;
        let mut call = Self::of_room_caller(io, leg, party, room, LEG_LIFETIME);
        io.event(Event::Dialing {
            call: call.name.clone(),
            peer: call.peer.clone(),
            tier: call.carrier.tier(),
        });
        call.ask_for_offer(io, shares);
        call
    }

    /// Takes a leg of a group call in a room: it does not ring.
    pub(crate) fn take_leg_in_room(io: &mut Io<'_>, leg: RoomLeg, invite: RoomInvited) -> Self {
        let RoomLeg {
            call: name,
            peer,
            route,
            way,
            shares,
        } = leg;
        let party = new_party(io.rng);
        let rings_until = io.now + LEG_LIFETIME;
        let machine = CallMachine::callee(party.clone(), invite.party.clone(), rings_until);
        let carrier = Room::of_callee(name.handle, &invite, way, party);
        let mut call = Self::of_room_invite(io, name, invite, peer, route, machine, carrier);
        call.beside = shares.beside;
        call.media.set_muted(shares.muted);
        call.carrier.set_muted(shares.muted);
        call.accept(io);
        call.hear(io);
        call.flush(io);
        call
    }

    fn of_room_caller(
        io: &Io<'_>,
        leg: RoomLeg,
        party: PartyId,
        room: RoomId,
        lifetime: Duration,
    ) -> Self {
        let RoomLeg {
            call: name,
            peer,
            route,
            way,
            shares,
        } = leg;
        let machine = CallMachine::caller(io.now, party.clone(), lifetime);
        let (handle, id, account) = (name.handle, name.id.clone(), peer.matrix_id.clone());
        let carrier = Room::of_caller(handle, id, (room, way), account, party, lifetime);
        let restarts = Restarts::of_either(false, None);
        let media = Media::of_caller();
        let mut call = Self::in_room(io, name, peer, route, machine, carrier, media, restarts);
        call.beside = shares.beside;
        call
    }

    fn ask_for_offer(&mut self, io: &mut Io<'_>, shares: Shares) {
        let (tier, route) = (self.carrier.tier(), self.route);
        let command = MediaCommand::CreateOffer {
            tier,
            route,
            beside: shares.beside,
        };
        self.order(io, command);
        if shares.muted {
            self.begin_muted(io);
        }
        self.gather(io);
    }

    /// Lets a call in a room ring; with `accept`, it is answered at once.
    pub(crate) fn ring_in_room(
        io: &mut Io<'_>,
        name: NamedCall,
        invite: RoomInvited,
        peer: Peer,
        route: Route,
        rings_until: Instant,
        accept: bool,
    ) -> Self {
        let party = new_party(io.rng);
        let machine = CallMachine::callee(party.clone(), invite.party.clone(), rings_until);
        let way = timeline(&invite, &party);
        let carrier = Room::of_callee(name.handle, &invite, way, party);
        let mut call = Self::of_room_invite(io, name, invite, peer, route, machine, carrier);
        io.event(Event::Incoming {
            call: call.name.clone(),
            peer: call.peer.clone(),
            tier: call.carrier.tier(),
            accepted: accept,
            conference: None,
        });
        if accept {
            call.accept(io);
        }
        call.hear(io);
        call.flush(io);
        call
    }

    /// A call in a room while this device is in another one.
    pub(crate) fn turn_away_in_room(
        io: &mut Io<'_>,
        name: NamedCall,
        invite: RoomInvited,
        peer: Peer,
    ) -> Self {
        let party = new_party(io.rng);
        let machine = CallMachine::busy_callee(party.clone(), invite.party.clone(), io.now);
        let way = timeline(&invite, &party);
        let mut carrier = Room::of_callee(name.handle, &invite, way, party);
        carrier.turn_away(io.now);
        // No transport is ever opened, so the route is nobody's; the strictest stands for it.
        let route = Route::Relay;
        let mut call = Self::of_room_invite(io, name, invite, peer, route, machine, carrier);
        call.end.was_turned_away = true;
        call.deadlines.set(Timer::Forget, io.now + LINGER);
        call.flush(io);
        call
    }

    fn of_room_invite(
        io: &Io<'_>,
        name: NamedCall,
        invite: RoomInvited,
        peer: Peer,
        route: Route,
        machine: CallMachine,
        carrier: Room,
    ) -> Self {
        // The callee is polite: it drops its own offer where two cross.
        let polite = machine.role() == Role::Callee;
        let restarts = Restarts::of_either(polite, Some(invite.fingerprint));
        let media = Media::of_callee(invite.offer);
        Self::in_room(io, name, peer, route, machine, carrier, media, restarts)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all that a call is made of; both ends of a call hand it in at once"
    )]
    fn in_room(
        io: &Io<'_>,
        name: NamedCall,
        peer: Peer,
        route: Route,
        machine: CallMachine,
        carrier: Room,
        media: Media,
        restarts: Restarts,
    ) -> Self {
        Self {
            name,
            peer,
            route,
            machine,
            carrier: Carrier::Room(carrier),
            deadlines: Deadlines::new(),
            connection: Connection::to_quiet_peer(io.now),
            media,
            restarts,
            end: End::default(),
            leg: LegSide::default(),
            asked: None,
            beside: None,
        }
    }
}

fn timeline(invite: &RoomInvited, own_party: &PartyId) -> Way {
    Way::Timeline {
        room: invite.room.clone(),
        transactions: own_party.to_string(),
    }
}

//! How a call in a room begins.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_signaling::{CallMachine, Deadlines, Role, WireCallId};
use web_time::Instant;

use super::Call;
use super::carrier::Carrier;
use super::connection::Connection;
use super::end::End;
use super::leg::LegSide;
use super::media::Media;
use super::restarts::Restarts;
use super::timer::Timer;
use crate::call_handle::NamedCall;
use crate::config::Route;
use crate::event::{Event, Peer};
use crate::io::Io;
use crate::output::MediaCommand;
use crate::room::invite::RoomInvited;
use crate::room::{LINGER, Room, new_party};

/// How long a call is on its way before the caller hears that nothing says whether it rings.
const NO_SIGN: Duration = Duration::from_secs(8);

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

impl Call {
    /// Places a call in a room: asks for an offer, with which the invite goes. That it is on its way was told when the room was
    /// looked for.
    pub(crate) fn place_in_room(io: &mut Io<'_>, placing: Placing, room: RoomId) -> Self {
        let Placing {
            call: name,
            peer,
            route,
            lifetime,
            muted,
            dialed_at,
        } = placing;
        let party = new_party(io.rng);
        let machine = CallMachine::caller(io.now, party.clone(), lifetime);
        let (handle, id) = (name.handle, name.id.clone());
        let carrier = Room::of_caller(handle, id, room, peer.matrix_id.clone(), party, lifetime);
        let restarts = Restarts::of_either(false, None);
        let media = Media::of_caller();
        let mut call = Self::in_room(io, name, peer, route, machine, carrier, media, restarts);
        call.connection = Connection::to_quiet_peer(dialed_at);
        call.deadlines.set(Timer::NoSign, io.now + NO_SIGN);
        let tier = call.carrier.tier();
        call.order(
            io,
            MediaCommand::CreateOffer {
                tier,
                route,
                beside: None,
            },
        );
        if muted {
            call.begin_muted(io);
        }
        call.gather(io);
        call
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
        let carrier = Room::of_callee(name.handle, &invite, party);
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
        let mut carrier = Room::of_callee(name.handle, &invite, party);
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

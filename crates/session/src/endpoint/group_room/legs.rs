//! The legs of the group call of a room: placed by us, or taken as they come.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_signaling::WireCallId;
use securecall_signaling::group_room::LegId;
use securecall_signaling::wire::room::{RoomContent, RoomInvite, RoomSignal};
use web_time::Instant;

use super::Told;
use crate::call::{Call, RoomLeg, new_call_id};
use crate::call_handle::NamedCall;
use crate::command::CallError;
use crate::config::Route;
use crate::endpoint::Endpoint;
use crate::endpoint::route::choose_route;
use crate::event::Peer;
use crate::group::{ConferenceEvent, LeftReason};
use crate::room::invite::RoomInvited;
use crate::room::{Speaker, Way};
use crate::signal_refused::SignalRefused;
use crate::tier::Tier;

impl Endpoint {
    pub(super) fn place_room_leg(&mut self, now: Instant, rng: &mut dyn CryptoRng, leg: LegId) {
        let call_id = new_call_id(rng);
        let Some((leg_of_room, room)) = self.room_leg(leg, call_id.clone()) else {
            return self.room_leg_failed(now, leg, None);
        };
        if let Some(group) = self.group_room(&room) {
            group.leg_placed(leg, call_id);
        }
        self.begin_call(now, rng, |io| {
            Call::place_leg_in_room(io, leg_of_room, room)
        });
    }

    /// A device says something of a 1:1 call; an invite begins one.
    pub(super) fn hear_device(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        leg: LegId,
        signal: RoomSignal,
    ) {
        let call = self.other_device(leg).and_then(|it| it.call.clone());
        let current = call.filter(|it| it.id == signal.call_id);
        let heard = match (current, &signal.content) {
            (Some(call), _) => {
                let handled = self.with_call(now, rng, call.handle, |it, io| {
                    it.handle_room_signal(io, Speaker::Peer, signal, Duration::ZERO)
                });
                handled.unwrap_or(Err(SignalRefused::UnknownCall))
            }
            (None, RoomContent::Invite(invite)) => {
                let invite = invite.clone();
                let taken = self.take_room_leg(now, rng, leg, &signal, invite);
                if taken.is_err() {
                    self.room_leg_failed(now, leg, Some(&signal));
                }
                taken
            }
            (None, _) => Err(SignalRefused::UnknownCall),
        };
        if let Err(refused) = heard {
            tracing::info!(%refused, "refused an event of a group call in a room");
        }
    }

    fn take_room_leg(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        leg: LegId,
        signal: &RoomSignal,
        invite: RoomInvite,
    ) -> Result<(), SignalRefused> {
        let own = &self.own.matrix_id;
        if invite.invitee.as_ref().is_some_and(|it| it != own) {
            return Err(SignalRefused::ForSomebodyElse);
        }
        let device = self.other_device(leg).ok_or(SignalRefused::UnknownDevice)?;
        let user = device.participant.user.clone();
        let room = self.room_call.as_ref().map(|it| it.room.clone());
        let room = room.ok_or(SignalRefused::UnknownConference)?;
        let invite = RoomInvited::of(&room, &user, signal, invite)?;
        let begun = self.room_leg(leg, signal.call_id.clone());
        let (leg_of_room, _) = begun.ok_or(SignalRefused::UnknownDevice)?;
        self.begin_call(now, rng, |io| {
            Call::take_leg_in_room(io, leg_of_room, invite)
        });
        Ok(())
    }

    /// A leg that begins, and is told of. `None`: our rules do not let it.
    fn room_leg(&mut self, leg: LegId, call_id: WireCallId) -> Option<(RoomLeg, RoomId)> {
        let participant = self.other_device(leg)?.participant.clone();
        let peer = self.peer_with_device(&participant);
        let route = match self.room_leg_route(&peer) {
            Ok(route) => route,
            Err(why) => {
                self.refuse_device(leg, peer, why);
                return None;
            }
        };
        let shares = self.shares();
        let room_call = self.room_call.as_mut()?;
        let (room, in_clear) = (room_call.room.clone(), room_call.in_clear);
        let known = self.group_rooms.get(&room)?;
        let envelope = Box::new(known.group.envelope(leg)?);
        let call = NamedCall {
            handle: self.handles.issue(),
            id: call_id,
        };
        let conference = self.conference.as_mut()?;
        conference.legs.calls.insert(call.handle);
        let device = room_call.devices.get_mut(&leg)?;
        device.call = Some(call.clone());
        device.called_by = None;
        device.is_ending = false;
        device.told = Told::Leg;
        self.tell_conference(ConferenceEvent::Leg {
            call: call.clone(),
            peer: peer.clone(),
        });
        let way = Way::Device { envelope, in_clear };
        let leg = RoomLeg {
            call,
            peer,
            route,
            way,
            shares,
        };
        Some((leg, room))
    }

    /// The route of a leg, if all rules about whom we call allow one.
    fn room_leg_route(&self, peer: &Peer) -> Result<Route, LeftReason> {
        let decision = self.contacts.decision(None, &peer.matrix_id);
        if decision.blocked {
            return Err(LeftReason::Blocked);
        }
        if !decision.require.is_met_by(Tier::Matrix) {
            return Err(LeftReason::NotAllowed);
        }
        let asked = self.legs().and_then(|it| it.options.route);
        let route = choose_route(asked, peer.name.is_some(), self.config.relays);
        route.map_err(|_: CallError| LeftReason::NotAllowed)
    }

    /// The user is told once.
    fn refuse_device(&mut self, leg: LegId, peer: Peer, why: LeftReason) {
        let Some(device) = self.other_device(leg) else {
            return;
        };
        device.called_by = None;
        if std::mem::replace(&mut device.told, Told::Refused) != Told::Refused {
            self.tell_conference(ConferenceEvent::Left { peer, why });
        }
    }

    /// No 1:1 call came about.
    fn room_leg_failed(&mut self, now: Instant, leg: LegId, signal: Option<&RoomSignal>) {
        let room = self.room_call.as_ref().map(|it| it.room.clone());
        if let Some(group) = room.and_then(|room| self.group_room(&room)) {
            group.leg_ended(now, leg, signal.map(|it| &it.call_id));
        }
    }
}

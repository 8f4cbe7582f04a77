//! What a group call of a room wants is done.

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_signaling::group_room::{GroupRoomOutput, LegId, Participant, WhyOut};
use securecall_signaling::{CallEnd, HangupReason};
use std::time::Duration;
use web_time::Instant;

use super::{LINGER, OtherDevice, Told};
use crate::call::LegNews;
use crate::call_handle::CallHandle;
use crate::endpoint::Endpoint;
use crate::group::{ConferenceEvent, LeftReason};
use crate::output::{Output, Request};
use crate::requests::Waiting;

/// How long a device that is to call us may take before it counts as out of reach.
const CALLED_WITHIN: Duration = Duration::from_secs(20);

impl Endpoint {
    /// The next thing that a group call of a room wants. Rooms of which nothing more is to be done are forgotten after a while.
    pub(in crate::endpoint) fn poll_group_room(
        &mut self,
        now: Instant,
    ) -> Option<(RoomId, GroupRoomOutput)> {
        let current = self.room_call.as_ref().map(|it| &it.room);
        for (room, known) in &mut self.group_rooms {
            if let Some(output) = known.group.poll_output() {
                return Some((room.clone(), output));
            }
            if Some(room) == current || !known.is_idle() {
                known.forget_at = None;
            } else {
                known.forget_at.get_or_insert(now + LINGER);
            }
        }
        self.group_rooms
            .retain(|_, known| known.forget_at.is_none_or(|at| at > now));
        None
    }

    pub(in crate::endpoint) fn handle_group_room_timeout(&mut self, now: Instant) {
        for known in self.group_rooms.values_mut() {
            if known.group.poll_timeout().is_some_and(|at| at <= now) {
                known.group.handle_timeout(now);
            }
        }
        let Some(call) = &mut self.room_call else {
            return;
        };
        let start = call.starting.as_ref().and_then(|it| it.again);
        let mut late = Vec::new();
        for (leg, device) in &mut call.devices {
            if device.called_by.take_if(|at| *at <= now).is_some() {
                late.push(*leg);
            }
        }
        for leg in late {
            self.tell_no_path(leg);
        }
        if start.is_some_and(|at| at <= now) {
            self.start_group_call();
        }
    }

    /// Contacts that are known since a call was joined are to have sealed calls as well.
    pub(in crate::endpoint) fn tell_group_rooms_of_contacts(&mut self, now: Instant) {
        if std::mem::take(&mut self.new_contacts) {
            for known in self.group_rooms.values_mut() {
                for user in self.contacts.accounts_with_key() {
                    known.group.handle_contact(now, user.clone());
                }
            }
        }
    }

    pub(in crate::endpoint) fn carry_out_in_room(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        room: &RoomId,
        output: GroupRoomOutput,
    ) {
        match output {
            GroupRoomOutput::Request { id, request } => {
                let room = room.clone();
                let waiting = Waiting::Membership {
                    room: room.clone(),
                    id,
                };
                let id = self.requests.add(waiting);
                let request = Request::OwnMembership { id, room, request };
                self.outputs.push_back(Output::Request(request));
            }
            GroupRoomOutput::CallChanged(counting) => {
                self.another_call_counts(room, counting.as_ref());
            }
            GroupRoomOutput::Joined { leg, participant } => {
                self.device_is_in(now, leg, participant);
            }
            GroupRoomOutput::Left { leg } => self.device_left(leg),
            GroupRoomOutput::Sealed { user } => self.sealed_is_in(user),
            GroupRoomOutput::SealedLeft { user } => self.sealed_left(now, &user),
            GroupRoomOutput::PlaceCall { leg } => self.place_room_leg(now, rng, leg),
            GroupRoomOutput::Signal { leg, signal } => self.hear_device(now, rng, leg, signal),
            GroupRoomOutput::EndCall { leg, why: _ } => self.end_room_leg(now, rng, leg),
            GroupRoomOutput::GaveUp { leg } => self.tell_no_path(leg),
            // For the user it is the same call.
            GroupRoomOutput::Out(WhyOut::Left) if self.is_moving() => {}
            GroupRoomOutput::Out(why) => self.out_of_group_room(now, rng, why),
        }
    }

    fn device_is_in(&mut self, now: Instant, leg: LegId, participant: Participant) {
        if let Some(call) = &mut self.room_call {
            let device = OtherDevice {
                participant,
                call: None,
                told: Told::Nothing,
                called_by: Some(now + CALLED_WITHIN),
                is_ending: false,
            };
            call.devices.insert(leg, device);
        }
    }

    fn device_left(&mut self, leg: LegId) {
        let call = self.room_call.as_mut();
        let Some(device) = call.and_then(|it| it.devices.remove(&leg)) else {
            return;
        };
        if !matches!(device.told, Told::Nothing | Told::Refused) {
            let peer = self.peer_with_device(&device.participant);
            let why = LeftReason::HungUp;
            self.tell_conference(ConferenceEvent::Left { peer, why });
        }
    }

    fn end_room_leg(&mut self, now: Instant, rng: &mut dyn CryptoRng, leg: LegId) {
        let Some(device) = self.other_device(leg) else {
            return;
        };
        device.is_ending = true;
        if let Some(call) = device.call.clone() {
            self.with_call(now, rng, call.handle, |it, io| {
                it.end_leg(io, HangupReason::UserHangup);
            });
        }
    }

    /// What a leg of the call of a room tells. Returns whether it is one.
    pub(in crate::endpoint) fn hear_room_leg(
        &mut self,
        now: Instant,
        call: CallHandle,
        news: &LegNews,
    ) -> bool {
        let Some(room_call) = &mut self.room_call else {
            return false;
        };
        let is_it = |it: &OtherDevice| it.call.as_ref().is_some_and(|it| it.handle == call);
        let found = room_call.devices.iter_mut().find(|(_, it)| is_it(it));
        let (Some((leg, device)), Some(conference)) = (found, &mut self.conference) else {
            return false;
        };
        let known = self.group_rooms.get_mut(&room_call.room);
        let (leg, group) = (*leg, known.map(|it| &mut it.group));
        match news {
            LegNews::Connected => {
                conference.legs.connected_at.get_or_insert(now);
                if let Some(group) = group {
                    group.leg_connected(now, leg);
                }
                self.tell_joined_in_room(leg);
            }
            LegNews::Ended { end, .. } => {
                conference.legs.calls.remove(&call);
                let name = device.call.take();
                if let (Some(group), Some(name)) = (group, name) {
                    group.leg_ended(now, leg, Some(&name.id));
                }
                if device.is_ending {
                    return true;
                }
                // Who has another call for us places it now.
                if matches!(end, CallEnd::PeerHungUp(HangupReason::UserHangup)) {
                    device.called_by = Some(now + CALLED_WITHIN);
                } else {
                    self.tell_no_path(leg);
                }
            }
            LegNews::Silent { .. } | LegNews::Heard | LegNews::Roster(_) => {}
        }
        true
    }

    fn tell_joined_in_room(&mut self, leg: LegId) {
        let Some(device) = self.other_device(leg) else {
            return;
        };
        device.told = Told::In;
        let (call, participant) = (device.call.clone(), device.participant.clone());
        if let Some(call) = call {
            let peer = self.peer_with_device(&participant);
            self.tell_conference(ConferenceEvent::Joined {
                call,
                peer,
                brought_by: None,
            });
        }
    }

    /// A device is in, and no leg with it works.
    fn tell_no_path(&mut self, leg: LegId) {
        let Some(device) = self.other_device(leg) else {
            return;
        };
        if device.call.is_some() || matches!(device.told, Told::NoPath | Told::Refused) {
            return;
        }
        device.told = Told::NoPath;
        let participant = device.participant.clone();
        let peer = self.peer_with_device(&participant);
        self.tell_conference(ConferenceEvent::NoPath { peer });
    }

    fn is_moving(&self) -> bool {
        self.room_call.as_ref().is_some_and(|it| it.is_moving)
    }

    pub(super) fn other_device(&mut self, leg: LegId) -> Option<&mut OtherDevice> {
        self.room_call.as_mut()?.devices.get_mut(&leg)
    }
}

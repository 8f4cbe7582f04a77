//! How the group call of a room is joined, begun and left.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_signaling::ConferenceId;
use securecall_signaling::group_room::{Clocks, Failure, GroupRoom, Own, Secrecy, WhyOut};
use securecall_signaling::wire::group_room::{GroupCallId, Intent, OpenCall, SessionId};
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::last_read::LastRead;
use super::{KnownRoom, RoomCall, Starting};
use crate::EndReason;
use crate::call::Call;
use crate::command::CallError;
use crate::endpoint::Endpoint;
use crate::endpoint::conference::Conference;
use crate::endpoint::route::choose_route;
use crate::group::{ConferenceEvent, NamedConference, RoomKeeps};
use crate::group_room::{GroupRoomError, GroupRoomOrder, GroupRoomState};
use crate::output::{Output, Request};
use crate::requests::Waiting;
use crate::tier::Tier;

/// A call of ours: whoever is in the room may join, and nothing rings.
const OURS: OpenCall = OpenCall::of_voices(Intent::Prompt);
/// How often the homeserver is asked to let a call begin, and how long after a failure.
const START_TRIES: u32 = 4;
const START_AGAIN: Duration = Duration::from_secs(2);
/// What else is hashed is not taken for the name of a call.
const CONFERENCE_LABEL: &str = "securecall v1 call of a room";
const LONGEST_START_PAUSE: Duration = Duration::from_secs(30);

impl Endpoint {
    /// Joins the group call of a room; if there is none, one begins. Whoever else is in is called, or calls us, without ringing.
    ///
    /// # Errors
    /// [`GroupRoomError`]; nothing was written to the room then.
    pub fn join_group_room(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut impl CryptoRng,
        order: GroupRoomOrder,
    ) -> Result<NamedConference, GroupRoomError> {
        self.tell_wallclock(now, wallclock_ms);
        let GroupRoomOrder {
            room,
            in_clear,
            muted,
            options,
            state,
        } = order;
        if self.is_occupied() {
            return Err(CallError::InAnotherCall.into());
        }
        if !options.require.is_met_by(Tier::Matrix) {
            return Err(CallError::TierTooLow.into());
        }
        // Whoever is in may be a stranger.
        choose_route(options.route, false, self.config.relays)?;
        let mut group = self.known_group_room(now, rng, &room, &state);
        let counting = group.counting().map(|(id, call)| (id.clone(), call));
        if counting.as_ref().is_some_and(|(_, it)| it.has_media_server) {
            return Err(GroupRoomError::MediaServer);
        }
        let starts = counting.is_none();
        let (call_id, call) = counting.unwrap_or_else(|| {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            (GroupCallId::from_random(bytes), OURS)
        });
        let name = NamedConference {
            handle: self.conference_handles.issue(),
            id: conference_id(&room, &call_id),
        };
        let mut conference = Conference::of_room(name, self.own_id(), options);
        // Where one speaks at a time, whoever joins is silent.
        let is_muted = muted || call.is_push_to_talk;
        conference.legs.muted = is_muted;
        if !starts {
            // All that could refuse it was looked at.
            let joined = group.join(now, &call_id, secrecy(in_clear));
            debug_assert_eq!(joined, Ok(()));
        }
        self.conference = Some(conference);
        self.room_call = Some(RoomCall {
            room: room.clone(),
            in_clear,
            starting: starts.then_some(Starting {
                call_id,
                failures: 0,
                again: None,
            }),
            began: None,
            is_moving: false,
            devices: Default::default(),
            sealed: Default::default(),
            sealed_changed: false,
            shown_keys: Default::default(),
            spoke_in_clear: Default::default(),
        });
        let known = KnownRoom {
            group,
            read: LastRead::new(now, &state),
            forget_at: None,
        };
        self.group_rooms.insert(room.clone(), known);
        self.tell_conference(ConferenceEvent::Keeps(RoomKeeps {
            room,
            is_encrypted: state.is_encrypted,
            is_public: state.is_public,
            people: state.people,
            starts,
            in_clear,
        }));
        self.tell_conference(ConferenceEvent::Began { call: None });
        if is_muted {
            self.tell_conference(ConferenceEvent::Muted { muted: true });
        }
        self.start_group_call();
        self.settle(now, rng);
        Ok(name)
    }

    /// A room, with all that stands in it. It may be one that we are just leaving.
    fn known_group_room(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        room: &RoomId,
        state: &GroupRoomState,
    ) -> GroupRoom {
        let clocks = self.clocks(now, state);
        let known = self.group_rooms.remove(room).map(|it| it.group);
        let mut group = known.unwrap_or_else(|| {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            let own = Own {
                user: self.own.matrix_id.clone(),
                device_id: self.own.device.device_id.clone(),
                session_id: SessionId::from_random(bytes),
            };
            GroupRoom::new(now, clocks, own)
        });
        for user in self.contacts.accounts_with_key() {
            group.handle_contact(now, user.clone());
        }
        super::inputs::take_state(&mut group, now, clocks, state);
        group
    }

    pub(super) fn clocks(&self, now: Instant, state: &GroupRoomState) -> Clocks {
        Clocks {
            wallclock_ms: self.wallclock(now),
            homeserver_ms: state.homeserver_ms,
        }
    }

    /// Has the homeserver let our call begin, if it is one that has not.
    pub(super) fn start_group_call(&mut self) {
        let Some(call) = &mut self.room_call else {
            return;
        };
        let room = call.room.clone();
        if let Some(starting) = &mut call.starting {
            starting.again = None;
            let call_id = starting.call_id.clone();
            self.write_group_call(room, &call_id, OURS.to_content().to_string());
        }
    }

    fn write_group_call(&mut self, room: RoomId, call_id: &GroupCallId, content: String) {
        let waiting = Waiting::GroupCall(room.clone(), call_id.clone());
        let id = self.requests.add(waiting);
        let request = Request::WriteGroupCall {
            id,
            room,
            call_id: call_id.as_str().to_owned(),
            content,
        };
        self.outputs.push_back(Output::Request(request));
    }

    /// The homeserver's word on the state event of a call of ours.
    pub(super) fn group_call_written(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        (room, call_id): (RoomId, GroupCallId),
        result: Result<(), Failure>,
    ) {
        let call = self.room_call.as_mut().filter(|it| it.room == room);
        let is_it = |it: &Starting| it.call_id == call_id;
        let starting = call.and_then(|it| it.starting.as_mut().filter(|it| is_it(it)));
        let Some(starting) = starting else {
            // We have left while it was on its way: nobody is to find a call in which nobody was.
            if result.is_ok() && !self.is_in_group_call(&room) {
                self.terminate_group_call(room, &call_id);
            }
            return;
        };
        match result {
            Ok(()) => self.group_call_began(now, rng, &room, &call_id),
            Err(Failure::Later(wait)) if starting.failures < START_TRIES => {
                starting.failures += 1;
                starting.again = Some(now + wait.clamp(START_AGAIN, LONGEST_START_PAUSE));
            }
            Err(_) => self.out_of_group_room(now, rng, WhyOut::NotAllowed),
        }
    }

    /// It is in the room. Somebody else may have begun another at the same time: all join the same.
    fn group_call_began(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        room: &RoomId,
        call_id: &GroupCallId,
    ) {
        let sent_ms = self.wallclock(now);
        let known = self.group_rooms.get_mut(room);
        let (Some(KnownRoom { group, .. }), Some(call)) = (known, &mut self.room_call) else {
            return;
        };
        call.starting = None;
        // It may have come with the sync, which says when it was sent; or it will.
        if !group.is_open(call_id) {
            let content = OURS.to_content().to_string();
            let begun = group.handle_call_event(now, call_id.clone(), sent_ms, content.as_bytes());
            debug_assert_eq!(begun, Ok(()));
        }
        let counting = group.counting().map(|(id, _)| id.clone());
        let counting = counting.unwrap_or_else(|| call_id.clone());
        let is_ours = counting == *call_id;
        call.began = is_ours.then(|| call_id.clone());
        if let Some(conference) = &mut self.conference {
            conference.is_of_call(room, &counting);
        }
        if let Err(refused) = group.join(now, &counting, secrecy(call.in_clear)) {
            tracing::info!(%refused, "the call that counts is not joined");
            self.out_of_group_room(now, rng, WhyOut::NotAllowed);
        }
        if !is_ours {
            self.terminate_group_call(room.clone(), call_id);
        }
    }

    /// Two have let a call begin at once, and the other one counts: whoever is still alone in theirs goes there. Once: nobody is led from call to
    /// call.
    pub(super) fn another_call_counts(&mut self, room: &RoomId, counting: Option<&GroupCallId>) {
        let call = self.room_call.as_mut().filter(|it| it.room == *room);
        let Some(call) = call.filter(|it| it.devices.is_empty() && it.sealed.is_empty()) else {
            return;
        };
        let began = call
            .began
            .take_if(|it| counting.is_some_and(|counting| counting != it));
        if let Some(began) = began {
            call.is_moving = true;
            if let Some(group) = self.group_room(room) {
                group.leave();
            }
            self.terminate_group_call(room.clone(), &began);
        }
    }

    /// Our entry is gone from the call that began here: now we are in the one that counts. Returns whether something was done.
    pub(in crate::endpoint) fn has_moved(&mut self, now: Instant, rng: &mut dyn CryptoRng) -> bool {
        let Some(call) = self.room_call.as_mut().filter(|it| it.is_moving) else {
            return false;
        };
        let known = self.group_rooms.get_mut(&call.room);
        let Some(known) = known.filter(|it| it.is_idle()) else {
            return false;
        };
        call.is_moving = false;
        let counting = known.group.counting().map(|(id, _)| id.clone());
        let secrecy = secrecy(call.in_clear);
        let joined = counting.is_some_and(|id| {
            if let Some(conference) = &mut self.conference {
                conference.is_of_call(&call.room, &id);
            }
            known.group.join(now, &id, secrecy).is_ok()
        });
        if !joined {
            self.out_of_group_room(now, rng, WhyOut::Terminated);
        }
        true
    }

    fn terminate_group_call(&mut self, room: RoomId, call_id: &GroupCallId) {
        self.terminate(room, call_id, OURS);
    }

    fn terminate(&mut self, room: RoomId, call_id: &GroupCallId, call: OpenCall) {
        let content = call.to_terminated_content().to_string();
        let request = Request::WriteGroupCall {
            id: self.requests.add(Waiting::Acknowledgement),
            room,
            call_id: call_id.as_str().to_owned(),
            content,
        };
        self.outputs.push_back(Output::Request(request));
    }

    fn is_in_group_call(&self, room: &RoomId) -> bool {
        self.room_call.as_ref().is_some_and(|it| it.room == *room)
    }

    /// The user leaves.
    pub(in crate::endpoint) fn leave_group_room(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        let Some(call) = &self.room_call else {
            return;
        };
        if call.starting.is_some() || call.is_moving {
            return self.out_of_group_room(now, rng, WhyOut::Left);
        }
        let room = call.room.clone();
        let Some(group) = self.group_room(&room) else {
            return;
        };
        let ends = group.ends_with_us(now).map(|(id, call)| (id.clone(), call));
        group.leave();
        // As Element Web and the Dart SDK have it: else the room would say for ever that there is a call. We may not be allowed to.
        if let Some((call_id, call)) = ends {
            self.terminate(room, &call_id, call);
        }
    }

    /// We are not in it any more: the one place that says so.
    pub(super) fn out_of_group_room(&mut self, now: Instant, rng: &mut dyn CryptoRng, why: WhyOut) {
        if self.room_call.is_none() {
            return;
        }
        let legs = self.legs().map(|it| it.calls.clone());
        for leg in legs.into_iter().flatten() {
            self.with_call(now, rng, leg, Call::hang_up);
        }
        let connected_for = self.legs().and_then(|it| it.connected_for(now));
        let reason = match why {
            WhyOut::Left if connected_for.is_some() => EndReason::LocalHangup,
            WhyOut::Left => EndReason::Cancelled,
            WhyOut::Terminated => EndReason::RemoteHangup,
            WhyOut::NotAllowed => EndReason::HomeserverRefused,
        };
        self.tell_conference(ConferenceEvent::Ended {
            reason,
            connected_for,
        });
        self.room_call = None;
        self.conference = None;
    }
}

const fn secrecy(in_clear: bool) -> Secrecy {
    if in_clear {
        Secrecy::InClearToo
    } else {
        Secrecy::Encrypted
    }
}

/// The same on each device of ours that is in the call: by this ID sealed legs know each other. It is no secret: the room's servers and
/// members know what it is made of. What others call the call may be any text.
pub(super) fn conference_id(room: &RoomId, call_id: &GroupCallId) -> ConferenceId {
    let mut hash = Sha256::new();
    hash.update(CONFERENCE_LABEL);
    for part in [room.as_str(), call_id.as_str()] {
        // On every machine of the same size.
        let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.update(len.to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ConferenceId::from_random(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conference_of_a_call_is_what_the_protocol_says_and_no_other_calls() {
        let id = |room: &str, call: &str| {
            let call = GroupCallId::parse(call).unwrap();
            conference_id(&room.parse().unwrap(), &call).to_string()
        };
        // By another program, from what `docs/protocol/group-rooms.md` says.
        assert_eq!(
            id("!room:example.org", "1795892916899iqRwYbBT1XHU0XKw"),
            "3de673dafcb8e52723da5a84727367ed"
        );
        assert_ne!(id("!room:example.org", "1x"), id("!room:example.orgx", "1"));
    }
}

//! The call that a run is about, of two or of several: the first one, until it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use securecall_contact::{MatrixId, SecureCallId};
use securecall_driver::{
    CallEvent, CallHandle, ConferenceEvent, ConferenceHandle, EndReason, NamedConference, Peer,
    Tier,
};

/// What is known of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) call: CallHandle,
    /// Who is, or should be, at the other end.
    pub(super) peer: Peer,
    pub(super) was_connected: bool,
    /// Which protection it has.
    pub(super) tier: Tier,
    /// Of the timer of `--duration`; `None` again once that has hung up.
    connected_at: Option<Instant>,
}

/// What is known of a group call.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) conference: ConferenceHandle,
    /// It is that of a room: nobody is asked in, and nobody has a key.
    pub(super) is_of_room: bool,
    /// The calls that it is made of.
    legs: BTreeMap<CallHandle, Leg>,
    was_connected: bool,
    /// As that of a call, from its first leg on.
    connected_at: Option<Instant>,
}

/// What is known of a leg.
#[derive(Clone, Debug)]
struct Leg {
    /// Who is, or should be, at the other end.
    peer: Peer,
    /// They have proven it, and the safety words are known.
    is_connected: bool,
}

/// What has lasted long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Call(CallHandle),
    Group(ConferenceHandle),
}

/// Keeps up with calls, one at a time, of two or of several: while there is one, others are none of the run's business.
#[derive(Debug, Default)]
pub(super) struct FollowedCall {
    current: Option<Current>,
    /// In place of `current`: a call of two has become one of several.
    group: Option<Group>,
    /// The group call that gave way to the one that begins next, of which one leg goes on there.
    gave_way: Option<Group>,
    any_connected: bool,
    any_standard: bool,
}

impl FollowedCall {
    /// Takes in what happened. Gives how the call has ended, if it has.
    pub(super) fn follow(&mut self, now: Instant, event: &CallEvent) -> Option<EndReason> {
        match event {
            CallEvent::Conference { conference, event } => {
                return self.follow_conference(*conference, event);
            }
            CallEvent::Dialing { call, peer, tier }
            | CallEvent::Incoming {
                call, peer, tier, ..
            } if self.current.is_none() && self.group.is_none() => {
                self.current = Some(Current {
                    call: call.handle,
                    peer: peer.clone(),
                    was_connected: false,
                    tier: *tier,
                    connected_at: None,
                });
                self.any_standard |= *tier == Tier::Matrix;
            }
            CallEvent::Replaced { call, by } => {
                self.with_current(call.handle, |current| current.call = by.handle);
                if let Some(group) = &mut self.group {
                    group.replaced(call.handle, by.handle);
                }
            }
            CallEvent::Connected { call, peer, .. } => self.connected(now, call.handle, peer),
            CallEvent::Ended { call, reason, .. } => {
                if self.is(call.handle) {
                    self.current = None;
                    return Some(*reason);
                }
                if let Some(group) = &mut self.group {
                    group.legs.remove(&call.handle);
                }
            }
            _ => {}
        }
        None
    }

    /// The call of two, if there is one.
    pub(super) const fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// The group call, if there is one.
    pub(super) const fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Whether there is either.
    pub(super) const fn is_busy(&self) -> bool {
        self.current.is_some() || self.group.is_some()
    }

    /// A call that is there: that of two, or a leg.
    pub(super) fn any_call(&self) -> Option<CallHandle> {
        let of_two = self.current.as_ref().map(|current| current.call);
        of_two.or_else(|| self.group.as_ref()?.any_leg())
    }

    /// Whether it is this one, of two.
    pub(super) fn is(&self, call: CallHandle) -> bool {
        let mut current = self.current.iter();
        current.any(|current| current.call == call)
    }

    /// Whether there is a call that was connected.
    pub(super) fn is_connected(&self) -> bool {
        self.is_busy() && self.was_connected()
    }

    /// Whether the call was connected; where there is none any more, whether any was.
    pub(super) fn was_connected(&self) -> bool {
        match (&self.current, &self.group) {
            (Some(current), _) => current.was_connected,
            (None, Some(group)) => group.was_connected,
            (None, None) => self.any_connected,
        }
    }

    /// Whether any call was of tier `matrix`.
    pub(super) const fn was_any_standard(&self) -> bool {
        self.any_standard
    }

    /// When the call has lasted so long.
    pub(super) fn deadline(&self, duration: Option<f64>) -> Option<Instant> {
        let of_two = self.current.as_ref().and_then(|it| it.connected_at);
        let of_group = self.group.as_ref().and_then(|it| it.connected_at);
        Some(of_two.or(of_group)? + Duration::from_secs_f64(duration?))
    }

    /// The call that has lasted long enough. Once: the timer must not fire again while the call is being ended.
    pub(super) fn take_overdue(&mut self) -> Option<Overdue> {
        if let Some(current) = &mut self.current {
            current.connected_at = None;
            return Some(Overdue::Call(current.call));
        }
        let group = self.group.as_mut()?;
        group.connected_at = None;
        Some(Overdue::Group(group.conference))
    }

    fn follow_conference(
        &mut self,
        conference: NamedConference,
        event: &ConferenceEvent,
    ) -> Option<EndReason> {
        match event {
            ConferenceEvent::Keeps(_) => {
                self.any_standard = true;
                let mut group = Group::new(conference.handle);
                group.is_of_room = true;
                self.group = Some(group);
            }
            // What is kept was said before.
            ConferenceEvent::Began { .. } if self.group_of(conference).is_some() => {}
            ConferenceEvent::Began { call } => {
                let mut group = Group::new(conference.handle);
                let (current, gave_way) = (self.current.take(), self.gave_way.take());
                match (call, current, gave_way) {
                    (Some(call), Some(current), _) => group.begins_with(call.handle, current),
                    (Some(call), None, Some(gave_way)) => group.goes_on(call.handle, gave_way),
                    _ => {}
                }
                self.group = Some(group);
            }
            ConferenceEvent::Leg { call, peer } => {
                if let Some(group) = self.group_of(conference) {
                    group.has_leg(call.handle, peer.clone());
                }
            }
            // The call that follows is the one that the run is about.
            ConferenceEvent::Replaced { .. } if self.group_of(conference).is_some() => {
                self.gave_way = self.group.take();
            }
            ConferenceEvent::Ended { reason, .. } if self.group_of(conference).is_some() => {
                self.group = None;
                return Some(*reason);
            }
            _ => {}
        }
        None
    }

    fn group_of(&mut self, conference: NamedConference) -> Option<&mut Group> {
        let group = self.group.as_mut();
        group.filter(|group| group.conference == conference.handle)
    }

    fn connected(&mut self, now: Instant, call: CallHandle, peer: &Peer) {
        self.any_connected = true;
        self.with_current(call, |current| {
            current.peer = peer.clone();
            current.was_connected = true;
            current.connected_at = Some(now);
        });
        if let Some(group) = &mut self.group {
            group.connected(now, call);
        }
    }

    fn with_current(&mut self, call: CallHandle, change: impl FnOnce(&mut Current)) {
        if let Some(current) = self.current.as_mut().filter(|current| current.call == call) {
            change(current);
        }
    }
}

impl Group {
    const fn new(conference: ConferenceHandle) -> Self {
        Self {
            conference,
            is_of_room: false,
            legs: BTreeMap::new(),
            was_connected: false,
            connected_at: None,
        }
    }

    /// Some leg.
    pub(super) fn any_leg(&self) -> Option<CallHandle> {
        self.legs.keys().next().copied()
    }

    /// The legs with the devices of an account.
    pub(super) fn legs_with_account(&self, matrix_id: &MatrixId) -> Vec<CallHandle> {
        let legs = self.legs.iter();
        let legs = legs.filter(|(_, leg)| leg.peer.matrix_id == *matrix_id);
        legs.map(|(call, _)| *call).collect()
    }

    /// The leg with somebody.
    pub(super) fn leg_with(&self, id: SecureCallId) -> Option<CallHandle> {
        let mut legs = self.legs.iter();
        let (call, _) = legs.find(|(_, leg)| leg.peer.id == Some(id))?;
        Some(*call)
    }

    /// Whether the leg with somebody is connected, or was: their key is proven, and its safety words are known.
    pub(super) fn is_connected_with(&self, id: SecureCallId) -> bool {
        let mut legs = self.legs.values();
        legs.any(|leg| leg.peer.id == Some(id) && leg.is_connected)
    }

    fn has_leg(&mut self, call: CallHandle, peer: Peer) {
        let leg = Leg {
            peer,
            is_connected: false,
        };
        self.legs.entry(call).or_insert(leg);
    }

    /// The call was there before the group.
    fn begins_with(&mut self, call: CallHandle, current: Current) {
        let leg = Leg {
            peer: current.peer,
            is_connected: current.was_connected,
        };
        self.legs.insert(call, leg);
        self.was_connected = current.was_connected;
        self.connected_at = current.connected_at;
    }

    /// The call was a leg of another group call before.
    fn goes_on(&mut self, leg: CallHandle, mut before: Self) {
        if let Some(known) = before.legs.remove(&leg) {
            self.legs.insert(leg, known);
            self.was_connected = before.was_connected;
            self.connected_at = before.connected_at;
        }
    }

    fn connected(&mut self, now: Instant, leg: CallHandle) {
        let Some(leg) = self.legs.get_mut(&leg) else {
            return;
        };
        leg.is_connected = true;
        if !self.was_connected {
            self.was_connected = true;
            self.connected_at = Some(now);
        }
    }

    fn replaced(&mut self, leg: CallHandle, by: CallHandle) {
        if let Some(known) = self.legs.remove(&leg) {
            self.legs.insert(by, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_calls::{self, call as named, in_conference};

    fn call(number: u8) -> CallHandle {
        named(number).handle
    }

    fn peer() -> Peer {
        sample_calls::peer(7, None)
    }

    fn dialing(number: u8) -> CallEvent {
        CallEvent::Dialing {
            call: named(number),
            peer: peer(),
            tier: Tier::SecureCall,
        }
    }

    fn ended(number: u8) -> CallEvent {
        CallEvent::Ended {
            call: named(number),
            reason: EndReason::RemoteHangup,
            connected_for: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_second_call_is_not_followed_while_there_is_one() {
        let mut followed = FollowedCall::default();
        for event in [dialing(1), dialing(2), ended(2)] {
            assert_eq!(followed.follow(now(), &event), None);
        }
        assert!(followed.is(call(1)));
        let reason = followed.follow(now(), &ended(1));
        assert_eq!(reason, Some(EndReason::RemoteHangup));
        assert_eq!(followed.current(), None);
        followed.follow(now(), &dialing(2));
        assert!(followed.is(call(2)));
    }

    #[test]
    fn a_call_that_was_replaced_is_followed_as_the_one_in_its_place() {
        let mut followed = FollowedCall::default();
        followed.follow(now(), &dialing(1));
        let replaced = CallEvent::Replaced {
            call: named(1),
            by: named(2),
        };
        followed.follow(now(), &replaced);
        assert_eq!(followed.follow(now(), &ended(1)), None);
        assert!(followed.follow(now(), &ended(2)).is_some());
    }

    #[test]
    fn the_time_runs_from_the_connection_and_is_over_once() {
        let mut followed = FollowedCall::default();
        followed.follow(now(), &dialing(1));
        assert_eq!(followed.deadline(Some(5.0)), None);
        let at = now();
        followed.connected(at, call(1), &peer());
        assert!(followed.was_connected());
        assert_eq!(followed.deadline(None), None);
        let over = at + Duration::from_secs(5);
        assert_eq!(followed.deadline(Some(5.0)), Some(over));
        assert_eq!(followed.take_overdue(), Some(Overdue::Call(call(1))));
        assert_eq!(followed.deadline(Some(5.0)), None);
        followed.follow(at, &ended(1));
        assert!(followed.was_connected());
    }

    fn conference(event: ConferenceEvent) -> CallEvent {
        in_conference(1, event)
    }

    fn leg(number: u8) -> CallEvent {
        conference(ConferenceEvent::Leg {
            call: named(number),
            peer: peer(),
        })
    }

    #[test]
    fn a_group_goes_on_while_its_legs_come_and_go_and_ends_as_one() {
        let mut followed = FollowedCall::default();
        let began = conference(ConferenceEvent::Began { call: None });
        for event in [began, leg(1), dialing(1), leg(2), dialing(2), ended(1)] {
            assert_eq!(followed.follow(now(), &event), None, "{event:?}");
        }
        assert_eq!(followed.current(), None);
        assert_eq!(followed.any_call(), Some(call(2)));
        let id = peer().id.unwrap();
        assert_eq!(followed.group().unwrap().leg_with(id), Some(call(2)));
        assert!(!followed.is_connected());
        let is_proven = |followed: &FollowedCall| followed.group().unwrap().is_connected_with(id);
        assert!(!is_proven(&followed));
        followed.connected(now(), call(2), &peer());
        assert!(followed.is_connected() && is_proven(&followed));
        assert_eq!(followed.follow(now(), &ended(2)), None);
        assert!(followed.is_connected() && followed.any_call().is_none());
        let over = conference(ConferenceEvent::Ended {
            reason: EndReason::RemoteHangup,
            connected_for: None,
        });
        assert_eq!(followed.follow(now(), &over), Some(EndReason::RemoteHangup));
        assert!(!followed.is_busy() && followed.was_connected());
    }

    #[test]
    fn a_call_of_two_that_becomes_a_group_keeps_its_time_and_its_peer() {
        let mut followed = FollowedCall::default();
        let at = now();
        followed.follow(at, &dialing(1));
        followed.connected(at, call(1), &peer());
        let call_of_two = Some(named(1));
        followed.follow(
            at,
            &conference(ConferenceEvent::Began { call: call_of_two }),
        );
        assert!(!followed.is(call(1)) && followed.is_connected());
        let id = peer().id.unwrap();
        assert_eq!(followed.group().unwrap().leg_with(id), Some(call(1)));
        assert_eq!(
            followed.deadline(Some(5.0)),
            Some(at + Duration::from_secs(5))
        );
        // What is hung up then is the group, and not the call that it began with.
        assert!(matches!(followed.take_overdue(), Some(Overdue::Group(_))));
        assert_eq!(followed.follow(at, &ended(1)), None);
    }

    #[test]
    fn a_call_that_was_a_leg_of_a_group_that_gave_way_keeps_its_time_and_its_peer() {
        let mut followed = FollowedCall::default();
        let at = now();
        followed.follow(at, &dialing(1));
        followed.connected(at, call(1), &peer());
        let began = || ConferenceEvent::Began {
            call: Some(named(1)),
        };
        followed.follow(at, &conference(began()));
        let by = sample_calls::conference(2);
        followed.follow(at, &conference(ConferenceEvent::Replaced { by }));
        followed.follow(at, &in_conference(2, began()));
        assert!(followed.is_connected());
        assert_eq!(followed.any_call(), Some(call(1)));
        assert_eq!(
            followed.deadline(Some(5.0)),
            Some(at + Duration::from_secs(5))
        );
    }

    #[test]
    fn the_call_of_a_room_is_followed_from_what_it_keeps_on_and_waits_for_its_removal() {
        use crate::sample_calls::{device_of, room_keeps};

        let mut followed = FollowedCall::default();
        let at = now();
        followed.follow(at, &in_conference(1, room_keeps(false)));
        assert!(followed.was_any_standard());
        let began = ConferenceEvent::Began { call: None };
        followed.follow(at, &in_conference(1, began));
        assert!(followed.group().unwrap().is_of_room);
        for (number, device) in (1..).zip(["PHONE", "LAPTOP"]) {
            let peer = device_of("@ada:example.org", device, None);
            let call = named(number);
            followed.follow(at, &conference(ConferenceEvent::Leg { call, peer }));
        }
        let legs = |address: &str| {
            let group = followed.group().unwrap();
            group.legs_with_account(&address.parse().unwrap())
        };
        assert_eq!(legs("@ada:example.org"), [call(1), call(2)]);
        assert_eq!(legs("@bo:example.org"), []);
    }
}

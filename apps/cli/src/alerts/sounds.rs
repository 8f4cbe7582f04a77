//! Which tone is to be heard when.

use securecall_audio_device::CallTone;
use securecall_driver::{CallEvent, CallHandle, ConferenceEvent, EndReason};

/// What an event changes about the tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// What is heard is heard on.
    Keep,
    /// Quiet.
    Stop,
    /// This, in place of what is heard.
    Play(CallTone),
}

/// Follows the one call that there is at a time, of two or of several.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    call: Option<(CallHandle, Side)>,
    /// In place of that.
    group: Option<Group>,
}

/// What is to be known of a group call.
#[derive(Clone, Copy, Debug)]
struct Group {
    side: Side,
    /// Somebody else is there, and nobody waits for a tone.
    has_begun: bool,
}

/// Who has called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

impl Sounds {
    pub(super) fn follow(&mut self, event: &CallEvent) -> Change {
        if let CallEvent::Conference { event, .. } = event {
            return self.follow_group(event);
        }
        if let Some(group) = &mut self.group {
            return group.follow_leg(event);
        }
        match event {
            CallEvent::Dialing { call, .. } => self.begins(call.handle, Side::Caller, Change::Keep),
            CallEvent::Ringing { call } => {
                self.begins(call.handle, Side::Caller, Change::Play(CallTone::Ringback))
            }
            CallEvent::Incoming { call, accepted, .. } => {
                let rings = Change::Play(CallTone::Ring);
                self.begins(
                    call.handle,
                    Side::Callee,
                    if *accepted { Change::Keep } else { rings },
                )
            }
            // Accepted already: nobody waits for a tone.
            CallEvent::Replaced { by, .. } => self.begins(by.handle, Side::Callee, Change::Stop),
            CallEvent::Connected { call, .. } | CallEvent::AnsweredElsewhere { call } => {
                if self.is_ours(call.handle) {
                    Change::Stop
                } else {
                    Change::Keep
                }
            }
            CallEvent::Ended {
                call,
                reason,
                connected_for,
            } => match self.call.take_if(|(ours, _)| *ours == call.handle) {
                Some((_, side)) => at_end(side, *reason, connected_for.is_some()),
                None => Change::Keep,
            },
            CallEvent::Inviting { .. }
            | CallEvent::NoSignOfRinging { .. }
            | CallEvent::FirstAudio { .. }
            | CallEvent::Muted { .. }
            | CallEvent::Held { .. }
            | CallEvent::RouteChanged { .. }
            | CallEvent::Reconnecting { .. }
            | CallEvent::Reconnected { .. }
            | CallEvent::Missed { .. }
            | CallEvent::Refused { .. }
            | CallEvent::Conference { .. }
            | CallEvent::CallsOfOthers { .. } => Change::Keep,
        }
    }

    fn follow_group(&mut self, event: &ConferenceEvent) -> Change {
        match event {
            ConferenceEvent::Began { call } => {
                self.group = Some(Group {
                    side: self.call.take().map_or(Side::Caller, |(_, side)| side),
                    // Of a call that rang the tone has been stopped by whoever took it.
                    has_begun: call.is_some(),
                });
                Change::Keep
            }
            ConferenceEvent::Ended {
                reason,
                connected_for,
            } => match self.group.take() {
                Some(group) => at_end(group.side, *reason, connected_for.is_some()),
                None => Change::Keep,
            },
            // What is heard then is up to the other one, which follows.
            ConferenceEvent::Replaced { .. } => {
                self.group = None;
                Change::Stop
            }
            _ => Change::Keep,
        }
    }

    fn begins(&mut self, call: CallHandle, side: Side, change: Change) -> Change {
        self.call = Some((call, side));
        change
    }

    fn is_ours(&self, call: CallHandle) -> bool {
        self.call.is_some_and(|(ours, _)| ours == call)
    }
}

impl Group {
    /// A caller hears that it rings until the first is there.
    fn follow_leg(&mut self, event: &CallEvent) -> Change {
        match event {
            CallEvent::Ringing { .. } if !self.has_begun => Change::Play(CallTone::Ringback),
            CallEvent::Connected { .. } if !self.has_begun => {
                self.has_begun = true;
                Change::Stop
            }
            _ => Change::Keep,
        }
    }
}

/// Who ended a call knows that it is over.
fn at_end(side: Side, reason: EndReason, was_connected: bool) -> Change {
    let ended_here = matches!(
        reason,
        EndReason::LocalHangup
            | EndReason::Cancelled
            | EndReason::LocalReject
            | EndReason::AnsweredElsewhere
    );
    match (side, was_connected) {
        _ if ended_here => Change::Stop,
        (_, true) => Change::Play(CallTone::End),
        (Side::Caller, false) => Change::Play(CallTone::Busy),
        (Side::Callee, false) => Change::Stop,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use securecall_driver::{PathRoute, Tier};

    use super::*;
    use crate::sample_calls::{call, in_conference, peer};

    pub(in crate::alerts) fn incoming(number: u8) -> CallEvent {
        CallEvent::Incoming {
            call: call(number),
            peer: peer(7, None),
            tier: Tier::SecureCall,
            accepted: false,
            conference: None,
        }
    }

    pub(in crate::alerts) fn ringing(number: u8) -> CallEvent {
        CallEvent::Ringing { call: call(number) }
    }

    pub(in crate::alerts) fn ended(number: u8, reason: EndReason, connected: bool) -> CallEvent {
        CallEvent::Ended {
            call: call(number),
            reason,
            connected_for: connected.then(|| Duration::from_secs(3)),
        }
    }

    #[test]
    fn what_happens_to_another_call_changes_nothing() {
        let mut sounds = Sounds::default();
        assert_eq!(sounds.follow(&incoming(1)), Change::Play(CallTone::Ring));
        let elsewhere = |number| CallEvent::AnsweredElsewhere { call: call(number) };
        let over = |number| ended(number, EndReason::RemoteHangup, false);
        for other in [elsewhere(2), over(2)] {
            assert_eq!(sounds.follow(&other), Change::Keep, "{other:?}");
        }
        assert_eq!(sounds.follow(&elsewhere(1)), Change::Stop);
        assert_eq!(sounds.follow(&over(1)), Change::Stop);
    }

    #[test]
    fn a_caller_hears_ringback_then_quiet_then_the_end() {
        let mut sounds = Sounds::default();
        let dialing = CallEvent::Dialing {
            call: call(1),
            peer: peer(7, None),
            tier: Tier::SecureCall,
        };
        assert_eq!(sounds.follow(&dialing), Change::Keep);
        assert_eq!(sounds.follow(&ringing(1)), Change::Play(CallTone::Ringback));
        let over = ended(1, EndReason::RemoteHangup, true);
        assert_eq!(sounds.follow(&over), Change::Play(CallTone::End));
        assert_eq!(
            sounds.follow(&over),
            Change::Keep,
            "of a call that is not known"
        );
    }

    #[test]
    fn a_caller_whose_call_does_not_come_about_hears_busy() {
        for reason in [
            EndReason::Busy,
            EndReason::Declined,
            EndReason::NoAnswer,
            EndReason::Unreachable,
            EndReason::IceFailed,
        ] {
            let mut sounds = Sounds::default();
            sounds.follow(&ringing(1));
            assert_eq!(
                sounds.follow(&ended(1, reason, false)),
                Change::Play(CallTone::Busy),
                "{reason}"
            );
        }
    }

    #[test]
    fn whoever_ends_a_call_here_hears_nothing() {
        for (reason, connected) in [
            (EndReason::LocalHangup, true),
            (EndReason::Cancelled, false),
            (EndReason::LocalReject, false),
            (EndReason::AnsweredElsewhere, false),
        ] {
            for begin in [ringing(1), incoming(1)] {
                let mut sounds = Sounds::default();
                sounds.follow(&begin);
                assert_eq!(sounds.follow(&ended(1, reason, connected)), Change::Stop);
            }
        }
    }

    #[test]
    fn a_callee_hears_the_ring_and_quiet_when_the_caller_gives_up() {
        let mut sounds = Sounds::default();
        assert_eq!(sounds.follow(&incoming(1)), Change::Play(CallTone::Ring));
        assert_eq!(
            sounds.follow(&ended(1, EndReason::CallerCancelled, false)),
            Change::Stop
        );
        sounds.follow(&incoming(2));
        let elsewhere = CallEvent::AnsweredElsewhere { call: call(2) };
        assert_eq!(sounds.follow(&elsewhere), Change::Stop);
    }

    #[test]
    fn a_call_that_is_answered_by_itself_does_not_ring() {
        let mut sounds = Sounds::default();
        let answered = CallEvent::Incoming {
            call: call(1),
            peer: peer(7, None),
            tier: Tier::SecureCall,
            accepted: true,
            conference: None,
        };
        assert_eq!(sounds.follow(&answered), Change::Keep);
    }

    #[test]
    fn of_two_calls_that_cross_neither_is_heard() {
        let mut sounds = Sounds::default();
        sounds.follow(&ringing(1));
        let replaced = CallEvent::Replaced {
            call: call(1),
            by: call(2),
        };
        assert_eq!(sounds.follow(&replaced), Change::Stop);
        assert_eq!(
            sounds.follow(&ended(2, EndReason::RemoteHangup, true)),
            Change::Play(CallTone::End)
        );
    }

    #[test]
    fn a_group_rings_back_until_the_first_is_there_and_ends_once() {
        let mut sounds = Sounds::default();
        let began = in_conference(1, ConferenceEvent::Began { call: None });
        assert_eq!(sounds.follow(&began), Change::Keep);
        assert_eq!(sounds.follow(&ringing(1)), Change::Play(CallTone::Ringback));
        let connected = |number| CallEvent::Connected {
            call: call(number),
            peer: peer(7, None),
            tier: Tier::SecureCall,
            route: PathRoute::Direct,
            safety_words: None,
            setup: Duration::ZERO,
        };
        assert_eq!(sounds.follow(&connected(1)), Change::Stop);
        for event in [
            ringing(2),
            connected(2),
            ended(1, EndReason::RemoteHangup, true),
            ended(2, EndReason::Busy, false),
        ] {
            assert_eq!(sounds.follow(&event), Change::Keep, "{event:?}");
        }
        let over = in_conference(
            1,
            ConferenceEvent::Ended {
                reason: EndReason::RemoteHangup,
                connected_for: Some(Duration::from_secs(1)),
            },
        );
        assert_eq!(sounds.follow(&over), Change::Play(CallTone::End));
        assert_eq!(sounds.follow(&over), Change::Keep);
    }
}

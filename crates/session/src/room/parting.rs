//! The last word of a call in a room: one for all devices, and only if somebody does not know that it is over.

use securecall_signaling::wire::room::RoomContent;
use securecall_signaling::{CallEnd, HangupReason};

use super::outbox::ANSWER;
use super::{Half, Manner, Room};

/// What is said of this end; `None`: everybody knows.
pub(super) fn last_word(room: &Room, end: CallEnd) -> Option<RoomContent> {
    match &room.half {
        Half::Caller { .. } if !room.invite_may_be_there() => None,
        Half::Caller { rejected_by, .. } => match end {
            CallEnd::HungUp(reason) => Some(hangup(reason)),
            // Nheko rings on an invite of any age, so somebody has to say that this one is over.
            CallEnd::NoAnswer | CallEnd::Unreachable | CallEnd::Busy | CallEnd::ClocksDiffer => {
                Some(hangup(HangupReason::InviteTimeout))
            }
            CallEnd::ConnectTimeout => Some(hangup(HangupReason::IceFailed)),
            // The peer's other devices stop ringing: matrix-dart-sdk does so at nothing else.
            CallEnd::Declined => {
                let party = rejected_by.clone()?;
                let is_v1 = room.manner(&party).is_some_and(Manner::is_v1);
                is_v1.then_some(RoomContent::SelectAnswer {
                    selected_party_id: party,
                })
            }
            CallEnd::PeerHungUp(_)
            | CallEnd::CallerCancelled
            | CallEnd::Rejected
            | CallEnd::AnsweredElsewhere => None,
        },
        Half::Callee { .. } => match end {
            CallEnd::Rejected => Some(room.no_thanks(HangupReason::UserHangup)),
            CallEnd::HungUp(reason) if room.outbox.may_be_there(ANSWER) => Some(hangup(reason)),
            // Who hangs up a call that was not answered declines it: matrix-js-sdk takes no hangup then.
            CallEnd::HungUp(reason) => Some(room.no_thanks(reason)),
            CallEnd::ConnectTimeout => Some(hangup(HangupReason::IceFailed)),
            // The caller knows how long it may ring, and another device of ours may ring longer.
            CallEnd::NoAnswer
            | CallEnd::Unreachable
            | CallEnd::Busy
            | CallEnd::ClocksDiffer
            | CallEnd::PeerHungUp(_)
            | CallEnd::CallerCancelled
            | CallEnd::Declined
            | CallEnd::AnsweredElsewhere => None,
        },
    }
}

fn hangup(reason: HangupReason) -> RoomContent {
    RoomContent::Hangup {
        reason: reason.into(),
    }
}

//! An invite that came in a room's timeline.

use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::wire::room::{RoomInvite, RoomSignal};
use securecall_signaling::{PartyId, WireCallId};

use super::{Manner, is_muted, party_of};
use crate::fingerprint::Fingerprint;
use crate::signal_refused::SignalRefused;

/// The longest that a call in a room rings here. The clients in use say 60 to 120 s.
const LONGEST_RINGING: Duration = Duration::from_secs(120);
/// What a person needs at least to answer: an invite with less left does not ring (matrix-js-sdk has the same).
const TIME_TO_ANSWER: Duration = Duration::from_secs(3);

/// What is kept of an invite: all that a call needs of it.
pub(crate) struct RoomInvited {
    pub(crate) id: WireCallId,
    pub(crate) room: RoomId,
    pub(crate) peer: MatrixId,
    pub(crate) party: PartyId,
    pub(crate) manner: Manner,
    pub(crate) offer: String,
    pub(crate) fingerprint: Fingerprint,
    /// The caller is muted from the beginning.
    pub(crate) muted: bool,
}

impl RoomInvited {
    /// Takes in an invite, if its offer can be answered.
    pub(crate) fn of(
        room: &RoomId,
        sender: &MatrixId,
        signal: &RoomSignal,
        invite: RoomInvite,
    ) -> Result<Self, SignalRefused> {
        let fingerprint =
            Fingerprint::agreed(&invite.offer.sdp).ok_or(SignalRefused::Fingerprint)?;
        let streams = invite.streams.as_ref();
        Ok(Self {
            id: signal.call_id.clone(),
            room: room.clone(),
            peer: sender.clone(),
            party: party_of(signal),
            manner: Manner {
                version: signal.version,
                knows_streams: streams.is_some(),
            },
            fingerprint,
            muted: streams.and_then(is_muted).unwrap_or(false),
            offer: invite.offer.sdp,
        })
    }
}

/// How long an invite may still ring, by its age and never by a clock; nothing if there is no time left to answer it.
pub(crate) fn rings_for(lifetime: Duration, age: Duration) -> Option<Duration> {
    let left = lifetime.min(LONGEST_RINGING).checked_sub(age)?;
    (left >= TIME_TO_ANSWER).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_rings_for_what_is_left_of_its_lifetime() {
        let seconds = Duration::from_secs;
        for (lifetime, age, rings) in [
            (90, 0, Some(90)),
            (90, 30, Some(60)),
            (90, 87, Some(3)),
            (90, 88, None),
            (90, 90, None),
            (90, 1_000_000, None),
            (1_000_000, 0, Some(120)),
            (1_000_000, 119, None),
            (2, 0, None),
        ] {
            let found = rings_for(seconds(lifetime), seconds(age));
            assert_eq!(found, rings.map(seconds), "{lifetime} {age}");
        }
    }
}

//! An invite that came in a room's timeline.

use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::wire::room::{RoomInvite, RoomSignal};
use securecall_signaling::{PartyId, WireCallId};

use super::description::without_unnamed_audio;
use super::{Manner, is_muted, party_of};
use crate::fingerprint::Fingerprint;
use crate::signal_refused::SignalRefused;

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
            offer: without_unnamed_audio(invite.offer.sdp, streams),
        })
    }
}

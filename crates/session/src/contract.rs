//! What a call and the carrier inside it tell each other.

use securecall_signaling::{Content, PartyId};
use web_time::Instant;

use crate::EndReason;
use crate::output::MediaCommand;

/// What a carrier must know of its call.
pub(crate) struct Situation {
    /// The call is over.
    pub(crate) over: bool,
    /// The device the call is with, once that is settled.
    pub(crate) selected: Option<PartyId>,
    /// The data channel with that device can send.
    pub(crate) data_channel: bool,
    /// Nothing is heard from the peer any more.
    pub(crate) path_dead: bool,
    /// Nothing is heard from the peer at the moment, for longer than it should be.
    pub(crate) path_silent: bool,
    /// Until when the first candidates are waited for: what can wait for them is said with them.
    pub(crate) candidates_until: Option<Instant>,
}

/// What a carrier heard or found out, in order.
pub(crate) enum Heard {
    /// An invite is on its way to a device.
    Invited(PartyId),
    /// A device of the peer says something.
    Content { from: PartyId, content: Content },
    /// A device of the peer that could not be known before: it has the invite.
    Party(PartyId),
    /// A device of the peer declines, for all of them.
    TurnedDown { from: PartyId, reason: EndReason },
    /// The peer says whether it is muted.
    PeerMuted(bool),
    /// The peer has got messages of ours, perhaps all.
    Delivered,
    /// The frames have a new key.
    Epoch(MediaCommand),
    /// Frames may come, but what is said does not get through.
    ControlDead,
    /// The call cannot go on.
    Failed(EndReason),
}

//! An invite that passed every check, and does not ring yet.

use web_time::Instant;

use crate::call::Invited;
use crate::call_handle::NamedCall;
use crate::config::Route;
use crate::event::Peer;
use crate::sealed::admission::OpenedInvite;

/// What an invite that passed every check still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// The end of the sync response it came with.
    SyncEnd,
    /// The end of a write to disk that was under way before.
    Turn,
    /// The write that holds it.
    Disk,
}

/// What the user has said to a call before it rings, by calling the caller: then the call's handle was given out, and whatever
/// becomes of it, an event has to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// Nothing; nobody knows of the call.
    None,
    /// To answer it.
    Accept,
    /// To answer it, and then to hang up.
    Decline,
}

pub(super) struct Arrived {
    pub(super) call: NamedCall,
    pub(super) awaits: Awaits,
    pub(super) invite: OpenedInvite,
    pub(super) peer: Peer,
    pub(super) route: Route,
    pub(super) rings_until: Instant,
    pub(super) intent: Intent,
}

impl Arrived {
    /// What becomes a call of it.
    pub(super) fn into_invited(self) -> Invited {
        Invited {
            name: self.call,
            invite: self.invite,
            peer: self.peer,
            route: self.route,
            rings_until: self.rings_until,
        }
    }

    /// Whether the call's handle was given out.
    pub(super) fn is_promised(&self) -> bool {
        self.intent != Intent::None
    }
}

//! Glare: both sides call each other at the same time.

use std::time::Duration;

use crate::{CallId, WireCallId};

/// How long a call of ours in a room waits, although it is the one that survives, for the other side to take it; then theirs is taken
/// in its place. A client that saw no glare (matrix-js-sdk, where the invite named no invitee) rings on with its own call.
pub const ROOM_GLARE_PATIENCE: Duration = Duration::from_secs(4);

/// Which of two calls between the same two users goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// The call we placed.
    Ours,
    /// The call we were offered.
    Theirs,
}

/// How far a call of ours in a room is when theirs comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnInvite<'a> {
    /// It is being made ready: the other side cannot know of it.
    Preparing,
    /// It is on its way or there, with this call ID.
    Sent(&'a WireCallId),
}

impl Survivor {
    /// The bytewise lesser call ID survives, so both sides decide alike without a word.
    pub fn of(ours: CallId, theirs: CallId) -> Self {
        Self::of_ordered(&ours, &theirs)
    }

    /// In a room, a call that nobody else has heard of gives way; otherwise the bytewise lesser call ID survives ([glare]).
    /// Ours waits [`ROOM_GLARE_PATIENCE`] at most.
    ///
    /// [glare]: https://spec.matrix.org/v1.16/client-server-api/#glare
    pub fn in_room(ours: OwnInvite<'_>, theirs: &WireCallId) -> Self {
        match ours {
            OwnInvite::Preparing => Self::Theirs,
            OwnInvite::Sent(ours) => Self::of_ordered(ours, theirs),
        }
    }

    fn of_ordered<T: Ord>(ours: &T, theirs: &T) -> Self {
        if theirs < ours {
            Self::Theirs
        } else {
            Self::Ours
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_the_same_call() {
        let (lesser, greater) = (CallId::from_random([1; 16]), CallId::from_random([2; 16]));
        assert_eq!(Survivor::of(lesser, greater), Survivor::Ours);
        assert_eq!(Survivor::of(greater, lesser), Survivor::Theirs);
        assert_eq!(Survivor::of(lesser, lesser), Survivor::Ours);
    }

    #[test]
    fn in_a_room_the_order_is_that_of_the_bytes() {
        let pairs = [
            ("0", "1"),
            ("10", "9"),
            ("1764300000000B", "1764300000000a"),
            ("Z", "a"),
            ("a", "aa"),
            ("-", "0"),
            ("_", "a"),
        ];
        for (lesser, greater) in pairs {
            let [lesser, greater] = [lesser, greater].map(|id| WireCallId::parse(id).unwrap());
            let ours = OwnInvite::Sent(&lesser);
            assert_eq!(Survivor::in_room(ours, &greater), Survivor::Ours);
            // The same call twice, in an invite that somebody repeats, is still ours.
            assert_eq!(Survivor::in_room(ours, &lesser), Survivor::Ours);
            let ours = OwnInvite::Sent(&greater);
            assert_eq!(Survivor::in_room(ours, &lesser), Survivor::Theirs);
        }
    }

    #[test]
    fn a_call_that_nobody_has_heard_of_gives_way_whatever_the_ids() {
        for theirs in ["0", "~"] {
            let theirs = WireCallId::parse(theirs).unwrap();
            assert_eq!(
                Survivor::in_room(OwnInvite::Preparing, &theirs),
                Survivor::Theirs
            );
        }
    }
}

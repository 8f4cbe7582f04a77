//! Conferences as they are told of: what they are named by, what happens in them, and why an order about one is refused
//! (`docs/protocol/group.md`).

use std::fmt;
use std::time::Duration;

use securecall_contact::RoomId;
use securecall_crypto::SafetyWords;
use securecall_signaling::ConferenceId;

use crate::command::CallError;
use crate::{EndReason, NamedCall, Peer};

/// Tells the conferences of one endpoint apart. It is a count and nothing else: no peer has a say in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceHandle(u64);

/// Gives out the handles of one endpoint.
#[derive(Debug, Default)]
pub struct ConferenceHandles {
    last: u64,
}

impl ConferenceHandles {
    /// One that was not given out before.
    pub const fn issue(&mut self) -> ConferenceHandle {
        self.last += 1;
        ConferenceHandle(self.last)
    }
}

/// A conference as it is told of. Shown as its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedConference {
    /// By which orders about it are given.
    pub handle: ConferenceHandle,
    /// By which all its members know it. Chosen by whoever began it.
    pub id: ConferenceId,
}

impl fmt::Display for NamedConference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// What an incoming call says of the conference that it asks us into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingConference {
    /// The one we are asked into.
    pub conference: NamedConference,
    /// Who else is in, or asked in, as the caller says. None of them has proven anything.
    pub members: Vec<Peer>,
}

/// The room of a group call, as it is before anything is written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKeeps {
    /// The room. It keeps who was in the call, on which device and when, as state of its own.
    pub room: RoomId,
    /// What is said in the room is encrypted. Who is in a call is not, in any room.
    pub is_encrypted: bool,
    /// Anybody may come into the room.
    pub is_public: bool,
    /// How many people have joined the room.
    pub people: usize,
    /// There is no call in it, and we begin one.
    pub starts: bool,
    /// What sets the calls up is taken and sent in clear, too, as the user allows.
    pub in_clear: bool,
}

/// What happens in a conference. Its legs are calls, and what happens to each is told as of any call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    /// What a room keeps of the group call that is being joined: told before anything is written to it.
    Keeps(RoomKeeps),
    /// We are in it now: the first event of a conference.
    Began {
        /// The call that it began with: one that rang here, or that somebody was added to. `None`: it was called by us.
        call: Option<NamedCall>,
    },
    /// Our microphone is muted in all legs, and in those that come, or not any more. Where there are legs, these tell it
    /// ([`Event::Muted`](crate::Event::Muted)).
    Muted {
        /// Whether it is muted now.
        muted: bool,
    },
    /// A leg of it: told before the first event of that call, but for a call that was there before the conference.
    Leg {
        /// What the leg's events and orders are about.
        call: NamedCall,
        /// Who is, or must prove to be, at the other end.
        peer: Peer,
    },
    /// Somebody is asked in.
    Invited {
        /// Who. Nothing is proven.
        peer: Peer,
        /// Who says that they asked them; `None`: we did.
        by: Option<Peer>,
    },
    /// Somebody is in, and has proven to us who they are.
    Joined {
        /// Our leg with them.
        call: NamedCall,
        /// As the handshake has proven.
        peer: Peer,
        /// Who brought them; `None`: we did, or they brought us.
        brought_by: Option<Peer>,
    },
    /// Somebody is not in any more, or does not come.
    Left {
        /// Who.
        peer: Peer,
        /// Why, as far as it is known.
        why: LeftReason,
    },
    /// Somebody is in, as another member says, and no leg of ours with them works. It is tried again.
    NoPath {
        /// Who.
        peer: Peer,
    },
    /// Somebody is in the group call of a room whose key is known: they have a sealed leg, as in a conference, and are not called as the
    /// others are. `Leg` and `Joined` follow, or `NoPath` if they do not take one.
    SealedInstead {
        /// Who. Nothing is proven.
        peer: Peer,
    },
    /// A device in the group call of a room says in clear what it says, which the user has not allowed: it is not listened to. Told once of
    /// each device.
    InClearRefused {
        /// Whose, as the servers say.
        peer: Peer,
    },
    /// Of all who are connected with us and of ourselves: the same at all members that are connected with the same people.
    Words(SafetyWords),
    /// Others have asked us into another conference while we asked them into this one: ours gave way, and whom we had asked in is asked
    /// into that one. The last event of this conference; `Incoming` or `Began` of the other follows.
    Replaced {
        /// The one that goes on.
        by: NamedConference,
    },
    /// We are not in it any more: the last event of a conference.
    Ended {
        /// Why.
        reason: EndReason,
        /// Since the first leg was connected; `None` if none was.
        connected_for: Option<Duration>,
    },
}

/// Why somebody is not in a conference any more, or does not come into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftReason {
    /// They hung up, or their device did.
    HungUp,
    /// Nobody hears them any more.
    Vanished,
    /// They declined.
    Declined,
    /// They are in another call.
    Busy,
    /// They did not answer.
    NoAnswer,
    /// None of their devices was reached, or no path to it was found.
    Unreachable,
    /// Whoever brought them does not name them any more: they did not come.
    NotNamed,
    /// They are blocked here: they are neither called nor taken, whoever brings them.
    Blocked,
    /// Our rules do not allow a call with them: another key than their address stands for, or no relay for a stranger.
    NotAllowed,
}

impl LeftReason {
    /// Every reason there is.
    pub const ALL: [Self; 9] = [
        Self::HungUp,
        Self::Vanished,
        Self::Declined,
        Self::Busy,
        Self::NoAnswer,
        Self::Unreachable,
        Self::NotNamed,
        Self::Blocked,
        Self::NotAllowed,
    ];

    /// The word for it in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::Vanished => "vanished",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::NotNamed => "not_named",
            Self::Blocked => "blocked",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// Why nobody is called into a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// One of them cannot be called.
    #[error(transparent)]
    Refused(#[from] CallError),
    /// Of one of them no key is known: a conference is sealed, or it is none.
    #[error(
        "no key of this person is known, and a call of several people is between known keys only"
    )]
    NotSealed,
    /// Nobody was named.
    #[error("nobody is called")]
    Nobody,
    /// Somebody was named twice, or is in already.
    #[error("this person is in the call already, or was named twice")]
    Twice,
    /// A conference has at most eight people.
    #[error("a call has at most 8 people")]
    TooMany,
    /// There is no such call or conference, or it is over.
    #[error("there is no such call")]
    NoSuchCall,
    /// Who is in the group call of a room has joined it there.
    #[error("this is the call of a room, which people join by themselves")]
    OfARoom,
    /// Somebody can be added to a call that is connected, and to no other.
    #[error("the call is not connected")]
    NotConnected,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_handle_is_given_out_twice_and_a_conference_is_shown_as_its_id() {
        let mut handles = ConferenceHandles::default();
        let (handle, other) = (handles.issue(), handles.issue());
        assert!(handle < other);
        let id = ConferenceId::from_random([0xab; 16]);
        assert_eq!(NamedConference { handle, id }.to_string(), "ab".repeat(16));
    }
}

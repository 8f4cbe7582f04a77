//! What a user, or a script, wants to know about a call.

use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId, SecureCallId};
use securecall_crypto::SafetyWords;

use crate::group::{ConferenceEvent, IncomingConference, NamedConference};
use crate::{EndReason, NamedCall, PathRoute, Tier};

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The identity the handshake proved (or, before it is through, the one that is called). `None` in a call of tier `matrix`:
    /// no key of the peer is known there.
    pub id: Option<SecureCallId>,
    /// The Matrix ID the call came from or goes to.
    pub matrix_id: MatrixId,
    /// The contact's name; `None` for a stranger.
    pub name: Option<String>,
    /// A known contact calls from a Matrix ID that is not the one in our contacts.
    pub new_address: bool,
    /// Which device of theirs: only in the group call of a room, where one person may be in with several.
    pub device_id: Option<DeviceId>,
}

/// Why a call was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MissedReason {
    /// The invite's time and this machine's clock differ by more than 5 minutes: it is old, or a clock is wrong.
    ClocksDiffer,
    /// It rang and nobody answered.
    NotAnswered,
    /// The caller gave up before anybody answered.
    CallerCancelled,
    /// This device was in another call.
    Busy,
    /// The call could not be written to the memory of taken invites, so it did not ring: it could have rung again after a restart.
    StorageFailed,
}

impl MissedReason {
    /// The word for it in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClocksDiffer => "clocks_differ",
            Self::NotAnswered => "not_answered",
            Self::CallerCancelled => "caller_cancelled",
            Self::Busy => "busy",
            Self::StorageFailed => "storage_failed",
        }
    }
}

/// Why an authenticated call was refused without ringing. Nothing was sent to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusedReason {
    /// The identity proven is not the one the sender's Matrix ID stands for.
    IdentityMismatch,
    /// A stranger may be called only through a relay, and there is none.
    NoRelay,
    /// The replay memory is full: only contacts may ring until it empties.
    ReplayMemoryFull,
    /// The call does not have the tier that the user requires.
    TierTooLow,
    /// The user has blocked the caller.
    Blocked,
    /// The user lets nobody ring, or contacts only.
    RingPolicy,
    /// The key of the sender is known, so their calls must be sealed: one in a room can be from whoever has their account.
    KeyIsKnown,
    /// The call is in a room that anybody may join.
    PublicRoom,
    /// The call is in a room of more than two, and not for us by name.
    LargeRoom,
    /// So many strangers have called in rooms lately that no more may ring.
    TooManyCalls,
}

impl RefusedReason {
    /// The word for it in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdentityMismatch => "identity_mismatch",
            Self::NoRelay => "no_relay",
            Self::ReplayMemoryFull => "replay_memory_full",
            Self::TierTooLow => "tier_too_low",
            Self::Blocked => "blocked",
            Self::RingPolicy => "ring_policy",
            Self::KeyIsKnown => "key_is_known",
            Self::PublicRoom => "public_room",
            Self::LargeRoom => "large_room",
            Self::TooManyCalls => "too_many_calls",
        }
    }
}

/// What happened to a call, or to a conference.
#[derive(Clone, Debug)]
pub enum Event {
    /// Our call is on its way.
    Dialing {
        /// Outbound. Its ID is ours.
        call: NamedCall,
        /// Who must prove to be there; so far nobody has.
        peer: Peer,
        /// Known before anything is sent, and never lowered.
        tier: Tier,
    },
    /// The peer was invited to a room for the two of us, and has to come before it can ring. Only in tier `matrix`.
    Inviting {
        /// Outbound.
        call: NamedCall,
        /// Has accepted nothing so far.
        peer: Peer,
    },
    /// Nobody has answered for a while, and nothing says whether it rings anywhere: in tier `matrix` nothing ever does, and there
    /// are clients (Element X) that take no such calls.
    NoSignOfRinging {
        /// Outbound; told once. It goes on until its time is over.
        call: NamedCall,
    },
    /// A call rings here (or is answered by policy).
    Incoming {
        /// Inbound. Its ID is the caller's.
        call: NamedCall,
        /// As the handshake has proven.
        peer: Peer,
        /// What it will be if it is answered.
        tier: Tier,
        /// The answer policy has accepted it already.
        accepted: bool,
        /// The conference that it asks us into; `None` in a call of two.
        conference: Option<IncomingConference>,
    },
    /// Our call rings at the peer.
    Ringing {
        /// Outbound; told when the first of the peer's devices rings.
        call: NamedCall,
    },
    /// Both called each other: our call gave way to theirs, which is accepted.
    Replaced {
        /// Outbound, and over: no `Ended` follows.
        call: NamedCall,
        /// Inbound: goes on in its place, and `Incoming` tells of it next.
        by: NamedCall,
    },
    /// Path up, peer proven, a frame of the peer opened.
    Connected {
        /// Told once in a call.
        call: NamedCall,
        /// Proven where there is a key to prove: whoever is there took part in the handshake.
        peer: Peer,
        /// Not below what the user requires.
        tier: Tier,
        /// At this moment; the path may become another one later.
        route: PathRoute,
        /// The same at both ends, unless somebody is between them. `None` in tier `matrix`, which has no keys to compare.
        safety_words: Option<SafetyWords>,
        /// Since dialing (caller) or the acceptance (callee).
        setup: Duration,
    },
    /// The first sample of the peer was played. Never told before `Connected`.
    FirstAudio {
        /// Told once in a call.
        call: NamedCall,
        /// Since dialing (caller) or the acceptance (callee). Shorter than that of `Connected` where the peer was heard before it
        /// was proven.
        setup: Duration,
    },
    /// Somebody muted or unmuted.
    Muted {
        /// Connected, if it is the peer who did; we may do so from the beginning.
        call: NamedCall,
        /// This side's microphone; else the peer's.
        local: bool,
        /// Frames of silence are sent; `false`: the microphone again.
        muted: bool,
    },
    /// Somebody has put the call on hold, or has resumed it. That the peer has is known only in tier `matrix`; where a call is
    /// sealed, it shows as muted.
    Held {
        /// Connected.
        call: NamedCall,
        /// This side; else the peer.
        local: bool,
        /// Whoever holds does not listen; `false`: it does again.
        held: bool,
    },
    /// The path of the call is of another kind than was told last.
    RouteChanged {
        /// Connected.
        call: NamedCall,
        /// From now on.
        route: PathRoute,
    },
    /// Nothing was heard from the peer for 3 s.
    Reconnecting {
        /// It ends 30 s after the last packet, unless `Reconnected` comes.
        call: NamedCall,
    },
    /// The peer is heard again.
    Reconnected {
        /// The one that was `Reconnecting`.
        call: NamedCall,
    },
    /// Another device of ours took the call or declined it. `Ended` follows.
    AnsweredElsewhere {
        /// Inbound, and rang here.
        call: NamedCall,
    },
    /// The call is over. The last event of a call, and there is always one (but for `Replaced`).
    Ended {
        /// Orders about it are refused from now on.
        call: NamedCall,
        /// Tied to one exit code.
        reason: EndReason,
        /// Since `connected`; `None` if it never was.
        connected_for: Option<Duration>,
    },
    /// Somebody called and was not answered. Follows `Ended` if it rang here.
    Missed {
        /// The last, if this stands for several.
        call: NamedCall,
        /// As the handshake has proven.
        peer: Peer,
        /// The same for all calls that this stands for.
        why: MissedReason,
        /// How many calls this stands for; `call` is the last. A call that did not ring is told at once if it is the first of its
        /// caller in a minute; the others are counted until that is over.
        calls: u32,
    },
    /// An authenticated call was refused without ringing.
    Refused {
        /// The last, if this stands for several.
        call: NamedCall,
        /// Who called, as proven by the handshake.
        peer: Peer,
        /// The rule it did not pass.
        why: RefusedReason,
        /// How many calls this stands for, as with `Missed`.
        calls: u32,
    },
    /// Something happened in a conference.
    Conference {
        /// The one that this device is in.
        conference: NamedConference,
        /// What happened in it.
        event: ConferenceEvent,
    },
    /// Calls of more strangers than are told of one by one, in the last minute. None of them rang.
    CallsOfOthers {
        /// Of all of them together.
        calls: u32,
    },
}

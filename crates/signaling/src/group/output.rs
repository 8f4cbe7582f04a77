//! What the machine of a conference wants done, and what it is told of legs.

use securecall_contact::SecureCallId;
use web_time::Instant;

use crate::{Person, Roster};

/// What is to be done with a leg that is offered to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken at once, and does not ring.
    Take,
    /// Nobody has named them yet: it waits, for [`INTRODUCTION_PATIENCE`](super::INTRODUCTION_PATIENCE) at most. Ask again after each roster.
    Wait,
    /// It is refused without a word.
    Refuse,
}

/// How a leg, or the making of one, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegEnd {
    /// The peer hung up: it leaves the conference.
    Left,
    /// The peer declined.
    Declined,
    /// The peer is in another conversation.
    Busy,
    /// Nobody answered, or no device of theirs could be reached.
    NoAnswer,
    /// Another device of ours has taken our place, the peer says.
    AnsweredElsewhere,
    /// No path was found, or it was lost.
    NoPath,
    /// Anything else.
    Failed,
    /// A call of theirs has taken its place (glare).
    Crossed,
}

/// Why we end a leg; with it goes what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndWhy {
    /// We leave the conference: `user_hangup`.
    Left,
    /// A newer leg with the same person works: `answered_elsewhere`, for the other end may be another device of theirs.
    Replaced,
    /// It does not work any more, and nothing is said of leaving: `ice_timeout`.
    NoPath,
    /// Another leg that is being made has taken its place: `unknown_error`.
    Crossed,
    /// There are too many legs: `user_busy`.
    Full,
}

/// Why somebody is not in the conference any more, or did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftWhy {
    /// They hung up.
    HungUp,
    /// They declined.
    Declined,
    /// They are in another conversation.
    Busy,
    /// They did not answer, or could not be reached.
    NoAnswer,
    /// Nobody hears them any more.
    Vanished,
    /// Who named them does so no longer.
    NotNamed,
}

/// Why the conference is over for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OverWhy {
    /// We have left.
    Left,
    /// Nobody else is in it; this is why the last one is not.
    Alone(LeftWhy),
    /// Another device of ours has taken our place.
    AnsweredElsewhere,
}

/// What the machine wants done. After each change, poll until [`MeshOutput::Timeout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeshOutput<L> {
    /// Place a call, and say [`leg_placed`](super::Mesh::leg_placed) or [`not_placed`](super::Mesh::not_placed).
    Call {
        /// Whom to call.
        person: Person,
        /// Whether they are asked in, or are in already.
        rings: bool,
        /// Who is in or invited: for the invite.
        members: Vec<Person>,
    },
    /// Say a roster on a leg.
    Tell {
        /// The leg.
        leg: L,
        /// What to say.
        roster: Roster,
    },
    /// Hang a leg up. It counts as ended already.
    EndLeg {
        /// The leg.
        leg: L,
        /// What is said.
        why: EndWhy,
    },
    /// Somebody is invited, or a member says that they are in and a leg is being made.
    Invited {
        /// Who.
        person: Person,
        /// Who brings them; `None`: we do.
        by: Option<SecureCallId>,
    },
    /// A leg with somebody works.
    Joined {
        /// Who.
        person: Person,
        /// The leg.
        leg: L,
        /// Who brought them, as far as known; `None`: we did, or nobody.
        brought_by: Option<SecureCallId>,
    },
    /// A member says that somebody is in, and no leg of ours with them has worked for [`SILENCE`](super::SILENCE).
    NoPath {
        /// Who.
        person: Person,
        /// Who says so.
        by: SecureCallId,
    },
    /// Somebody is not in any more, or did not come.
    Left {
        /// Who.
        person: Person,
        /// Why.
        why: LeftWhy,
    },
    /// Other people than before have a working leg with us: what the words of the group are made of.
    Words(Vec<SecureCallId>),
    /// The conference is over. No leg is left.
    Over(OverWhy),
    /// There is nothing more to do until then.
    Timeout(Option<Instant>),
}

impl From<LegEnd> for LeftWhy {
    fn from(end: LegEnd) -> Self {
        match end {
            LegEnd::Left => Self::HungUp,
            LegEnd::Declined => Self::Declined,
            LegEnd::Busy => Self::Busy,
            LegEnd::NoAnswer => Self::NoAnswer,
            LegEnd::AnsweredElsewhere | LegEnd::NoPath | LegEnd::Failed | LegEnd::Crossed => {
                Self::Vanished
            }
        }
    }
}

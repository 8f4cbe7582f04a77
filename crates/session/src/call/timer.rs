//! Why a call wakes up.

use std::time::Duration;

/// How long the first candidates are waited for before what is to travel with them is sent without (`docs/protocol/signaling.md`).
pub(super) const CANDIDATE_BATCH: Duration = Duration::from_millis(200);

/// How far apart candidates are sent that travel alone: the homeserver has more important messages to carry just then.
pub(super) const TRICKLE_PAUSE: Duration = Duration::from_millis(150);

/// Why a call wakes up. What carries it has deadlines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// When to send without candidates.
    CandidateBatch,
    /// When candidates may travel alone again.
    TricklePause,
    /// When to tell the caller that nothing says whether it rings.
    NoSign,
    /// When to believe that the path is dead.
    PathDead,
    /// When to give a dead path up.
    PathLost,
    /// When to make another restart offer (caller).
    RestartAgain,
    /// When to ask the caller for a restart (callee).
    RestartPlease,
    /// When to close the transport of a call that is over.
    CloseTransport,
    /// When to forget a call that is over.
    Forget,
}

//! Why a call wakes up.

use std::time::Duration;

/// How long candidates are collected before what waits for them is sent without (`docs/protocol/signaling.md`).
pub(super) const CANDIDATE_BATCH: Duration = Duration::from_millis(200);

/// Why a call wakes up. What carries it has deadlines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// When to send without the candidates that are still to come.
    CandidateBatch,
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

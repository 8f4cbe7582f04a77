//! Why an event of a call is not read.

use securecall_contact::MatrixIdError;

use crate::{PartyIdError, WireCallIdError};

/// Why an event of a call is not read. It is as if it had not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomSignalError {
    /// Not JSON, or no object.
    #[error("the content is not a JSON object (line {line}, column {column})")]
    Json {
        /// Where it went wrong.
        line: usize,
        /// Where it went wrong.
        column: usize,
    },
    /// A field that must be there is not, or is `null`.
    #[error("'{field}' is missing")]
    Missing {
        /// The field, with those that it is in.
        field: &'static str,
    },
    /// A field that holds something else than it should.
    #[error("'{field}' is not {expected}")]
    Unexpected {
        /// The field, with those that it is in.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// More of something than is allowed.
    #[error("at most {limit} {what} are allowed, not {found}")]
    TooMuch {
        /// What there is too much of: `candidates`, `bytes of a candidate` …
        what: &'static str,
        /// How much is allowed.
        limit: usize,
        /// How much there was.
        found: usize,
    },
    /// A call ID that is none.
    #[error(transparent)]
    CallId(#[from] WireCallIdError),
    /// A party ID that is none.
    #[error("'{field}': {reason}")]
    PartyId {
        /// Whose it is: the sender's, or the one that was selected.
        field: &'static str,
        /// What is wrong with it.
        reason: PartyIdError,
    },
    /// An invitee that is no Matrix ID.
    #[error("'invitee': {0}")]
    Invitee(MatrixIdError),
    /// A candidate that does not say to which m-line it belongs.
    #[error("a candidate has neither 'sdpMid' nor 'sdpMLineIndex'")]
    UnplacedCandidate,
}

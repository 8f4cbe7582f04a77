//! Why something in a room was not done.

use securecall_contact::MatrixId;

use super::facts::MAX_ROOM_MEMBERS;
use crate::ServerError;

/// Why something in a room was not done.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// This account is not in the room.
    #[error("this account is not a member of the room; join it, or let somebody invite you")]
    NotMember,
    /// The room, or the homeserver, does not allow it.
    #[error("the homeserver does not allow it: {message}")]
    Forbidden {
        /// Its own words.
        message: String,
    },
    /// There is no such room, or no such event in it.
    #[error("the homeserver knows no such room or event")]
    NotFound,
    /// There are more people in the room than a call of two is placed among.
    #[error("the room has more than {MAX_ROOM_MEMBERS} members")]
    TooManyMembers,
    /// The Matrix ID is none that this homeserver could know.
    #[error("{0} is not a usable Matrix ID")]
    BadMatrixId(String),
    /// Nobody has such an account.
    #[error("{0} cannot be invited: {1}")]
    CannotInvite(MatrixId, String),
    /// The homeserver of that account does not answer ours.
    #[error("the homeserver of {0} does not answer")]
    PeerUnreachable(MatrixId),
    /// It was not wanted any more.
    #[error("it was given up")]
    GivenUp,
    /// What was to be sent is no JSON object, or longer than an event can be, or its type or transaction ID is none.
    #[error("the event cannot be sent: {reason}")]
    BadEvent {
        /// What is wrong.
        reason: &'static str,
    },
    /// So much waits to be sent that there is no use in more.
    #[error("too many events are waiting to be sent")]
    QueueFull,
    /// The homeserver did not do it.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// The `errcode` of a refusal, if it is one.
pub(super) fn code(error: &ServerError) -> Option<&str> {
    match error {
        ServerError::Refused { code, .. } => Some(code),
        _ => None,
    }
}

impl RoomError {
    /// What a refusal means, as far as its code says so. Whether we are in the room is asked where it matters.
    pub(super) fn from_server(error: ServerError) -> Self {
        match error {
            ServerError::Refused { code, message } if code == "M_FORBIDDEN" => {
                Self::Forbidden { message }
            }
            ServerError::Refused { code, .. } if code == "M_NOT_FOUND" => Self::NotFound,
            ServerError::Refused { code, .. } if code == "M_TOO_LARGE" => Self::BadEvent {
                reason: "it is longer than the homeserver takes",
            },
            other => Self::Server(other),
        }
    }
}

//! What is asked of the homeserver.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// Which request an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// What the homeserver calls an event that it holds back (MSC4140).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayId(Arc<str>);

/// Something to be asked of the homeserver. Each is answered once, with [`GroupRoom::handle_response`](super::GroupRoom::handle_response).
/// All are about our own [`MEMBER_EVENT`](crate::wire::group_room::MEMBER_EVENT) in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What the event holds now.
    ReadMember,
    /// Write it.
    WriteMember {
        /// Its content.
        content: Value,
    },
    /// Hold one back, and send it when the delay is over (MSC4140).
    ScheduleMember {
        /// Its content.
        content: Value,
        /// For how long.
        delay: Duration,
    },
    /// Let the delay begin anew.
    RestartDelayed {
        /// What is held back.
        delay_id: DelayId,
    },
    /// Do not send it at all.
    CancelDelayed {
        /// What is held back.
        delay_id: DelayId,
    },
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// It is done.
    Done,
    /// What the event holds.
    Content(Vec<u8>),
    /// What is held back is called so.
    Delayed(DelayId),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// We may not: of power, or because we are not in the room.
    Forbidden,
    /// The homeserver cannot do that.
    Unsupported,
    /// There is no such event.
    NotFound,
    /// It could not be reached, or wants to be asked after so long.
    Later(Duration),
}

impl DelayId {
    /// The longest that is taken, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Reads an ID that the homeserver has chosen; `None` if it has no sensible length, or characters that no path has.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then(|| Self(text.into()))
    }

    /// The ID as the homeserver has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

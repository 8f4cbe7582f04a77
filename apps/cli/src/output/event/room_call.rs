//! What is told of the group call of a room, beside what is told of any group call.

use serde::Serialize;

use super::super::queue::Weight;
use super::parts::Peer;
use super::words::common_reason_words;

/// What a room keeps of a group call in it.
pub(crate) const ROOM_KEEPS_WORDS: &str = "The room keeps, for all its servers and members and until it is deleted, that you were in the call, on which device, from when to when";
/// What it means that what sets the calls up is in clear.
pub(crate) const IN_CLEAR_WORDS: &str = "What sets the calls up goes in clear to apps that cannot encrypt it: your servers and theirs can read and change it, and so listen";

/// What happened to the group call of a room.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum RoomCallEvent {
    /// Before anything is written into the room: what it is, and that it keeps who is in the call.
    RoomKeeps {
        conference_id: String,
        room_id: String,
        /// What is said in the room is encrypted. Who is in a call is not, in any room.
        encrypted: bool,
        /// Anybody may come into the room.
        public: bool,
        /// How many people are in the room.
        people: usize,
        /// There is no call, and we begin one.
        starts: bool,
        /// As `--in-clear` says.
        in_clear: bool,
    },
    /// Somebody in the call can be called with end-to-end encryption between known keys, and so is not called here.
    SealedInstead { conference_id: String, peer: Peer },
    /// Somebody's app does not encrypt what sets the calls up, and that is not allowed.
    MemberInClear { conference_id: String, peer: Peer },
}

impl RoomCallEvent {
    /// As [`Event::weight`](super::Event::weight): what a member can make at will is a remark.
    pub(super) const fn weight(&self) -> Weight {
        match self {
            Self::RoomKeeps { .. } => Weight::Outcome,
            Self::SealedInstead { .. } | Self::MemberInClear { .. } => Weight::Remark,
        }
    }

    /// As [`Event::words`](super::Event::words).
    pub(super) fn words(&self) -> String {
        match self {
            Self::RoomKeeps {
                room_id,
                public,
                people,
                starts,
                in_clear,
                ..
            } => {
                let begins = match starts {
                    true => "beginning a group call",
                    false => "joining the group call",
                };
                let anybody = match public {
                    true => "; anybody can come into it",
                    false => "",
                };
                let in_clear = match in_clear {
                    true => format!("\n  {IN_CLEAR_WORDS}"),
                    false => String::new(),
                };
                format!(
                    "{begins} of the room {room_id}, with {} in it{anybody}\n  {ROOM_KEEPS_WORDS}{in_clear}",
                    people_words(*people)
                )
            }
            Self::SealedInstead { peer, .. } => sealed_instead_words(&peer.shown()),
            Self::MemberInClear { peer, .. } => member_in_clear_words(&peer.shown()),
        }
    }
}

/// What the end of a group call means, that of a room or another.
pub(crate) fn group_reason_words(reason: &str, of_room: bool) -> &str {
    match (reason, of_room) {
        ("remote_hangup", true) => "somebody ended it for all",
        ("cancelled", true) => "you left, and nobody else was there",
        ("homeserver_refused", true) => {
            "the room does not let you be in a call; ask whoever looks after it to allow `org.matrix.msc3401.call.member`"
        }
        _ => common_reason_words(reason),
    }
}

fn people_words(people: usize) -> String {
    match people {
        1 => "1 person".to_owned(),
        _ => format!("{people} people"),
    }
}

/// What a person is told of somebody who is not called as the others in a room are, because they can be called better.
pub(crate) fn sealed_instead_words(who: &str) -> String {
    format!(
        "{who} is in the call of the room, and has a key that you know: the two of you speak end-to-end encrypted, or not at all"
    )
}

/// What a person is told of somebody whose app does not encrypt what sets the calls up.
pub(crate) fn member_in_clear_words(who: &str) -> String {
    format!(
        "the app of {who} does not encrypt what sets the calls up, so you do not hear each other; with --in-clear you would, and your servers and theirs could listen"
    )
}

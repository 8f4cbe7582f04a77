//! What is kept of the rooms in an answer to a sync.
//!
//! Whoever is in a room with us, whoever may invite us, and every homeserver between, decides how much that is. So there
//! is a bound for one room, one for all of them, and one for what it takes; what is beyond is counted, and told.

use std::collections::{BTreeMap, BTreeSet};

use ruma::OwnedUserId;
use securecall_contact::RoomId;

use super::{
    event::RoomRefusal,
    filter::RoomScope,
    group_room::follow::FollowedReader,
    invite::{InvitedRoom, RoomInvite},
    raw_event::RawEvent,
};
use crate::{
    Incoming,
    sync_scanner::{Cut, Field, Section},
};

/// Events kept of one room: what we ask for, and what a homeserver that does not look at that adds.
const MAX_EVENTS_OF_ROOM: usize = 64;

/// Events kept of all rooms, and what they may take together.
const MAX_EVENTS: usize = 512;
const MAX_EVENTS_SIZE: usize = 4 * 1024 * 1024;

/// Invitations kept of one answer. Who has more at once is being flooded.
const MAX_INVITES: usize = 64;

/// Rooms that we are told to have left, or to have missed something of.
const MAX_ROOMS_TOLD: usize = 256;

/// What is kept of the rooms in one answer.
#[derive(Debug, Default)]
pub(crate) struct RoomsAnswer {
    /// Rooms that we are invited to.
    pub(crate) invites: Vec<RoomInvite>,
    /// Events, in their order in each room.
    pub(crate) events: Vec<RawEvent>,
    /// Rooms of which events are missing.
    pub(crate) gaps: Vec<RoomId>,
    /// Rooms that we are not in any more.
    pub(crate) left: Vec<RoomId>,
    /// What is of group calls in rooms that are followed.
    pub(crate) followed: Vec<Incoming>,
    /// What was thrown away.
    pub(crate) refused: Refused,
}

/// How many things were thrown away, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeMap<RoomRefusal, usize>);

impl Refused {
    pub(crate) fn note(&mut self, reason: RoomRefusal) {
        *self.0.entry(reason).or_default() += 1;
    }

    pub(crate) fn into_counts(self) -> impl Iterator<Item = (RoomRefusal, usize)> {
        self.0.into_iter()
    }
}

/// Collects it.
#[derive(Debug)]
pub(crate) struct RoomsReader {
    own: OwnedUserId,
    /// Whether anything is wanted but what is of followed rooms.
    takes_calls: bool,
    followed: BTreeSet<RoomId>,
    of_followed: FollowedReader,
    answer: RoomsAnswer,
    /// What [`RoomsAnswer::events`] take.
    size: usize,
    at: At,
}

/// Where in the answer we are.
#[derive(Debug, Default)]
enum At {
    /// In no room, or in one that is not looked at.
    #[default]
    Nowhere,
    /// In the timeline of a room, of which so many events are kept, and that may be followed.
    Timeline {
        room: RoomId,
        events: usize,
        is_followed: bool,
    },
    /// In an invitation.
    Invited(InvitedRoom),
}

impl RoomsReader {
    pub(crate) fn new(scope: RoomScope<'_>) -> Self {
        Self {
            own: scope.own.to_owned(),
            takes_calls: scope.calls,
            followed: scope.followed.clone(),
            of_followed: FollowedReader::default(),
            answer: RoomsAnswer::default(),
            size: 0,
            at: At::Nowhere,
        }
    }

    /// Takes what the scanner has cut out.
    pub(crate) fn take(&mut self, cut: &Cut) {
        match cut.field {
            Field::Room(section) => self.enter(section, cut),
            Field::RoomEvent(_) => self.take_event(cut),
            Field::Limited if cut.bytes == b"true" => {
                if let At::Timeline {
                    room, is_followed, ..
                } = &self.at
                {
                    if *is_followed {
                        self.of_followed.note_gap(room);
                    }
                    if self.takes_calls && self.answer.gaps.len() < MAX_ROOMS_TOLD {
                        self.answer.gaps.push(room.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// All is in.
    pub(crate) fn finish(mut self) -> RoomsAnswer {
        self.leave_room();
        if !self.takes_calls {
            // Of the others nobody asks, so nobody is told what was thrown away.
            self.answer.refused = Refused::default();
        }
        RoomsAnswer {
            followed: self.of_followed.finish(),
            ..self.answer
        }
    }

    fn enter(&mut self, section: Section, id: &Cut) {
        self.leave_room();
        let Some(room) = room_id(id) else {
            self.answer.refused.note(RoomRefusal::UnusableRoom);
            return;
        };
        let is_followed = self.followed.contains(&room);
        if section == Section::Left && is_followed {
            self.of_followed.note_left(&room, self.own.as_str());
        }
        let takes_group = is_followed && section == Section::Joined;
        if !self.takes_calls && !takes_group {
            return;
        }
        if section == Section::Left {
            match self.answer.left.len() < MAX_ROOMS_TOLD {
                true => self.answer.left.push(room.clone()),
                false => self.answer.refused.note(RoomRefusal::TooMany),
            }
        }
        self.at = match section {
            Section::Joined | Section::Left => At::Timeline {
                room,
                events: 0,
                is_followed: takes_group,
            },
            Section::Invited if self.answer.invites.len() < MAX_INVITES => {
                At::Invited(InvitedRoom::new(room))
            }
            Section::Invited => {
                self.answer.refused.note(RoomRefusal::TooMany);
                At::Nowhere
            }
        };
    }

    fn leave_room(&mut self) {
        if let At::Invited(invited) = std::mem::take(&mut self.at) {
            match invited.finish(&self.own) {
                Ok(invite) => self.answer.invites.push(invite),
                Err(reason) => self.answer.refused.note(reason),
            }
        }
    }

    fn take_event(&mut self, cut: &Cut) {
        let refused = &mut self.answer.refused;
        match &mut self.at {
            At::Nowhere => {}
            At::Invited(invited) if !cut.is_too_long => invited.take(&cut.bytes),
            At::Invited(_) => refused.note(RoomRefusal::TooLong),
            At::Timeline {
                room, is_followed, ..
            } if cut.is_too_long => {
                if *is_followed {
                    self.of_followed.note_gap(room);
                }
                refused.note(RoomRefusal::TooLong);
            }
            At::Timeline {
                room,
                events,
                is_followed,
            } => {
                if *is_followed {
                    self.of_followed.take(room, &cut.bytes, self.own.as_str());
                }
                if !self.takes_calls {
                    return;
                }
                let has_room = *events < MAX_EVENTS_OF_ROOM
                    && self.answer.events.len() < MAX_EVENTS
                    && self.size + cut.bytes.len() <= MAX_EVENTS_SIZE;
                if !has_room {
                    return refused.note(RoomRefusal::TooMany);
                }
                match RawEvent::read(room, &cut.bytes) {
                    Ok(Some(event)) => {
                        *events += 1;
                        self.size += cut.bytes.len();
                        self.answer.events.push(event);
                    }
                    Ok(None) => {}
                    Err(reason) => refused.note(reason),
                }
            }
        }
    }
}

/// The ID of a room, as the scanner cuts it out: with its escapes.
fn room_id(cut: &Cut) -> Option<RoomId> {
    let key = std::str::from_utf8(&cut.bytes).ok()?;
    let text: String = serde_json::from_str(&format!("\"{key}\"")).ok()?;
    match cut.is_too_long {
        true => None,
        false => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;

//! What is told of group calls and their legs.

use securecall_driver::{
    CallEvent, CallHandle, ConferenceEvent, IncomingConference, NamedCall, NamedConference,
};

use super::{Narrator, milliseconds};
use crate::output::{Event, GroupEvent, IncomingGroup, LegEvent, Peer, RoomCallEvent};

impl Narrator {
    /// What is to be told of a group call.
    pub(super) fn tell_group(
        &self,
        conference: NamedConference,
        event: &ConferenceEvent,
    ) -> Option<Event> {
        let conference_id = conference.to_string();
        Some(Event::Group(match event {
            ConferenceEvent::Keeps(room) => {
                return Some(Event::RoomCall(RoomCallEvent::RoomKeeps {
                    conference_id,
                    room_id: room.room.to_string(),
                    encrypted: room.is_encrypted,
                    public: room.is_public,
                    people: room.people,
                    starts: room.starts,
                    in_clear: room.in_clear,
                }));
            }
            ConferenceEvent::SealedInstead { peer } => {
                return Some(Event::RoomCall(RoomCallEvent::SealedInstead {
                    conference_id,
                    peer: self.to_peer(peer),
                }));
            }
            ConferenceEvent::InClearRefused { peer } => {
                return Some(Event::RoomCall(RoomCallEvent::MemberInClear {
                    conference_id,
                    peer: self.to_peer(peer),
                }));
            }
            ConferenceEvent::Began { call } => GroupEvent::Conference {
                conference_id,
                call_id: call.as_ref().map(NamedCall::to_string),
            },
            ConferenceEvent::Muted { muted } => {
                let muted = Event::Muted {
                    call_id: None,
                    muted: *muted,
                    by: "self",
                };
                let muted = LegEvent::of_all(muted, conference_id);
                return Some(Event::Leg(Box::new(muted)));
            }
            // The leg's own events say it.
            ConferenceEvent::Leg { .. } => return None,
            ConferenceEvent::Invited { peer, by } => GroupEvent::MemberInvited {
                conference_id,
                peer: self.to_peer(peer),
                by: by.as_ref().map(|by| self.to_peer(by)),
            },
            ConferenceEvent::Joined {
                call,
                peer,
                brought_by,
            } => GroupEvent::MemberJoined {
                conference_id,
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                brought_by: brought_by.as_ref().map(|by| self.to_peer(by)),
            },
            ConferenceEvent::Left { peer, why } => GroupEvent::MemberLeft {
                conference_id,
                peer: self.to_peer(peer),
                why: why.as_str(),
            },
            ConferenceEvent::NoPath { peer } => GroupEvent::MemberNoPath {
                conference_id,
                peer: self.to_peer(peer),
            },
            ConferenceEvent::Words(words) => GroupEvent::GroupWords {
                conference_id,
                words: words.words().map(str::to_owned).to_vec(),
            },
            ConferenceEvent::Replaced { by } => GroupEvent::ConferenceReplaced {
                conference_id,
                by: by.to_string(),
            },
            ConferenceEvent::Ended {
                reason,
                connected_for,
            } => GroupEvent::ConferenceEnded {
                conference_id,
                reason: reason.as_str(),
                duration_ms: connected_for.map_or(0, milliseconds),
                of_room: self.room_call == Some(conference.handle),
            },
        }))
    }

    /// In a call of two, who speaks is no news.
    pub(super) fn tell_speaking(&self, call: CallHandle, speaking: bool) -> Option<Event> {
        let (known, conference) = self.calls.leg(call)?;
        Some(Event::Group(GroupEvent::Speaking {
            conference_id: conference.to_string(),
            call_id: known.call.to_string(),
            peer: self.to_peer(&known.peer),
            speaking,
        }))
    }

    /// The group call that somebody calls us to.
    pub(super) fn to_group(&self, asked: &IncomingConference) -> IncomingGroup {
        let members = asked.members.iter();
        IncomingGroup {
            conference_id: asked.conference.to_string(),
            members: members.map(|it| self.to_peer(it)).collect(),
        }
    }

    /// Of which group call a call is a leg, and with whom.
    pub(super) fn leg(&self, call: CallHandle) -> Option<(String, Peer)> {
        let (known, conference) = self.calls.leg(call)?;
        Some((conference.to_string(), self.to_peer(&known.peer)))
    }

    /// In another group call nothing was told yet of whether we are muted.
    pub(super) fn follow_group(&mut self, event: &CallEvent) {
        let CallEvent::Conference { conference, event } = event else {
            return;
        };
        match event {
            ConferenceEvent::Began { .. } => self.is_muted = None,
            ConferenceEvent::Muted { muted } => self.is_muted = Some(*muted),
            ConferenceEvent::Keeps(_) => self.room_call = Some(conference.handle),
            _ => {}
        }
    }
}

//! What is told of group calls, which are between SecureCall users only.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::queue::Weight;
use super::Event;
use super::parts::Peer;
use super::room_call::group_reason_words;
use super::words::{common_reason_words, lasted};

/// What happened to a group call.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum GroupEvent {
    /// We are in a group call from now on.
    Conference {
        conference_id: String,
        /// The call that rang here, or that was between two: a leg of the group call now.
        call_id: Option<String>,
    },
    /// Somebody is being called.
    MemberInvited {
        conference_id: String,
        peer: Peer,
        /// By whom; null where we call them.
        by: Option<Peer>,
    },
    /// Somebody is proven and connected with us.
    MemberJoined {
        conference_id: String,
        call_id: String,
        peer: Peer,
        /// Who has named them to us; null where we have called them, or they us.
        brought_by: Option<Peer>,
    },
    /// Somebody is not in the group call any more, or did not come.
    MemberLeft {
        conference_id: String,
        peer: Peer,
        why: &'static str,
    },
    /// Somebody is in the group call, and there is no path between us.
    MemberNoPath { conference_id: String, peer: Peer },
    /// Somebody begins or ceases to speak, as it is heard here.
    Speaking {
        conference_id: String,
        call_id: String,
        peer: Peer,
        speaking: bool,
    },
    /// What two members can compare: who is there.
    GroupWords {
        conference_id: String,
        words: Vec<String>,
    },
    /// Our group call gave way to another, whose people have called us at the same time.
    ConferenceReplaced { conference_id: String, by: String },
    /// We are not in the group call any more.
    ConferenceEnded {
        conference_id: String,
        reason: &'static str,
        duration_ms: u64,
        /// It is that of a room: what the words are chosen by.
        #[serde(skip)]
        of_room: bool,
    },
}

impl GroupEvent {
    /// As [`Event::weight`]: what a member can make at will is a remark.
    pub(super) const fn weight(&self) -> Weight {
        match self {
            Self::MemberInvited { .. }
            | Self::MemberLeft { .. }
            | Self::MemberNoPath { .. }
            | Self::Speaking { .. }
            | Self::GroupWords { .. } => Weight::Remark,
            Self::Conference { .. }
            | Self::MemberJoined { .. }
            | Self::ConferenceReplaced { .. }
            | Self::ConferenceEnded { .. } => Weight::Outcome,
        }
    }

    /// As [`Event::words`].
    pub(super) fn words(&self) -> Option<String> {
        Some(match self {
            Self::Conference { call_id: None, .. } | Self::Speaking { .. } => return None,
            Self::Conference {
                call_id: Some(_), ..
            } => "this is a group call now".to_owned(),
            Self::MemberInvited { peer, by, .. } => {
                invited_words(&peer.shown(), by.as_ref().map(Peer::shown).as_deref())
            }
            Self::MemberJoined {
                peer, brought_by, ..
            } => joined_words(
                &peer.shown(),
                brought_by.as_ref().map(Peer::shown).as_deref(),
            ),
            Self::MemberLeft { peer, why, .. } => left_words(&peer.shown(), why),
            Self::MemberNoPath { peer, .. } => no_path_words(&peer.shown()),
            Self::GroupWords { words, .. } => format!(
                "group words: {}\n  the same for everybody who sees the same people",
                words.join(" ")
            ),
            Self::ConferenceReplaced { .. } => {
                "both called a group at once: it is theirs".to_owned()
            }
            Self::ConferenceEnded {
                reason,
                duration_ms,
                of_room,
                ..
            } => format!(
                "group call ended{}: {}",
                lasted(*duration_ms),
                group_reason_words(reason, *of_room)
            ),
        })
    }
}

/// What happened to one leg of a group call: a call with one member.
#[derive(Debug)]
pub(crate) struct LegEvent {
    event: Event,
    conference_id: String,
    /// With whom; where the event does not say so itself.
    peer: Option<Peer>,
}

impl LegEvent {
    /// What happened to the call with `peer`.
    pub(crate) fn new(event: Event, conference_id: String, peer: Peer) -> Self {
        let peer = Some(peer).filter(|_| !event.names_peer());
        Self {
            event,
            conference_id,
            peer,
        }
    }

    /// What happened to all legs at once, told of one.
    pub(crate) const fn of_all(event: Event, conference_id: String) -> Self {
        Self {
            event,
            conference_id,
            peer: None,
        }
    }

    /// As [`Event::weight`].
    pub(super) const fn weight(&self) -> Weight {
        self.event.weight()
    }

    /// As [`Event::words`]: of whom it is said comes first.
    pub(super) fn words(&self, terminal: bool) -> Option<String> {
        // The group call says who is called, who came and who left.
        if matches!(self.event, Event::Dialing { .. } | Event::Ended { .. }) {
            return None;
        }
        let words = self.event.words(terminal)?;
        Some(match &self.peer {
            Some(peer) => format!("{}: {words}", peer.shown()),
            None => words,
        })
    }
}

/// The event's own fields, and ours.
impl Serialize for LegEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Flattened by hand: an event that holds an event has no end for the derive.
        let mut value = serde_json::to_value(&self.event).map_err(S::Error::custom)?;
        if let Value::Object(fields) = &mut value {
            fields.insert(
                "conference_id".to_owned(),
                self.conference_id.as_str().into(),
            );
            if let Some(peer) = &self.peer {
                let peer = serde_json::to_value(peer).map_err(S::Error::custom)?;
                fields.insert("peer".to_owned(), peer);
            }
        }
        value.serialize(serializer)
    }
}

/// With whom somebody calls who calls a group.
#[derive(Debug, Serialize)]
pub(crate) struct IncomingGroup {
    pub(crate) conference_id: String,
    /// Who is in the group call or invited to it, as the caller says: without the caller and ourselves.
    pub(crate) members: Vec<Peer>,
}

impl IncomingGroup {
    /// What a person is told.
    pub(super) fn words(&self) -> String {
        let members: Vec<String> = self.members.iter().map(Peer::shown).collect();
        with_words(&members)
    }
}

/// With whom a group call is.
pub(crate) fn with_words(members: &[String]) -> String {
    match members {
        [] => "to a group call".to_owned(),
        members => format!("to a group call with {}", members.join(", ")),
    }
}

fn invited_words(who: &str, by: Option<&str>) -> String {
    match by {
        Some(by) => format!("{by} calls {who}"),
        None => format!("calling {who}"),
    }
}

fn joined_words(who: &str, brought_by: Option<&str>) -> String {
    match brought_by {
        Some(by) => format!("{who} is in the group call, brought by {by}"),
        None => format!("{who} is in the group call"),
    }
}

fn left_words(who: &str, why: &str) -> String {
    format!("{who} is not in the group call: {}", left_reason_words(why))
}

fn no_path_words(who: &str) -> String {
    format!("{who} is in the group call, and no network path to them was found; trying on")
}

/// Why somebody is not there, in words.
pub(crate) fn left_reason_words(why: &str) -> &str {
    match why {
        "hung_up" => "they hung up",
        "vanished" => "nothing was heard from them any more",
        "declined" => "they declined",
        "not_named" => "they did not come",
        "blocked" => "they are blocked here",
        "not_allowed" => {
            "a call with them is not allowed here: another key than their address stands for, or no relay for somebody who is no contact"
        }
        other => common_reason_words(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer(name: &str) -> Peer {
        Peer {
            id: Some("i".repeat(56)),
            matrix_id: Some("@ada:example.org".to_owned()),
            name: Some(name.to_owned()),
            new_address: false,
            verified: false,
            device_id: None,
        }
    }

    fn of_leg(event: Event) -> Event {
        Event::Leg(Box::new(LegEvent::new(event, "c0".to_owned(), peer("Ada"))))
    }

    #[test]
    fn an_event_of_a_leg_has_its_own_fields_and_whom_it_is_about() {
        let ringing = of_leg(Event::Ringing {
            call_id: "x".to_owned(),
        });
        let told = serde_json::to_value(&ringing).unwrap();
        assert_eq!(
            (&told["event"], &told["call_id"], &told["conference_id"]),
            (&json!("ringing"), &json!("x"), &json!("c0"))
        );
        assert_eq!(told["peer"]["name"], "Ada");
        assert_eq!(ringing.words(false).unwrap(), "Ada: ringing");
        // One that names the peer already does so once.
        let dialing = of_leg(Event::Dialing {
            call_id: "x".to_owned(),
            peer: peer("Bo"),
            tier: "securecall",
            startup_ms: 1,
        });
        let text = serde_json::to_string(&dialing).unwrap();
        assert_eq!(text.matches("\"peer\"").count(), 1, "{text}");
        assert_eq!(dialing.words(false), None);
    }

    #[test]
    fn what_happens_to_a_group_is_told_with_its_names() {
        let joined = Event::Group(GroupEvent::MemberJoined {
            conference_id: "c0".to_owned(),
            call_id: "x".to_owned(),
            peer: peer("Ada"),
            brought_by: Some(peer("Bo")),
        });
        let told = serde_json::to_value(&joined).unwrap();
        assert_eq!(
            (
                &told["event"],
                &told["peer"]["name"],
                &told["brought_by"]["name"]
            ),
            (&json!("member_joined"), &json!("Ada"), &json!("Bo"))
        );
        assert_eq!(
            joined.words(false).unwrap(),
            "Ada is in the group call, brought by Bo"
        );
    }

    #[test]
    fn every_reason_has_words_and_is_in_the_manual() {
        use securecall_driver::LeftReason;

        let manual = include_str!("../../../../../docs/cli.md");
        // Reasons of other events have names like these, in tables of their own.
        let (_, table) = manual.split_once("### `member_left.why`").unwrap();
        let (table, _) = table.split_once("\n#").unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut listed: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let mut names = LeftReason::ALL.map(LeftReason::as_str).to_vec();
        for name in &names {
            assert_ne!(left_reason_words(name), *name);
        }
        listed.sort_unstable();
        names.sort_unstable();
        assert_eq!(listed, names);
    }

    #[test]
    fn a_group_that_rings_says_who_is_there_and_a_call_that_rings_says_nothing_new() {
        let incoming = |group| {
            serde_json::to_value(Event::Incoming {
                call_id: "x".to_owned(),
                peer: peer("Ada"),
                tier: "securecall",
                answered: false,
                group,
            })
            .unwrap()
        };
        let alone = incoming(None);
        assert_eq!(alone.get("conference_id"), None);
        assert_eq!(alone.as_object().unwrap().len(), 5);
        let group = incoming(Some(IncomingGroup {
            conference_id: "c0".to_owned(),
            members: vec![peer("Bo")],
        }));
        assert_eq!(group["conference_id"], "c0");
        assert_eq!(group["members"][0]["name"], Value::from("Bo"));
    }
}

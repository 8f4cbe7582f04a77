//! The state of a room, as far as group calls are concerned.
//!
//! A homeserver hands out all of it: of a large room that is many megabytes, of which next to nothing is for us. So it goes
//! through the scanner as it comes in, as a sync does, and what is kept is bounded.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use ruma::api::client::state::get_state_events;
use securecall_contact::{MatrixId, RoomId};
use serde::Deserialize;

use super::{
    event::{GroupRoomEvent, GroupRoomEventType},
    follow::read_member,
};
use crate::{
    Account, ServerError,
    patience::patiently,
    rooms::{
        error::{RoomError, code},
        event::Membership,
        ids::AsRuma as _,
    },
    sync_scanner::{Cut, Field, SyncScanner, UnreadableSync},
};

/// Calls of a room that are kept: the newest.
pub const MAX_GROUP_ROOM_CALLS: usize = 32;

/// Users whose member events are kept: those of the newest.
pub const MAX_GROUP_ROOM_USERS: usize = 500;

/// What all events that are kept may take.
const MAX_SIZE: usize = 4 * 1024 * 1024;

/// Events that are looked at. No room has as many, and each costs something.
const MAX_EVENTS: usize = 400_000;

/// Members of the room whose names are remembered until all is read. Others are none.
const MAX_MEMBERS: usize = 50_000;

const MEMBER: &str = "m.room.member";
const ENCRYPTION: &str = "m.room.encryption";
const JOIN_RULES: &str = "m.room.join_rules";
const HISTORY: &str = "m.room.history_visibility";

/// The state of a room, as far as group calls are concerned. All of it is the homeserver's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRoomState {
    /// The newest [`MAX_GROUP_ROOM_CALLS`] calls, and member events of [`MAX_GROUP_ROOM_USERS`] users.
    pub events: Vec<GroupRoomEvent>,
    /// Those of them who have joined the room; others have left it with their member event behind.
    pub joined: Vec<MatrixId>,
    /// How many people, and others, have joined the room.
    pub members: usize,
    /// Whether the room is encrypted, or has ever been seen to be. What this page is about never is.
    pub is_encrypted: bool,
    /// Whether anybody may join the room, or read it without.
    pub is_public: bool,
    /// The homeserver's clock, in Unix ms to the second, if it says so.
    pub homeserver_ms: Option<u64>,
}

impl Account {
    /// Asks for the state of a room, now. Follow the room before, and nothing is missed.
    ///
    /// # Errors
    ///
    /// When we are not in it, or when the homeserver cannot be asked.
    pub async fn group_room_state(&self, room: &RoomId) -> Result<GroupRoomState, RoomError> {
        let request = get_state_events::v3::Request::new(room.as_ruma().to_owned());
        let ask = || async {
            let reader = || StateReader::new(room.clone(), self.matrix_id().clone());
            let state = self.client().room_state(request.clone(), reader).await;
            state.map_err(|error| ServerError::from_http(&error))
        };
        let mut state = match patiently(ask).await {
            Err(error) if code(&error) == Some("M_FORBIDDEN") => return Err(RoomError::NotMember),
            other => other.map_err(RoomError::from_server)?,
        };
        // To those who have left it, the state of then is told.
        if !state.joined.remove(self.matrix_id().as_str()) {
            return Err(RoomError::NotMember);
        }
        if state.room.is_encrypted {
            self.olm().remember_encrypted(room).await?;
        } else {
            state.room.is_encrypted = self.olm().is_known_encrypted(room).await?;
        }
        Ok(state.room)
    }
}

/// Reads the state of a room, in pieces of any size.
#[derive(Debug)]
pub(crate) struct StateReader {
    scanner: SyncScanner,
    read: ReadSoFar,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct RoomStateAnswer {
    pub(crate) room: GroupRoomState,
    /// All who have joined, as far as they are remembered.
    joined: BTreeSet<String>,
}

#[derive(Debug)]
struct ReadSoFar {
    room: RoomId,
    own: MatrixId,
    /// Events so far.
    events: usize,
    answer: RoomStateAnswer,
    calls: Newest,
    users: Newest,
}

/// The newest events of one type, one for each state key.
#[derive(Debug)]
struct Newest {
    at_most: usize,
    size: usize,
    by_age: BTreeMap<(u64, String), GroupRoomEvent>,
}

impl Newest {
    fn new(at_most: usize) -> Self {
        Self {
            at_most,
            size: 0,
            by_age: BTreeMap::new(),
        }
    }

    fn push(&mut self, event: GroupRoomEvent) {
        self.size += event.content.len();
        let key = (event.sent_ms, event.state_key.clone());
        let replaced = self.by_age.insert(key, event);
        self.size -= replaced.map_or(0, |it| it.content.len());
        while self.by_age.len() > self.at_most || self.size > MAX_SIZE / 2 {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return;
            };
            self.size -= oldest.content.len();
        }
    }
}

impl StateReader {
    pub(crate) fn new(room: RoomId, own: MatrixId) -> Self {
        Self {
            scanner: SyncScanner::of_state(),
            read: ReadSoFar {
                room,
                own,
                events: 0,
                answer: RoomStateAnswer::default(),
                calls: Newest::new(MAX_GROUP_ROOM_CALLS),
                users: Newest::new(MAX_GROUP_ROOM_USERS),
            },
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// When this is not JSON, nested too deeply, or of more events than any room has.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), UnreadableSync> {
        let Self { scanner, read } = self;
        scanner.read(bytes, |cut| {
            if read.events == MAX_EVENTS {
                return Err(UnreadableSync);
            }
            read.events += 1;
            read.take(&cut);
            Ok(())
        })
    }

    /// All bytes are in.
    ///
    /// # Errors
    ///
    /// When that is not the whole state of a room.
    pub(crate) fn finish(self) -> Result<RoomStateAnswer, UnreadableSync> {
        if !self.scanner.is_whole() {
            return Err(UnreadableSync);
        }
        let ReadSoFar {
            mut answer,
            calls,
            users,
            ..
        } = self.read;
        let is_here = |event: &&GroupRoomEvent| answer.joined.contains(event.sender.as_str());
        let here = users.by_age.values().filter(is_here);
        answer.room.joined = here.map(|event| event.sender.clone()).collect();
        let events = calls.by_age.into_values().chain(users.by_age.into_values());
        answer.room.events = events.collect();
        Ok(answer)
    }
}

impl ReadSoFar {
    fn take(&mut self, cut: &Cut) {
        #[derive(Deserialize)]
        struct Type<'a> {
            #[serde(borrow)]
            r#type: Cow<'a, str>,
        }
        // One that is too long ends nowhere.
        if cut.is_too_long || !matches!(cut.field, Field::RoomEvent(_)) {
            return;
        }
        let Ok(Type { r#type }) = serde_json::from_slice(&cut.bytes) else {
            return;
        };
        match &*r#type {
            MEMBER => {
                if let Some((user, membership)) = read_member(&cut.bytes) {
                    self.take_member(&user, membership);
                }
            }
            ENCRYPTION | JOIN_RULES | HISTORY => self.take_other(&cut.bytes),
            _ => match GroupRoomEvent::read(&self.room, &cut.bytes) {
                Some(event) if event.event_type == GroupRoomEventType::Call => {
                    self.calls.push(event);
                }
                Some(event) => self.users.push(event),
                None => {}
            },
        }
    }

    fn take_member(&mut self, user: &MatrixId, membership: Membership) {
        let RoomStateAnswer { room, joined } = &mut self.answer;
        if membership == Membership::Joined {
            room.members += 1;
            if joined.len() < MAX_MEMBERS || *user == self.own {
                joined.insert(user.as_str().to_owned());
            }
        }
    }

    /// What the room is like.
    fn take_other(&mut self, json: &[u8]) {
        #[derive(Deserialize)]
        struct Event {
            r#type: String,
            state_key: String,
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            join_rule: Option<String>,
            history_visibility: Option<String>,
        }
        let Ok(Event {
            r#type,
            state_key,
            content,
        }) = serde_json::from_slice(json)
        else {
            return;
        };
        let room = &mut self.answer.room;
        match (r#type.as_str(), state_key.as_str()) {
            (ENCRYPTION, "") => room.is_encrypted = true,
            (JOIN_RULES, "") => {
                room.is_public |= content.join_rule.as_deref() == Some("public");
            }
            (HISTORY, "") => {
                room.is_public |= content.history_visibility.as_deref() == Some("world_readable");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OWN: &str = "@own:b.test";

    fn event(event_type: &str, key: &str, content: &Value) -> Value {
        json!({ "type": event_type, "state_key": key, "sender": key, "origin_server_ts": 1, "content": content })
    }

    fn member(user: &str, membership: &str) -> Value {
        event("m.room.member", user, &json!({ "membership": membership }))
    }

    fn in_call(user: &str, sent_ms: u64) -> Value {
        let mut event = event(GroupRoomEventType::Member.as_str(), user, &json!({}));
        event["origin_server_ts"] = sent_ms.into();
        event
    }

    fn call(id: &str, sent_ms: u64, content: &Value) -> Value {
        let mut event = event(GroupRoomEventType::Call.as_str(), id, content);
        event["origin_server_ts"] = sent_ms.into();
        event["sender"] = "@a:b.test".into();
        event
    }

    fn try_read(text: &str) -> Result<RoomStateAnswer, UnreadableSync> {
        let mut reader = StateReader::new("!r".parse().unwrap(), OWN.parse().unwrap());
        for piece in text.as_bytes().chunks(7) {
            reader.read(piece)?;
        }
        reader.finish()
    }

    fn read(events: &[Value]) -> RoomStateAnswer {
        try_read(&Value::from(events).to_string()).unwrap()
    }

    #[test]
    fn the_newest_calls_and_users_are_kept_and_who_of_them_is_there() {
        let mut events = vec![member(OWN, "join")];
        for n in 0..2_000_u64 {
            let user = format!("@{n}:b.test");
            events.push(in_call(&user, n));
            // Every other has left, and its event is still there.
            events.push(member(&user, if n % 2 == 0 { "join" } else { "leave" }));
            events.push(call(&format!("c{n}"), n, &json!({})));
        }
        // Of the same age.
        events.push(call("d", 1_999, &json!({})));
        let answer = read(&events);
        let of_type = |event_type| {
            let events = answer.room.events.iter();
            let kept = events.filter(move |event| event.event_type == event_type);
            kept.map(|event| event.sent_ms).collect::<Vec<_>>()
        };
        let calls = of_type(GroupRoomEventType::Call);
        assert_eq!(calls.len(), MAX_GROUP_ROOM_CALLS);
        assert!(calls.iter().all(|sent| *sent >= 2_000 - 31), "{calls:?}");
        assert_eq!(
            of_type(GroupRoomEventType::Member),
            (1_500..2_000).collect::<Vec<_>>()
        );
        assert_eq!(answer.room.joined.len(), MAX_GROUP_ROOM_USERS / 2);
        assert_eq!(answer.room.members, 1_001);
        assert!(answer.joined.contains(OWN));
    }

    #[test]
    fn what_is_kept_takes_no_more_than_it_may() {
        let large = json!({ "x": "y".repeat(60 * 1024) });
        let users = (0..100).map(|n| {
            let mut event = in_call(&format!("@{n}:b.test"), n);
            event["content"] = large.clone();
            event
        });
        let kept = read(&users.collect::<Vec<_>>()).room.events;
        assert!(kept.len() * 60 * 1024 <= MAX_SIZE / 2 && kept.len() > 20);
        // The same call again and again is one.
        let again: Vec<_> = (0..100).map(|_| call("c", 5, &large)).collect();
        assert_eq!(read(&again).room.events.len(), 1);
    }

    #[test]
    fn a_state_of_more_events_than_any_room_has_is_refused() {
        let of = |events: usize| {
            let mut reader = StateReader::new("!r".parse().unwrap(), OWN.parse().unwrap());
            let text = format!("[{}{{}}]", "{},".repeat(events - 1));
            reader.read(text.as_bytes()).and_then(|()| reader.finish())
        };
        assert!(of(MAX_EVENTS).is_ok());
        assert!(of(MAX_EVENTS + 1).is_err());
    }

    #[test]
    fn a_crowd_is_not_remembered_but_counted_and_we_are_among_it() {
        let crowd = (0..MAX_MEMBERS).map(|n| member(&format!("@{n}:b.test"), "join"));
        let late = ["@late:b.test", OWN].map(|user| member(user, "join"));
        let talking = [in_call("@late:b.test", 1), in_call("@7:b.test", 2)];
        let events: Vec<_> = crowd.chain(late).chain(talking).collect();
        let answer = read(&events);
        assert_eq!(answer.room.members, MAX_MEMBERS + 2);
        assert_eq!(answer.room.joined, ["@7:b.test".parse().unwrap()]);
        assert!(answer.joined.contains(OWN) && !answer.joined.contains("@late:b.test"));
    }

    #[test]
    fn what_a_room_is_like_is_read_and_what_only_looks_like_it_is_not() {
        let rule = |rule: &str| event("m.room.join_rules", "", &json!({ "join_rule": rule }));
        let history = |who: &str| {
            event(
                "m.room.history_visibility",
                "",
                &json!({ "history_visibility": who }),
            )
        };
        let encrypted = event("m.room.encryption", "", &json!({}));
        for (events, is_encrypted, is_public) in [
            (vec![], false, false),
            (vec![rule("invite"), history("shared")], false, false),
            (vec![rule("public")], false, true),
            (vec![rule("invite"), history("world_readable")], false, true),
            (vec![encrypted, history("joined")], true, false),
            (
                vec![
                    event("m.room.encryption", "x", &json!({})),
                    event("m.room.join_rules", "x", &json!({ "join_rule": "public" })),
                    // The key of one, the content of another.
                    event("m.room.name", "", &json!({ "join_rule": "public" })),
                ],
                false,
                false,
            ),
        ] {
            let room = read(&events).room;
            assert_eq!(
                (room.is_encrypted, room.is_public),
                (is_encrypted, is_public),
                "{events:?}"
            );
        }
    }

    #[test]
    fn what_is_no_list_of_events_is_refused_and_what_is_in_it_may_be_anything() {
        let deep = format!("[{}", "[".repeat(10_000));
        for text in ["", "{}", "1", "[", "[1}", "[][]", "[{}", &deep, "<html>"] {
            assert!(try_read(text).is_err(), "{text:.20}");
        }
        let odd = json!([
            1, null, "x", [[]], {},
            { "type": "m.room.member", "state_key": 1, "content": {} },
            { "type": "m.room.member", "state_key": "nobody", "content": { "membership": "join" } },
            { "rooms": { "join": { "!x": { "timeline": { "events": [in_call("@a:b.test", 1)] } } } } },
        ]);
        let answer = try_read(&odd.to_string()).unwrap();
        assert_eq!(answer.room, GroupRoomState::default());
    }
}

//! Group calls in rooms at a real Synapse, and at a Dendrite, which has no delayed events.

use std::{sync::OnceLock, time::Duration};

use securecall_contact::RoomId;
use securecall_interop::{Dendrite, HomeserverOptions, Synapse};
use securecall_matrix::{
    GroupRoomEventType, GroupRoomKey, GroupRoomState, Homeserver, Inbox, Incoming, RoomError,
    StateFailure,
};
use serde_json::{Value, json};

use crate::people::{Person, fresh_name, signal};

mod signals;

const INVITE: &str = "m.call.invite";

/// One that holds events back, and one that cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Synapse,
    Dendrite,
}

use At::{Dendrite as AtDendrite, Synapse as AtSynapse};

impl At {
    fn server(self) -> &'static dyn securecall_interop::Homeserver {
        static SYNAPSE: OnceLock<Synapse> = OnceLock::new();
        static DENDRITE: OnceLock<Dendrite> = OnceLock::new();
        let options = || HomeserverOptions {
            delayed_events: self == Self::Synapse,
            ..HomeserverOptions::default()
        };
        match self {
            Self::Synapse => SYNAPSE.get_or_init(|| Synapse::start(options()).unwrap()),
            Self::Dendrite => DENDRITE.get_or_init(|| Dendrite::start(options()).unwrap()),
        }
    }

    async fn person(self) -> Person {
        let homeserver = Homeserver::new(&self.server().base_url()).unwrap();
        Person::at(&homeserver, &fresh_name()).await
    }

    /// A room that anybody may join, with an alias. Whoever is in it may be in group calls, and begin one.
    async fn room(self) -> Room {
        let owner = Owner::new(self.server());
        let alias = fresh_name();
        let levels = json!({"events": {
            GroupRoomEventType::Call.as_str(): 0,
            GroupRoomEventType::Member.as_str(): 0,
        }});
        let room = owner.ask(
            "POST",
            "createRoom",
            &json!({
                "preset": "public_chat",
                "room_alias_name": alias,
                "power_level_content_override": levels,
            }),
        );
        let id = room["room_id"].as_str().unwrap();
        Room {
            id: id.parse().unwrap(),
            alias: format!("#{alias}:{}", self.server().server_name()),
            owner,
        }
    }
}

struct Room {
    owner: Owner,
    id: RoomId,
    alias: String,
}

/// Whoever made the room, with a client of another kind.
struct Owner {
    server: &'static dyn securecall_interop::Homeserver,
    matrix_id: String,
    token: String,
}

impl Owner {
    fn new(server: &'static dyn securecall_interop::Homeserver) -> Self {
        let account = json!({
            "username": fresh_name(), "password": "secret password", "auth": {"type": "m.login.dummy"},
        });
        let (code, told) = request(
            server,
            ("POST", "/_matrix/client/v3/register"),
            None,
            &account,
        );
        assert_eq!(code, 200, "{told}");
        let field = |name: &str| told[name].as_str().unwrap().to_owned();
        Self {
            server,
            matrix_id: field("user_id"),
            token: field("access_token"),
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/_matrix/client/v3/{path}");
        let (code, told) = request(self.server, (method, &path), Some(&self.token), body);
        assert_eq!(code, 200, "{path}: {told}");
        told
    }

    fn write(&self, room: &RoomId, event_type: GroupRoomEventType, key: &str, content: &Value) {
        let path = format!("rooms/{room}/state/{}/{key}", event_type.as_str());
        self.ask("PUT", &path, content);
    }

    fn say_in_clear(&self, to: &Person, content: &str) {
        let device = &to.account.own_device().device_id;
        let user = to.account.matrix_id();
        let content: Value = serde_json::from_str(content).unwrap();
        let body = json!({"messages": {user.as_str(): {device.as_str(): content}}});
        self.ask(
            "PUT",
            &format!("sendToDevice/{INVITE}/{}", fresh_name()),
            &body,
        );
    }
}

/// The status code and the body of the answer.
fn request(
    server: &dyn securecall_interop::Homeserver,
    (method, path): (&str, &str),
    token: Option<&str>,
    body: &Value,
) -> (u16, Value) {
    use std::io::{Read as _, Write as _};
    let authorization = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let body = body.to_string();
    // To HTTP/1.0 there are no answers in chunks.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: x\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, serde_json::from_str(body).unwrap())
}

fn call<'a>(room: &'a RoomId, id: &'a str) -> GroupRoomKey<'a> {
    GroupRoomKey {
        room,
        event_type: GroupRoomEventType::Call,
        state_key: id,
    }
}

fn member<'a>(room: &'a RoomId, person: &'a Person) -> GroupRoomKey<'a> {
    GroupRoomKey {
        room,
        event_type: GroupRoomEventType::Member,
        state_key: person.account.matrix_id().as_str(),
    }
}

/// The next thing of group calls, whatever comes before it.
async fn next(inbox: &mut Inbox) -> Incoming {
    loop {
        match inbox.next().await.unwrap() {
            Incoming::SyncComplete | Incoming::Room(_) => {}
            other => return other,
        }
    }
}

/// The key and the content of the next state event.
async fn next_event(inbox: &mut Inbox) -> (GroupRoomEventType, String, Value) {
    match next(inbox).await {
        Incoming::GroupRoom(event) => (
            event.event_type,
            event.state_key,
            serde_json::from_str(&event.content).unwrap(),
        ),
        other => panic!("{other:?}"),
    }
}

fn contents(state: &GroupRoomState, event_type: GroupRoomEventType) -> Vec<(&str, Value)> {
    let events = state.events.iter();
    let events = events.filter(|event| event.event_type == event_type);
    events
        .map(|event| {
            let content = serde_json::from_str(&event.content).unwrap();
            (event.state_key.as_str(), content)
        })
        .collect()
}

/// While a room is followed its calls come, and who is in it; before and after that nothing.
async fn a_room_is_followed(at: At) {
    let room = at.room().await;
    let us = at.person().await;
    assert_eq!(
        us.account.room_named(&room.alias).await.unwrap(),
        room.id,
        "it is joined by its alias"
    );
    let mut inbox = us.account.start().await.unwrap();
    let nobody = at.person().await;
    let write = |key: &str, number: u32| {
        let content = json!({"m.type": "m.voice", "n": number});
        room.owner
            .write(&room.id, GroupRoomEventType::Call, key, &content);
    };
    // Nobody is told of this, for nothing is followed.
    write("c1", 1);
    nobody.send_to(&us, r#"{"n":1}"#).await;
    assert_eq!(next(&mut inbox).await, signal(&nobody, r#"{"n":1}"#));

    us.account.follow_group_room(&room.id, true);
    let state = us.account.group_room_state(&room.id).await.unwrap();
    assert_eq!(
        contents(&state, GroupRoomEventType::Call),
        [("c1", json!({"m.type": "m.voice", "n": 1}))]
    );
    assert_eq!(state.members, 2);
    assert!(state.is_public && !state.is_encrypted);
    assert_eq!(state.joined, [], "nobody is in a call");
    let sent_ms = state.events[0].sent_ms;
    let clock = state.homeserver_ms.unwrap_or(sent_ms);
    assert!(clock.abs_diff(sent_ms) < 120_000, "{clock} {sent_ms}");

    // A poll that asked for none of this has been under way; it may have come behind the first event, or not.
    write("c2", 2);
    loop {
        match next_event(&mut inbox).await {
            (GroupRoomEventType::Call, key, content) if key == "c2" => {
                assert_eq!(content["n"], 2);
                break;
            }
            (event_type, key, _) => {
                assert_eq!((event_type, &*key), (GroupRoomEventType::Call, "c1"));
            }
        }
    }
    let owner = room.owner.matrix_id.clone();
    let in_call = json!({"m.calls": []});
    room.owner
        .write(&room.id, GroupRoomEventType::Member, &owner, &in_call);
    assert_eq!(
        next_event(&mut inbox).await,
        (GroupRoomEventType::Member, owner.clone(), in_call)
    );
    nobody.account.room_named(room.id.as_str()).await.unwrap();
    let is_in_room = |is_in_room| Incoming::GroupRoomMembership {
        room: room.id.clone(),
        user: nobody.account.matrix_id().clone(),
        is_in_room,
    };
    assert_eq!(next(&mut inbox).await, is_in_room(true));
    nobody.account.leave(&room.id).await.unwrap();
    assert_eq!(next(&mut inbox).await, is_in_room(false));
    let state = us.account.group_room_state(&room.id).await.unwrap();
    assert_eq!(
        (state.members, state.joined),
        (2, vec![owner.parse().unwrap()])
    );

    us.account.follow_group_room(&room.id, false);
    nobody.send_to(&us, r#"{"n":2}"#).await;
    assert_eq!(next(&mut inbox).await, signal(&nobody, r#"{"n":2}"#));
    write("c3", 3);
    nobody.send_to(&us, r#"{"n":3}"#).await;
    assert_eq!(next(&mut inbox).await, signal(&nobody, r#"{"n":3}"#));
}

#[tokio::test]
async fn a_room_is_followed_at_synapse() {
    a_room_is_followed(AtSynapse).await;
}

#[tokio::test]
async fn a_room_is_followed_at_dendrite() {
    a_room_is_followed(AtDendrite).await;
}

/// More events than one answer has room for, while nobody asked: the state says how things stand.
#[tokio::test]
async fn what_is_more_than_an_answer_holds_is_a_gap_and_then_the_state() {
    let room = AtSynapse.room().await;
    let us = AtSynapse.person().await;
    us.account.room_named(&room.alias).await.unwrap();
    us.account.follow_group_room(&room.id, true);
    drop(us.account.start().await.unwrap());
    us.account.drain().await.unwrap();
    for number in 0..60 {
        let content = json!({ "n": number });
        let key = format!("c{number}");
        room.owner
            .write(&room.id, GroupRoomEventType::Call, &key, &content);
    }
    let mut inbox = us.account.start().await.unwrap();
    let gap = Incoming::GroupRoomGap {
        room: room.id.clone(),
    };
    while next(&mut inbox).await != gap {}
    let state = us.account.group_room_state(&room.id).await.unwrap();
    assert_eq!(contents(&state, GroupRoomEventType::Call).len(), 32);
    assert!(contents(&state, GroupRoomEventType::Call).contains(&("c59", json!({"n": 59}))));
}

/// Our own state events are read and written, and what the room does not allow is not.
async fn state_is_our_own(at: At) {
    let room = at.room().await;
    let us = at.person().await;
    let key = member(&room.id, &us);
    assert_eq!(
        us.account.write_state(key, "{}").await,
        Err(StateFailure::Forbidden),
        "we are not in the room"
    );
    us.account.room_named(room.id.as_str()).await.unwrap();
    assert_eq!(
        us.account.read_state(key).await,
        Err(StateFailure::NotFound)
    );
    let content = r#"{"m.calls":[{"m.call_id":"c/1"}]}"#;
    us.account.write_state(key, content).await.unwrap();
    let read = us.account.read_state(key).await.unwrap();
    let read: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(content).unwrap());
    // An ID with a slash is one part of the path.
    let begun = call(&room.id, "c/1");
    us.account.write_state(begun, r#"{"n":1}"#).await.unwrap();
    let state = us.account.group_room_state(&room.id).await.unwrap();
    assert_eq!(
        contents(&state, GroupRoomEventType::Call),
        [("c/1", json!({"n": 1}))]
    );
    // Nobody writes for another.
    let of_another = GroupRoomKey {
        state_key: &room.owner.matrix_id,
        ..key
    };
    assert_eq!(
        us.account.write_state(of_another, "{}").await,
        Err(StateFailure::Forbidden)
    );

    let delay = Duration::from_secs(3_600);
    let scheduled = us.account.schedule_state(key, "{}", delay).await;
    if at == AtDendrite {
        assert_eq!(scheduled, Err(StateFailure::Unsupported));
    } else {
        let id = scheduled.unwrap();
        us.account.restart_delayed(&id).await.unwrap();
        us.account.cancel_delayed(&id).await.unwrap();
        assert_eq!(
            us.account.restart_delayed(&id).await,
            Err(StateFailure::NotFound)
        );
        assert_eq!(
            us.account.cancel_delayed("a/b").await,
            Err(StateFailure::NotFound)
        );
    }
    let after = us.account.read_state(key).await.unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&after).unwrap(),
        read,
        "nothing was written at once"
    );

    us.account.leave(&room.id).await.unwrap();
    // What is there already Dendrite takes from anybody.
    assert_eq!(
        us.account.write_state(key, "{}").await,
        Err(StateFailure::Forbidden)
    );
    let outcome = us.account.group_room_state(&room.id).await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");
}

#[tokio::test]
async fn state_is_our_own_at_synapse() {
    state_is_our_own(AtSynapse).await;
}

#[tokio::test]
async fn state_is_our_own_at_dendrite() {
    state_is_our_own(AtDendrite).await;
}

#[tokio::test]
async fn what_is_held_back_is_sent_when_we_are_gone() {
    let room = AtSynapse.room().await;
    let us = AtSynapse.person().await;
    us.account.room_named(&room.alias).await.unwrap();
    let key = member(&room.id, &us);
    us.account.write_state(key, r#"{"in":1}"#).await.unwrap();
    let delay = Duration::from_millis(300);
    us.account
        .schedule_state(key, r#"{"in":0}"#, delay)
        .await
        .unwrap();
    loop {
        if us.account.read_state(key).await.unwrap().contains('0') {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_room_that_is_not_there_or_does_not_let_us_in_is_said() {
    for at in [AtSynapse, AtDendrite] {
        let us = at.person().await;
        let owner = Owner::new(at.server());
        let private = owner.ask("POST", "createRoom", &json!({"preset": "private_chat"}));
        let private = private["room_id"].as_str().unwrap();
        let outcome = us.account.room_named(private).await;
        assert!(
            matches!(outcome, Err(RoomError::Forbidden { .. })),
            "{outcome:?}"
        );
        let server = at.server().server_name();
        let (unknown, odd) = (format!("#nothing:{server}"), format!("#a b/..:{server}"));
        for name in ["", "#", "room", "@a:b.test", "!\u{1b}[2J", &odd, &unknown] {
            let outcome = us.account.room_named(name).await;
            assert!(
                matches!(outcome, Err(RoomError::NotFound)),
                "{name}: {outcome:?}"
            );
        }
    }
}

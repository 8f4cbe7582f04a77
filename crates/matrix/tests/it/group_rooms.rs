//! Group calls in rooms at a real Synapse, and at a Dendrite, which has no delayed events.

use std::{sync::OnceLock, time::Duration};

use securecall_contact::{DeviceId, MatrixId, RoomId};
use securecall_interop::{Dendrite, HomeserverOptions, JsSdk, JsSdkLogin, Synapse};
use securecall_matrix::{
    CallProtection, GroupRoomEventType, GroupRoomKey, GroupRoomState, Homeserver, Inbox, Incoming,
    RoomError, SendError, StateFailure,
};
use serde_json::{Value, json};

use crate::people::{Person, fresh_name, next_signal, signal};

const INVITE: &str = "m.call.invite";
const CONTENT: &str = r#"{"call_id":"c","conf_id":"g"}"#;

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

fn event_of(sender: &MatrixId, proven: Option<&DeviceId>, content: &str) -> Incoming {
    Incoming::CallEvent {
        sender: sender.clone(),
        proven: proven.cloned(),
        event_type: INVITE.to_owned(),
        content: content.to_owned(),
    }
}

/// Whoever is called has never asked for the caller's devices.
async fn events_go_from_device_to_device(at: At) {
    let (us, other) = (at.person().await, at.person().await);
    let mut inbox = us.account.start().await.unwrap();
    let room: RoomId = "!any:homeserver.test".parse().unwrap();
    let to = async |protection, content: &str| {
        let device = &us.account.own_device().device_id;
        let user = us.account.matrix_id();
        let sent = other
            .account
            .send_call_event(user, device, INVITE, content, protection);
        sent.await.unwrap();
    };
    // Nothing is followed: what comes is thrown away, encrypted or not.
    for protection in [CallProtection::InClear, CallProtection::Olm] {
        to(protection, r#"{"n":1}"#).await;
    }
    other.send_to(&us, r#"{"n":2}"#).await;
    assert_eq!(next(&mut inbox).await, signal(&other, r#"{"n":2}"#));

    us.account.follow_group_room(&room, true);
    let (sender, device) = (other.account.matrix_id(), other.account.own_device());
    for round in 0..3 {
        let content = format!(r#"{{"round":{round}}}"#);
        to(CallProtection::Olm, &content).await;
        let proven = event_of(sender, Some(&device.device_id), &content);
        assert_eq!(next(&mut inbox).await, proven);
        to(CallProtection::InClear, &content).await;
        assert_eq!(next(&mut inbox).await, event_of(sender, None, &content));
    }
    let owner = Owner::new(at.server());
    owner.say_in_clear(&us, CONTENT);
    let owner = owner.matrix_id.parse().unwrap();
    assert_eq!(next(&mut inbox).await, event_of(&owner, None, CONTENT));

    us.account.follow_group_room(&room, false);
    for protection in [CallProtection::InClear, CallProtection::Olm] {
        to(protection, r#"{"n":3}"#).await;
    }
    other.send_to(&us, r#"{"n":4}"#).await;
    assert_eq!(next_signal(&mut inbox).await, signal(&other, r#"{"n":4}"#));
}

#[tokio::test]
async fn events_go_from_device_to_device_at_synapse() {
    events_go_from_device_to_device(AtSynapse).await;
}

#[tokio::test]
async fn events_go_from_device_to_device_at_dendrite() {
    events_go_from_device_to_device(AtDendrite).await;
}

#[tokio::test]
async fn what_is_no_event_of_a_call_is_not_sent_and_nothing_goes_in_clear_instead() {
    let (us, other) = (AtSynapse.person().await, AtSynapse.person().await);
    let user = us.account.matrix_id();
    let device = &us.account.own_device().device_id;
    let send = async |event_type: &str, content: &str, device: &DeviceId| {
        let olm = CallProtection::Olm;
        let sent = other
            .account
            .send_call_event(user, device, event_type, content, olm);
        sent.await
    };
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(44 * 1024));
    for (event_type, content) in [
        ("m.room_key", "{}"),
        ("m.call.in vite", "{}"),
        (INVITE, "[]"),
        (INVITE, "{"),
        (INVITE, &long),
    ] {
        let outcome = send(event_type, content, device).await;
        assert!(matches!(outcome, Err(SendError::BadContent)), "{outcome:?}");
    }
    let mut inbox = us.account.start().await.unwrap();
    us.account
        .follow_group_room(&"!any:homeserver.test".parse().unwrap(), true);
    let nobody: DeviceId = "NOBODY".parse().unwrap();
    let outcome = send(INVITE, "{}", &nobody).await;
    assert!(
        matches!(outcome, Err(SendError::UnknownDevice { .. })),
        "{outcome:?}"
    );
    // The longest that there is arrives.
    let longest = format!(r#"{{"x":"{}"}}"#, "y".repeat(44 * 1024 - 8));
    send(INVITE, &longest, device).await.unwrap();
    let own = other.account.own_device();
    assert_eq!(
        next(&mut inbox).await,
        event_of(other.account.matrix_id(), Some(&own.device_id), &longest)
    );
}

/// The last matrix-js-sdk that encrypts what group calls say calls us, and hears us.
#[tokio::test]
async fn matrix_js_sdk_calls_us_by_olm_and_hears_us() {
    let server = AtSynapse.server();
    let (browser, user) = (
        JsSdk::start_with_olm().unwrap(),
        format!("a{}", fresh_name()),
    );
    browser
        .register(&server.base_url(), &user, "password")
        .unwrap();
    let login = JsSdkLogin {
        homeserver: &server.base_url(),
        user: &user,
        password: "password",
        hertz: 440.0,
        force_turn: false,
    };
    let device = browser.log_in(&login).unwrap();
    let us = AtSynapse.person().await;
    let own = us.account.matrix_id().clone();
    let own_device = us.account.own_device().device_id.clone();
    // Of two users the lesser calls.
    assert!(device.user_id() < own.as_str());
    let room = device.create_group_room(&[own.as_str()]).unwrap();
    let id: RoomId = us.account.room_named(&room).await.unwrap();
    device.wait_for_member(&room, own.as_str()).unwrap();
    let group = device.create_group_call(&room).unwrap();
    device.enter_group_call(&room).unwrap();

    let mut inbox = us.account.start().await.unwrap();
    us.account.follow_group_room(&id, true);
    let state = us.account.group_room_state(&id).await.unwrap();
    let calls = contents(&state, GroupRoomEventType::Call);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0, group);
    let theirs = contents(&state, GroupRoomEventType::Member);
    let session = &theirs[0].1["m.calls"][0]["m.devices"][0]["session_id"];
    let session = session.as_str().unwrap().to_owned();

    let now = state.events[0].sent_ms;
    let entry = json!({"m.calls": [{"m.call_id": group, "m.devices": [{
        "device_id": own_device.as_str(), "session_id": "ours", "expires_ts": now + 3_600_000,
        "feeds": [{"purpose": "m.usermedia"}],
    }]}]});
    us.account
        .write_state(member(&id, &us), &entry.to_string())
        .await
        .unwrap();
    let (event_type, proven, invite) = loop {
        if let Incoming::CallEvent {
            sender,
            proven,
            event_type,
            content,
        } = next(&mut inbox).await
        {
            assert_eq!(sender.as_str(), device.user_id());
            break (event_type, proven, content);
        }
    };
    assert_eq!(event_type, INVITE);
    assert_eq!(proven.unwrap().as_str(), device.device_id());
    let invite: Value = serde_json::from_str(&invite).unwrap();
    assert_eq!(invite["conf_id"], group.as_str());
    assert_eq!(invite["dest_session_id"], "ours");

    // It takes our hangup as ours, decrypted.
    let hangup = json!({
        "call_id": invite["call_id"], "version": "1", "party_id": own_device.as_str(), "reason": "user_hangup",
        "conf_id": group, "device_id": own_device.as_str(), "sender_session_id": "ours",
        "dest_session_id": session, "seq": 0,
    });
    let them: MatrixId = device.user_id().parse().unwrap();
    let their_device: DeviceId = device.device_id().parse().unwrap();
    us.account
        .send_call_event(
            &them,
            &their_device,
            "m.call.hangup",
            &hangup.to_string(),
            CallProtection::Olm,
        )
        .await
        .unwrap();
    let heard = || {
        let events = device.group_events().unwrap();
        let ours = events.into_iter().find(|event| {
            event.kind == "m.call.hangup"
                && event.sender == own.as_str()
                && event.content["call_id"] == invite["call_id"]
        });
        ours.map(|event| event.encrypted)
    };
    let encrypted = loop {
        if let Some(encrypted) = heard() {
            break encrypted;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(encrypted, Some(true));
}

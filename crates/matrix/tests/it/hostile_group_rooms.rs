//! What a homeserver that is not to be trusted says of group calls.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use securecall_contact::RoomId;
use securecall_interop::Answer;
use securecall_matrix::{
    GroupRoomEventType, GroupRoomKey, Inbox, Incoming, MAX_GROUP_ROOM_CALLS, MAX_GROUP_ROOM_USERS,
    RoomError, ServerError, StateFailure,
};
use serde_json::json;

use crate::victim::Victim;

const ROOM: &str = "!room:homeserver.test";
const OWN: &str = "@victim:homeserver.test";
const STATE: &str = "/state HTTP";
const WRITE: &str = "/state/org.matrix.msc3401.call.member/";
const DELAY: Duration = Duration::from_secs(30);

fn ok(body: &str) -> Answer {
    Answer::json("200 OK", &[], body)
}

fn no(status: &str, code: &str) -> Answer {
    let body = format!(r#"{{"errcode":"{code}","error":"No"}}"#);
    Answer::json(status, &[], &body)
}

/// An answer that may be long, written piece by piece.
fn long(write: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static) -> Answer {
    Answer::written(move |client| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        let mut client = io::BufWriter::new(client);
        write(&mut client)?;
        client.flush()?;
        Err(io::ErrorKind::ConnectionAborted.into())
    })
}

fn member(user: &str) -> String {
    json!({"type": "m.room.member", "state_key": user, "sender": user, "event_id": "$e", "origin_server_ts": 1,
        "content": {"membership": "join"}})
    .to_string()
}

fn in_call(user: &str, sender: &str) -> String {
    json!({"type": GroupRoomEventType::Member.as_str(), "state_key": user, "sender": sender, "event_id": "$e",
        "origin_server_ts": 1, "content": {}})
    .to_string()
}

fn key(room: &RoomId) -> GroupRoomKey<'_> {
    GroupRoomKey {
        room,
        event_type: GroupRoomEventType::Member,
        state_key: OWN,
    }
}

/// All that comes of the next answer that brings something.
async fn next_answer(inbox: &mut Inbox) -> Vec<Incoming> {
    let mut news = Vec::new();
    loop {
        match inbox.next().await.unwrap() {
            Incoming::SyncComplete if news.is_empty() => {}
            Incoming::SyncComplete => return news,
            other => news.push(other),
        }
    }
}

async fn state_of(victim: &Victim, answer: Answer) -> Result<(), RoomError> {
    victim.server.answer(STATE, answer);
    let room = ROOM.parse().unwrap();
    victim.account.group_room_state(&room).await.map(drop)
}

#[tokio::test]
async fn a_state_of_any_size_is_read_and_a_bounded_part_is_kept() {
    let victim = Victim::new().await;
    let room: RoomId = ROOM.parse().unwrap();
    let state = |client: &mut dyn Write| {
        write!(client, "[{}", member(OWN))?;
        for number in 0..20_000 {
            let user = format!("@{number}:b.test");
            write!(client, ",{},{}", member(&user), in_call(&user, &user))?;
            // Somebody else says so.
            write!(client, ",{}", in_call(&format!("@{number}:c.test"), &user))?;
        }
        let call = r#""type":"org.matrix.msc3401.call","sender":"@a:b.test","content":{}"#;
        for number in 0..20_000 {
            let sent = number + 5;
            write!(
                client,
                r#",{{"state_key":"c{number}","origin_server_ts":{sent},{call}}}"#
            )?;
        }
        client.write_all(b"]")
    };
    victim.server.answer(STATE, long(state));
    let state = victim.account.group_room_state(&room).await.unwrap();
    assert_eq!(
        state.events.len(),
        MAX_GROUP_ROOM_CALLS + MAX_GROUP_ROOM_USERS
    );
    assert_eq!(state.joined.len(), MAX_GROUP_ROOM_USERS);
    assert_eq!(state.members, 20_001);
    assert!(
        state
            .events
            .iter()
            .all(|event| event.sender.as_str().ends_with(":b.test"))
    );
    let newest = state.events.iter().any(|event| event.state_key == "c19999");
    assert!(newest);
}

#[tokio::test]
async fn a_state_that_has_no_end_or_is_none_is_refused() {
    let victim = Victim::new().await;
    type Expected = fn(&RoomError) -> bool;
    let misbehaves: Expected = |it| matches!(it, RoomError::Server(ServerError::Misbehaves { .. }));
    let not_member: Expected = |it| matches!(it, RoomError::NotMember);
    let endless = Answer::endless("[", "{},");
    let one_event = Answer::endless("[{\"type\":\"", "x");
    let deep = Answer::endless("[", "[");
    let left = format!("[{}]", member("@a:b.test"));
    for (answer, is_right) in [
        (endless, misbehaves),
        (one_event, misbehaves),
        (deep, misbehaves),
        (Answer::gzip("[", 64, "]"), misbehaves),
        (ok("{}"), misbehaves),
        (ok(&format!("[{}", member(OWN))), misbehaves),
        (ok("[]"), not_member),
        (ok(&left), not_member),
        (no("403 Forbidden", "M_FORBIDDEN"), not_member),
        (no("404 Not Found", "M_NOT_FOUND"), |it| {
            matches!(it, RoomError::NotFound)
        }),
    ] {
        let error = state_of(&victim, answer).await.unwrap_err();
        assert!(is_right(&error), "{error:?}");
    }
    let alone = format!("[{}]", member(OWN));
    state_of(&victim, ok(&alone)).await.unwrap();
}

#[tokio::test]
async fn thousands_of_events_in_clear_are_dropped_or_bounded_and_a_gap_is_told_once() {
    let victim = Victim::new().await;
    let room: RoomId = ROOM.parse().unwrap();
    let flood = |next_batch: &'static str| {
        long(move |client| {
            let clear = r#"{"type":"m.call.invite","sender":"@a:b.test","content":{}}"#;
            write!(client, r#"{{"to_device":{{"events":[{clear}"#)?;
            for _ in 0..20_000 {
                write!(client, ",{clear}")?;
            }
            let event = in_call("@a:b.test", "@a:b.test");
            let lie = in_call("@a:b.test", "@b:b.test");
            write!(
                client,
                r#"]}},"rooms":{{"join":{{"{ROOM}":{{"timeline":{{"events":[{lie}"#
            )?;
            for _ in 0..20_000 {
                write!(client, ",{event},{lie}")?;
            }
            write!(client, r#"]}}}}}}}},"next_batch":"{next_batch}"}}"#)
        })
    };
    let mut inbox = victim.account.start().await.unwrap();
    // Nothing is followed: there is nothing in it. What is asked next is told at once.
    victim.server.answer_times("/sync", 1, flood("s2"));
    let told = r#"{"next_batch":"s3","to_device":{"events":[{"type":"tech.stealthx.securecall.signal","sender":"@a:b.test","content":{}}]}}"#;
    victim.server.answer_times("since=s2", 1, ok(told));
    let news = next_answer(&mut inbox).await;
    assert!(
        matches!(&news[..], [Incoming::PlainTextRefused { .. }]),
        "{news:?}"
    );

    // In the filter of a sync only where something is followed.
    victim
        .server
        .answer_times("org.matrix.msc3401.call", 1, flood("s4"));
    victim.account.follow_group_room(&room, true);
    let news = next_answer(&mut inbox).await;
    let count = |is: fn(&Incoming) -> bool| news.iter().filter(|it| is(it)).count();
    assert_eq!(count(|it| matches!(it, Incoming::GroupRoom(_))), 512);
    assert_eq!(count(|it| matches!(it, Incoming::GroupRoomGap { .. })), 1);
    let of_calls = count(|it| matches!(it, Incoming::CallEvent { proven: None, .. }));
    assert_eq!(of_calls, 512);
    assert_eq!(news.len(), 512 + 1 + 512);
}

/// An answer that does not come.
fn none_ever() -> Answer {
    Answer::written(|_| {
        loop {
            thread::park();
        }
    })
}

/// Waits for something that comes before a sync that is not answered is given up.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(25);
    tokio::time::timeout(patience, what).await.unwrap()
}

#[tokio::test]
async fn a_room_is_followed_at_once_though_a_sync_is_under_way_that_has_no_end() {
    let victim = Victim::new().await;
    let room: RoomId = ROOM.parse().unwrap();
    let mut inbox = victim.account.start().await.unwrap();
    let begun = r#"{"next_batch":"s2","to_device":{"events":[{"type":"tech.stealthx.securecall.signal","sender":"@a:b.test","content":{}}]}}"#;
    victim.server.answer("/sync", none_ever());
    victim.server.answer_times("/sync", 1, ok(begun));
    soon(next_answer(&mut inbox)).await;
    let event = in_call("@a:b.test", "@a:b.test");
    let followed = format!(
        r#"{{"rooms":{{"join":{{"{ROOM}":{{"timeline":{{"events":[{event}]}}}}}}}},"next_batch":"s3"}}"#
    );
    victim
        .server
        .answer_times("org.matrix.msc3401.call", 1, ok(&followed));
    soon(async {
        while victim.server.requests("since=s2") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    victim.account.follow_group_room(&room, true);
    let news = soon(next_answer(&mut inbox)).await;
    assert!(matches!(news[..], [Incoming::GroupRoom(_)]), "{news:?}");
}

/// Events that cannot be opened without their senders' devices, of people from this number on, and one that is told of at once.
fn from_unknown_people(first: usize, next_batch: &str) -> Answer {
    let events = (first..first + 40).map(|number| {
        // 32 bytes each, in base64.
        let key = format!("{number:A<43}");
        json!({"type": "m.room.encrypted", "sender": format!("@{number}:b.test"), "content": {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": key,
            "ciphertext": {},
        }})
    });
    let signal =
        json!({"type": "tech.stealthx.securecall.signal", "sender": "@a:b.test", "content": {}});
    let events: Vec<_> = events.chain([signal]).collect();
    ok(&json!({"next_batch": next_batch, "to_device": {"events": events}}).to_string())
}

#[tokio::test]
async fn many_who_are_not_known_neither_stop_the_sync_nor_are_all_asked_for() {
    let victim = Victim::new().await;
    let server = &victim.server;
    let mut inbox = victim.account.start().await.unwrap();
    let is_signal = |it: &Incoming| matches!(it, Incoming::PlainTextRefused { .. });
    // A server that makes us ask, and does not answer.
    server.answer("/keys/query", none_ever());
    server.answer_times("org.matrix.msc3401.call", 1, from_unknown_people(0, "s2"));
    victim
        .account
        .follow_group_room(&ROOM.parse().unwrap(), true);
    let news = soon(next_answer(&mut inbox)).await;
    assert!(news.iter().any(is_signal), "{news:?}");
    // One that does.
    server.answer("/keys/query", ok(r#"{"device_keys":{}}"#));
    let asked = server.requests("/keys/query");
    server.answer_times("since=s2", 1, from_unknown_people(100, "s3"));
    let news = soon(next_answer(&mut inbox)).await;
    assert!(news.iter().any(is_signal), "{news:?}");
    assert_eq!(server.requests("/keys/query") - asked, 8);
}

#[tokio::test]
async fn a_homeserver_that_says_nothing_of_delayed_events_is_not_asked_for_any() {
    let victim = Victim::new().await;
    let room = ROOM.parse().unwrap();
    victim.server.answer(WRITE, ok(r#"{"event_id":"$e"}"#));
    for versions in [
        "{}",
        "[]",
        r#"{"unstable_features":{"org.matrix.msc4140":"true"}}"#,
    ] {
        let victim = Victim::new().await;
        victim.server.answer("/versions", ok(versions));
        let outcome = victim.account.schedule_state(key(&room), "{}", DELAY).await;
        assert_eq!(outcome, Err(StateFailure::Unsupported), "{versions}");
        assert_eq!(victim.server.requests(WRITE), 0);
    }
    victim.server.answer("/versions", no("503 No", "M_UNKNOWN"));
    let outcome = victim.account.schedule_state(key(&room), "{}", DELAY).await;
    assert!(
        matches!(outcome, Err(StateFailure::Later(_))),
        "{outcome:?}"
    );
    // One that says that it can, and writes the event at once, has no delay to be told of.
    let yes = r#"{"versions":[],"unstable_features":{"org.matrix.msc4140":true}}"#;
    victim.server.answer("/versions", ok(yes));
    let outcome = victim.account.schedule_state(key(&room), "{}", DELAY).await;
    assert_eq!(outcome, Err(StateFailure::Unsupported));
    assert_eq!(victim.server.requests("org.matrix.msc4140.delay=30000"), 1);
    let asked = victim.server.requests("/versions");
    for (answer, expected) in [
        (ok(r#"{"delay_id":"."}"#), Err(StateFailure::Unsupported)),
        (ok(r#"{"delay_id":".."}"#), Err(StateFailure::Unsupported)),
        (ok(r#"{"delay_id":""}"#), Err(StateFailure::Unsupported)),
        (ok(r#"{"delay_id":"a\nb"}"#), Err(StateFailure::Unsupported)),
        (ok(r#"{"delay_id":7}"#), Err(StateFailure::Unsupported)),
        (ok(r#"{"delay_id":"../../logout/all"}"#), Ok(())),
        (
            no("400 Bad Request", "M_MAX_DELAY_EXCEEDED"),
            Err(StateFailure::Unsupported),
        ),
        (
            no("403 Forbidden", "M_FORBIDDEN"),
            Err(StateFailure::Forbidden),
        ),
        (
            Answer::endless("{\"delay_id\":\"", "x"),
            Err(StateFailure::Later(Duration::ZERO)),
        ),
    ] {
        victim.server.answer(WRITE, answer);
        let outcome = victim.account.schedule_state(key(&room), "{}", DELAY).await;
        assert_eq!(outcome.map(drop), expected);
    }
    assert_eq!(
        victim.server.requests("/versions"),
        asked,
        "it is asked once"
    );
}

#[tokio::test]
async fn an_id_of_a_delay_is_one_part_of_a_path_whatever_it_says() {
    let victim = Victim::new().await;
    victim.server.answer("POST", ok("{}"));
    for (id, path) in [
        ("../../logout/all", "..%2F..%2Flogout%2Fall"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("syd_AbC-1", "syd_AbC-1"),
    ] {
        let line =
            format!("POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{path} HTTP");
        victim.account.restart_delayed(id).await.unwrap();
        victim.account.cancel_delayed(id).await.unwrap();
        assert_eq!(victim.server.requests(&line), 2, "{id}");
    }
    let before = victim.server.requests("POST");
    for id in ["", ".", "..", "a b", "a\r\nb", &"x".repeat(256)] {
        let outcome = victim.account.restart_delayed(id).await;
        assert_eq!(outcome, Err(StateFailure::NotFound), "{id}");
    }
    assert_eq!(victim.server.requests("POST"), before);
    assert_eq!(victim.server.requests("logout/all HTTP"), 0);
}

/// One that knows the last form of MSC4140 only.
#[tokio::test]
async fn the_other_form_of_the_request_is_tried() {
    let victim = Victim::new().await;
    victim
        .server
        .answer("POST", no("404 Not Found", "M_UNRECOGNIZED"));
    let outcome = victim.account.restart_delayed("d").await;
    assert_eq!(outcome, Err(StateFailure::Unsupported));
    victim.server.answer("/d/restart HTTP", ok("{}"));
    victim.account.restart_delayed("d").await.unwrap();
    assert_eq!(
        victim.account.cancel_delayed("d").await,
        Err(StateFailure::Unsupported)
    );
}

#[tokio::test]
async fn what_a_homeserver_says_to_a_state_event_has_few_meanings() {
    let victim = Victim::new().await;
    let room = ROOM.parse().unwrap();
    let wait = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":3600000}"#;
    let wait = Answer::json("429 Too Many Requests", &[], wait);
    let later = StateFailure::Later(Duration::ZERO);
    for (answer, write, read) in [
        (
            no("403 Forbidden", "M_FORBIDDEN"),
            StateFailure::Forbidden,
            StateFailure::Forbidden,
        ),
        (
            no("404 Not Found", "M_NOT_FOUND"),
            StateFailure::NotFound,
            StateFailure::NotFound,
        ),
        (
            no("400 Bad Request", "M_BAD_STATE"),
            StateFailure::Forbidden,
            StateFailure::Forbidden,
        ),
        (no("502 Bad Gateway", "M_UNKNOWN"), later, later),
        (ok("[]"), later, later),
        (ok("{"), later, later),
        (ok("<html>"), later, later),
        (Answer::endless("{\"a\":\"", "x"), later, later),
        (
            wait,
            StateFailure::Later(Duration::from_secs(3_600)),
            StateFailure::Later(Duration::from_secs(3_600)),
        ),
    ] {
        victim.server.answer(WRITE, answer);
        let written = victim.account.write_state(key(&room), "{}").await;
        assert_eq!(written, Err(write));
        assert_eq!(victim.account.read_state(key(&room)).await, Err(read));
    }
}

#[tokio::test]
async fn an_alias_leads_to_a_room_or_nowhere() {
    let victim = Victim::new().await;
    let joined = format!(r#"{{"joined_rooms":["{ROOM}"]}}"#);
    victim.server.answer("/joined_rooms", ok(&joined));
    let name = async |answer: Answer| {
        victim.server.answer("/directory/room/", answer);
        victim.account.room_named("#a/b:homeserver.test").await
    };
    let good = format!(r#"{{"room_id":"{ROOM}","servers":["b.test"]}}"#);
    assert_eq!(name(ok(&good)).await.unwrap().as_str(), ROOM);
    let slash = victim
        .server
        .requests("/directory/room/%23a%2Fb:homeserver.test HTTP");
    assert_eq!(slash, 1);
    for answer in [
        ok(r#"{"room_id":"!\u001b[2J","servers":[]}"#),
        ok(r#"{"room_id":"../../logout","servers":[]}"#),
        ok("{}"),
        Answer::endless("{\"room_id\":\"!", "x"),
        no("404 Not Found", "M_NOT_FOUND"),
        no("400 Bad Request", "M_INVALID_PARAM"),
    ] {
        assert!(name(answer).await.is_err());
    }
    // Nowhere was anything joined.
    assert_eq!(victim.server.requests("/join/"), 0);
}

//! What a homeserver that is not to be trusted says of rooms.

use std::{io::Write as _, time::Duration};

use securecall_interop::Answer;
use securecall_matrix::{
    Inbox, Incoming, MAX_ROOM_MEMBERS, RoomError, RoomMessage, RoomNews, RoomRefusal, ServerError,
};
use serde_json::json;

use crate::victim::Victim;

const ROOM: &str = "!room:homeserver.test";
const SEND: &str = "PUT /_matrix/client/v3/rooms/";

fn ok(body: &str) -> Answer {
    Answer::json("200 OK", &[], body)
}

fn no(status: &str, code: &str) -> Answer {
    Answer::json(
        status,
        &[],
        &format!(r#"{{"errcode":"{code}","error":"No"}}"#),
    )
}

/// Everything of rooms in the syncs up to the first that brings some.
async fn next_news(inbox: &mut Inbox) -> Vec<RoomNews> {
    let mut news = Vec::new();
    loop {
        match inbox.next().await.unwrap() {
            Incoming::Room(it) => news.push(it),
            Incoming::SyncComplete if news.is_empty() => {}
            Incoming::SyncComplete => return news,
            other => panic!("{other:?}"),
        }
    }
}

/// A room of 100,000 events, 10,000 others, and as many invitations, with the position behind them: nothing is held that
/// need not be, and all that was left out is counted.
#[tokio::test]
async fn a_sync_with_rooms_of_any_size_brings_a_bounded_part_and_says_so() {
    let victim = Victim::new().await;
    let mut inbox = victim.account.start_with_rooms().await.unwrap();
    let body = |client: &mut dyn std::io::Write| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        let mut client = std::io::BufWriter::new(client);
        let call = r#"{"type":"m.call.hangup","sender":"@a:b.test","event_id":"$e","content":{}}"#;
        client.write_all(b"{\"rooms\":{\"join\":{\"!loud\":{\"timeline\":{\"events\":[")?;
        for _ in 0..100_000 {
            write!(client, "{call},")?;
        }
        write!(client, "{call}]}}}}")?;
        for number in 0..10_000 {
            write!(
                client,
                ",\"!{number}\":{{\"timeline\":{{\"events\":[{call}]}}}}"
            )?;
        }
        client.write_all(b"},\"invite\":{\"!\":{}")?;
        for number in 0..10_000 {
            write!(
                client,
                ",\"!{number}\":{{\"invite_state\":{{\"events\":[]}}}}"
            )?;
        }
        client.write_all(b"}},\"next_batch\":\"s2\"}")?;
        client.flush()?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    };
    victim
        .server
        .answer_times("/sync", 1, Answer::written(body));
    let news = next_news(&mut inbox).await;
    let events = news
        .iter()
        .filter(|it| matches!(it, RoomNews::Event(_)))
        .count();
    assert_eq!(events, 512);
    let refused = |reason| {
        news.iter().find_map(|it| match it {
            RoomNews::Refused { reason: why, count } if *why == reason => Some(*count),
            _ => None,
        })
    };
    assert_eq!(refused(RoomRefusal::TooMany), Some(110_001 - 512));
    assert_eq!(refused(RoomRefusal::NoInviter), Some(10_000));
    assert_eq!(refused(RoomRefusal::UnusableRoom), Some(1));
    assert_eq!(news.len(), 512 + 3);
}

#[tokio::test]
async fn lists_of_members_that_have_no_end_or_name_nobody_are_refused() {
    let victim = Victim::new().await;
    let room = ROOM.parse().unwrap();
    let facts = || victim.account.room_facts(&room);
    victim
        .server
        .answer("/state/", no("404 Not Found", "M_NOT_FOUND"));
    let members = |names: &[String]| {
        let joined: serde_json::Map<_, _> =
            names.iter().map(|it| (it.clone(), json!({}))).collect();
        ok(&json!({ "joined": joined }).to_string())
    };
    let crowd: Vec<_> = (0..=MAX_ROOM_MEMBERS)
        .map(|n| format!("@{n}:b.test"))
        .collect();
    type Expected = fn(&RoomError) -> bool;
    let cases: [(Answer, Expected); 6] = [
        (Answer::endless("{\"joined\":{\"a\":\"", "x"), |it| {
            matches!(it, RoomError::TooManyMembers)
        }),
        (members(&crowd), |it| {
            matches!(it, RoomError::TooManyMembers)
        }),
        (members(&["nobody".to_owned()]), |it| {
            matches!(it, RoomError::BadMatrixId(_))
        }),
        (ok("[]"), |it| {
            matches!(it, RoomError::Server(ServerError::Misbehaves { .. }))
        }),
        (no("403 Forbidden", "M_FORBIDDEN"), |it| {
            matches!(it, RoomError::NotMember)
        }),
        (no("404 Not Found", "M_NOT_FOUND"), |it| {
            matches!(it, RoomError::NotFound)
        }),
    ];
    for (answer, is_right) in cases {
        victim.server.answer("/joined_members", answer);
        let error = facts().await.unwrap_err();
        assert!(is_right(&error), "{error:?}");
    }
    victim
        .server
        .answer("/joined_members", members(&crowd[1..]));
    assert_eq!(facts().await.unwrap().members.len(), MAX_ROOM_MEMBERS);
}

/// It may be all right, and the answer not: what is written over is gone.
#[tokio::test]
async fn a_list_of_rooms_that_cannot_be_read_is_not_written_over() {
    const DIRECT: &str = "/account_data/m.direct";
    let victim = Victim::new().await;
    let callee = "@callee:homeserver.test".parse().unwrap();
    for answer in [
        ok("[]"),
        ok("{"),
        Answer::endless("{\"a\":\"", "x"),
        no("500 Oh", "M_UNKNOWN"),
    ] {
        victim.server.answer(DIRECT, answer);
        let outcome = victim.account.direct_room(&callee).await;
        assert!(matches!(outcome, Err(RoomError::Server(_))), "{outcome:?}");
    }
    assert_eq!(victim.server.requests("createRoom"), 0);
    assert_eq!(victim.server.requests("PUT /_matrix/client/v3/user/"), 0);
}

#[tokio::test]
async fn a_room_that_was_encrypted_stays_so_whatever_the_homeserver_says() {
    let victim = Victim::new().await;
    let (room, peer) = (
        ROOM.parse().unwrap(),
        "@callee:homeserver.test".parse().unwrap(),
    );
    let message = RoomMessage {
        room: &room,
        peer: &peer,
        event_type: "m.call.invite",
        content: "{}",
        transaction: "t1",
    };
    let sent = ok(r#"{"event_id":"$e"}"#);
    victim.server.answer(SEND, sent);
    victim.server.answer(
        "/state/m.room.encryption",
        no("404 Not Found", "M_NOT_FOUND"),
    );
    victim.account.send_to_room(message).await.unwrap();
    assert_eq!(victim.server.requests("/send/m.call.invite/"), 1);

    let mut inbox = victim.account.start_with_rooms().await.unwrap();
    let event = format!(
        r#"{{"type":"m.room.encryption","state_key":"","sender":"{peer}","event_id":"$e","content":{{}}}}"#
    );
    let body = format!(
        r#"{{"next_batch":"s2","rooms":{{"join":{{"{ROOM}":{{"timeline":{{"events":[{event}]}}}}}}}}}}"#
    );
    victim.server.answer_times("/sync", 1, ok(&body));
    assert_eq!(next_news(&mut inbox).await.len(), 1);
    victim.account.send_to_room(message).await.unwrap();
    assert_eq!(victim.server.requests("/send/m.call.invite/"), 1);
    assert_eq!(victim.server.requests("/send/m.room.encrypted/"), 1);
}

#[tokio::test]
async fn answers_to_an_event_are_bounded_and_a_pause_is_kept_as_long_as_it_can_be() {
    let victim = Victim::new().await;
    let (room, peer) = (
        ROOM.parse().unwrap(),
        "@callee:homeserver.test".parse().unwrap(),
    );
    let message = RoomMessage {
        room: &room,
        peer: &peer,
        event_type: "m.call.hangup",
        content: "{}",
        transaction: "t1",
    };
    victim
        .server
        .answer("/state/", no("404 Not Found", "M_NOT_FOUND"));
    for answer in [
        ok(r#"{"event_id":"e"}"#),
        ok("{}"),
        ok(r#"{"event_id":"$\u001b[2J"}"#),
        Answer::endless("{\"event_id\":\"$", "x"),
    ] {
        victim.server.answer(SEND, answer);
        let outcome = victim.account.send_to_room(message).await;
        assert!(matches!(outcome, Err(RoomError::Server(_))), "{outcome:?}");
    }
    let before = victim.server.requests(SEND);
    victim.server.answer(SEND, ok(r#"{"event_id":"$e"}"#));
    let soon = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":1}"#;
    victim
        .server
        .answer_times(SEND, 2, Answer::json("429 Too Many Requests", &[], soon));
    assert_eq!(
        victim.account.send_to_room(message).await.unwrap().as_str(),
        "$e"
    );
    assert_eq!(victim.server.requests(SEND) - before, 3);

    let long = Answer::json("429 Too Many Requests", &["Retry-After: 3600"], soon);
    victim.server.answer(SEND, long);
    let outcome = victim.account.send_to_room(message).await;
    let Err(RoomError::Server(ServerError::TooManyRequests { retry_after })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(3_600)));
}

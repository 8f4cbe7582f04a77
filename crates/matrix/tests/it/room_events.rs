//! Events of calls in rooms, at a real Synapse.

use std::time::Duration;

use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_interop::WebServer;
use securecall_matrix::{
    EventProtection, Incoming, JoinRule, Membership, Origin, RoomError, RoomEventContent,
    RoomInvite, RoomMessage, RoomNews, RoomRefusal,
};
use serde_json::{Value, json};

use crate::{
    people::{Person, synapse},
    rooms::{
        CONTENT, INVITE, Pair, ask, create_room, id, next_call, next_event, next_invite,
        next_member, next_news,
    },
    signal::{access_token, request},
};

#[tokio::test]
async fn calls_go_both_ways_in_an_encrypted_room_and_the_echo_is_known_as_such() {
    let mut pair = Pair::in_direct_room().await;
    let callee = pair.callee.account.matrix_id().clone();
    pair.caller
        .account
        .prepare_room(&pair.room, &callee)
        .await
        .unwrap();
    let sent = pair.send(INVITE, "t1").await.unwrap();

    let (event, call) = next_call(&mut pair.callee_inbox).await;
    assert_eq!((&event.event_id, &event.room), (&sent, &pair.room));
    assert_eq!(event.sender, *pair.caller.account.matrix_id());
    assert_eq!(event.origin, Origin::Other);
    assert!(event.age.is_some());
    assert_eq!(
        (call.event_type.as_str(), call.content.as_str()),
        (INVITE, CONTENT)
    );
    let device = Some(pair.caller.account.own_device().device_id.clone());
    assert_eq!(call.protection, EventProtection::Megolm { device });

    let (echo, call) = next_call(&mut pair.caller_inbox).await;
    assert_eq!(echo.event_id, sent);
    assert_eq!(
        echo.origin,
        Origin::Echo {
            transaction: "t1".to_owned()
        }
    );
    assert_eq!(call.content, CONTENT);

    // What the server has of it.
    let stored = ask(
        &pair.caller,
        &format!("GET /_matrix/client/v3/rooms/{}/event/{sent}", pair.room),
        &json!({}),
    );
    assert_eq!(stored["type"], "m.room.encrypted");
    assert!(!stored.to_string().contains(INVITE));

    let message = RoomMessage {
        room: &pair.room,
        peer: pair.caller.account.matrix_id(),
        event_type: "m.call.answer",
        content: CONTENT,
        transaction: "t1",
    };
    pair.callee.account.send_to_room(message).await.unwrap();
    let (event, call) = next_call(&mut pair.caller_inbox).await;
    assert_eq!(
        (event.sender, call.event_type.as_str()),
        (callee, "m.call.answer")
    );
}

#[tokio::test]
async fn all_devices_of_both_can_read_and_those_of_others_cannot() {
    let mut pair = Pair::in_direct_room().await;
    let callee = pair.callee.account.matrix_id().clone();
    let second = Person::device_of(synapse(), callee.localpart()).await;
    let own = Person::device_of(synapse(), pair.caller.account.matrix_id().localpart()).await;
    let mut second_inbox = second.account.start_with_rooms().await.unwrap();
    let mut own_inbox = own.account.start_with_rooms().await.unwrap();
    pair.caller
        .account
        .prepare_room(&pair.room, &callee)
        .await
        .unwrap();
    pair.send(INVITE, "t1").await.unwrap();
    for inbox in [&mut pair.callee_inbox, &mut second_inbox] {
        let (event, _) = next_call(inbox).await;
        assert_eq!(event.origin, Origin::Other);
    }
    // No echo: another device has sent it.
    let (event, _) = next_call(&mut own_inbox).await;
    assert_eq!(event.origin, Origin::OwnAccount);

    // Whoever the server lets into the room gets no key, for nobody named them.
    let third = Person::new(synapse()).await;
    let mut third_inbox = third.account.start_with_rooms().await.unwrap();
    let room = &pair.room;
    ask(
        &pair.caller,
        &format!("POST /_matrix/client/v3/rooms/{room}/invite"),
        &json!({ "user_id": id(&third) }),
    );
    let invite = next_invite(&mut third_inbox).await;
    third
        .account
        .join(&invite.room, Some(&invite.inviter))
        .await
        .unwrap();
    pair.caller
        .account
        .prepare_room(room, &callee)
        .await
        .unwrap();
    pair.send("m.call.hangup", "t2").await.unwrap();
    let (_, call) = next_call(&mut pair.callee_inbox).await;
    assert_eq!(call.event_type, "m.call.hangup");
    third.account.drain().await.unwrap();
    while let Some(incoming) = third_inbox.next().await {
        if let Incoming::Room(RoomNews::Event(event)) = incoming {
            assert!(
                !matches!(event.content, RoomEventContent::Call(_)),
                "{event:?}"
            );
        }
    }
}

#[tokio::test]
async fn in_a_room_in_clear_calls_are_in_clear_and_said_to_be() {
    let mut pair = Pair::in_plain_room().await;
    let callee = pair.callee.account.matrix_id().clone();
    pair.caller
        .account
        .prepare_room(&pair.room, &callee)
        .await
        .unwrap();
    let sent = pair.send(INVITE, "t1").await.unwrap();
    let (event, call) = next_call(&mut pair.callee_inbox).await;
    assert_eq!(event.event_id, sent);
    assert_eq!(call.protection, EventProtection::None);
    assert_eq!(
        serde_json::from_str::<Value>(&call.content).unwrap(),
        serde_json::from_str::<Value>(CONTENT).unwrap()
    );
    // The same event again arrives once.
    assert_eq!(pair.send(INVITE, "t1").await.unwrap(), sent);

    // From now on it is encrypted; the sync tells, and the next event is.
    let room = &pair.room;
    let megolm = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    ask(
        &pair.caller,
        &format!("PUT /_matrix/client/v3/rooms/{room}/state/m.room.encryption/"),
        &megolm,
    );
    while next_event(&mut pair.caller_inbox).await.content != RoomEventContent::Encrypted {}
    pair.send("m.call.hangup", "t2").await.unwrap();
    let (_, call) = next_call(&mut pair.callee_inbox).await;
    assert!(matches!(call.protection, EventProtection::Megolm { .. }));
}

#[tokio::test]
async fn an_event_that_is_redacted_is_empty_at_the_server() {
    let mut pair = Pair::in_plain_room().await;
    let sent = pair.send(INVITE, "t1").await.unwrap();
    next_call(&mut pair.callee_inbox).await;
    pair.caller.account.redact(&pair.room, &sent).await.unwrap();
    pair.caller.account.redact(&pair.room, &sent).await.unwrap();
    let path = format!("GET /_matrix/client/v3/rooms/{}/event/{sent}", pair.room);
    assert_eq!(ask(&pair.callee, &path, &json!({}))["content"], json!({}));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_words() {
    let mut pair = Pair::in_plain_room().await;
    let (caller, callee) = (&pair.caller.account, &pair.callee.account);
    let stranger = Person::new(synapse()).await;
    let message = RoomMessage {
        room: &pair.room,
        peer: callee.matrix_id(),
        event_type: INVITE,
        content: CONTENT,
        transaction: "t1",
    };
    // In a room that we are not in.
    let outcome = stranger.account.send_to_room(message).await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");
    let outcome = stranger.account.room_facts(&pair.room).await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");
    let outcome = stranger
        .account
        .prepare_room(&pair.room, callee.matrix_id())
        .await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");

    // Where we have no right to speak.
    let levels = json!({ "users": { id(&pair.callee): 0 }, "events_default": 50 });
    ask(
        &pair.caller,
        &format!(
            "PUT /_matrix/client/v3/rooms/{}/state/m.room.power_levels/",
            pair.room
        ),
        &levels,
    );
    let to_caller = RoomMessage {
        peer: caller.matrix_id(),
        ..message
    };
    let outcome = callee.send_to_room(to_caller).await;
    assert!(
        matches!(outcome, Err(RoomError::Forbidden { .. })),
        "{outcome:?}"
    );

    // Out of it.
    callee.leave(&pair.room).await.unwrap();
    while next_news(&mut pair.callee_inbox).await != RoomNews::Left(pair.room.clone()) {}
    let outcome = callee.send_to_room(to_caller).await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");

    let nobody: MatrixId = format!("@nobody-at-all:{}", synapse().server_name())
        .parse()
        .unwrap();
    let nowhere: EventId = "$nothing".parse().unwrap();
    let outcome = stranger.account.redact(&pair.room, &nowhere).await;
    assert!(matches!(outcome, Err(RoomError::NotMember)), "{outcome:?}");
    // A Synapse lets itself be asked to invite anybody of its own; the room is there, and nobody comes.
    let room = caller.direct_room(&nobody).await;
    assert!(
        matches!(room, Ok(ref it) if it.callee == Membership::Invited)
            || matches!(room, Err(RoomError::CannotInvite(..))),
        "{room:?}"
    );
}

/// Over federation an invitation is often here before the server that it comes from knows of it.
#[tokio::test]
async fn who_knows_of_an_invitation_before_it_counts_is_let_in_once_it_does() {
    let front = WebServer::in_front_of(synapse().address()).unwrap();
    let callee = Person::behind(&front.base_url()).await;
    let caller = Person::new(synapse()).await;
    let room = create_room(&caller, &json!({ "preset": "private_chat" }));
    let invite = RoomInvite {
        room: room.parse().unwrap(),
        inviter: caller.account.matrix_id().clone(),
        is_direct: false,
        encrypted: false,
        join_rule: JoinRule::Invite,
    };
    let account = callee.account.clone();
    let joining =
        tokio::spawn(async move { account.join(&invite.room, Some(&invite.inviter)).await });
    let attempts = || {
        let requests = front.requests();
        requests
            .iter()
            .filter(|it| it.line.contains("/join"))
            .count()
    };
    // The second comes once the first was refused.
    while attempts() < 2 && !joining.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let path = format!("POST /_matrix/client/v3/rooms/{room}/invite");
    ask(&caller, &path, &json!({ "user_id": id(&callee) }));
    joining.await.unwrap().unwrap();
    let facts = callee.account.room_facts(&room.parse().unwrap()).await;
    let facts = facts.unwrap();
    assert!(facts.is_of_two(caller.account.matrix_id(), callee.account.matrix_id()));
}

/// The key may come by another way, and later: the event waits for it, and its age goes on.
#[tokio::test]
async fn an_event_whose_key_comes_later_comes_then() {
    let front = WebServer::in_front_of(synapse().address()).unwrap();
    let caller = Person::behind(&front.base_url()).await;
    let callee = Person::new(synapse()).await;
    let mut caller_inbox = caller.account.start_with_rooms().await.unwrap();
    let mut callee_inbox = callee.account.start_with_rooms().await.unwrap();
    let direct = caller
        .account
        .direct_room(callee.account.matrix_id())
        .await
        .unwrap();
    let invite = next_invite(&mut callee_inbox).await;
    callee
        .account
        .join(&invite.room, Some(&invite.inviter))
        .await
        .unwrap();
    next_member(&mut caller_inbox, callee.account.matrix_id()).await;
    let message = |event_type, transaction| RoomMessage {
        room: &direct.room,
        peer: callee.account.matrix_id(),
        event_type,
        content: CONTENT,
        transaction,
    };
    // A homeserver that takes the key, and says so, and does not hand it on.
    front.answer("PUT /_matrix/client/v3/sendToDevice/", "200 OK", "{}");
    caller
        .account
        .prepare_room(&direct.room, callee.account.matrix_id())
        .await
        .unwrap();
    let sent = caller
        .account
        .send_to_room(message(INVITE, "t1"))
        .await
        .unwrap();
    // In clear, so that it is seen that the other came before and was not told.
    let token = access_token(synapse(), id(&caller));
    let path = format!(
        "PUT /_matrix/client/v3/rooms/{}/send/m.call.hangup/raw",
        direct.room
    );
    request(synapse(), &path, &token, CONTENT);
    let (_, call) = next_call(&mut callee_inbox).await;
    assert_eq!(call.event_type, "m.call.hangup");

    let held = front
        .requests()
        .into_iter()
        .filter(|request| request.line.contains("/sendToDevice/m.room.encrypted/"));
    for request in held {
        let what = request.line.trim_end_matches(" HTTP/1.1");
        crate::signal::request(synapse(), what, &token, &request.body);
    }
    let (event, call) = next_call(&mut callee_inbox).await;
    assert_eq!((event.event_id, call.content.as_str()), (sent, CONTENT));
}

/// A homeserver that hands out an old invite as a new event.
#[tokio::test]
async fn an_encrypted_event_that_is_sent_again_by_another_is_refused() {
    let mut pair = Pair::in_direct_room().await;
    let sent = pair.send(INVITE, "t1").await.unwrap();
    next_call(&mut pair.callee_inbox).await;
    let path = format!("/_matrix/client/v3/rooms/{}", pair.room);
    let stored = ask(
        &pair.caller,
        &format!("GET {path}/event/{sent}"),
        &json!({}),
    );
    // As the sender's, which is what its homeserver could do.
    ask(
        &pair.caller,
        &format!("PUT {path}/send/m.room.encrypted/again"),
        &stored["content"],
    );
    let refused = |reason| RoomNews::Refused { reason, count: 1 };
    assert_eq!(
        next_news(&mut pair.callee_inbox).await,
        refused(RoomRefusal::Repeated)
    );
    // As another's.
    ask(
        &pair.callee,
        &format!("PUT {path}/send/m.room.encrypted/again"),
        &stored["content"],
    );
    assert_eq!(
        next_news(&mut pair.callee_inbox).await,
        refused(RoomRefusal::OtherSender)
    );
}

#[tokio::test]
async fn a_hangup_goes_before_what_waits_for_a_homeserver_that_asks_to_wait() {
    const SEND: &str = "PUT /_matrix/client/v3/rooms/";
    let front = WebServer::in_front_of(synapse().address()).unwrap();
    let caller = Person::behind(&front.base_url()).await;
    let peer = Person::new(synapse()).await;
    let room: RoomId = create_room(&caller, &json!({})).parse().unwrap();
    let message = |event_type, transaction| RoomMessage {
        room: &room,
        peer: peer.account.matrix_id(),
        event_type,
        content: CONTENT,
        transaction,
    };
    let wait = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":600}"#;
    front.answer(SEND, "429 Too Many Requests", wait);
    let account = &caller.account;
    let (candidates, hangup, ()) = tokio::join!(
        account.send_to_room(message("m.call.candidates", "t1")),
        async {
            while !front.requests().iter().any(|it| it.line.starts_with(SEND)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            account.send_to_room(message("m.call.hangup", "t2")).await
        },
        async {
            while !front
                .requests()
                .iter()
                .any(|it| it.line.contains("m.call.hangup"))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            front.forget_answers();
        },
    );
    assert!(candidates.is_ok() && hangup.is_ok());
    let sent: Vec<_> = front
        .requests()
        .into_iter()
        .filter(|it| it.line.starts_with(SEND))
        .collect();
    let place = |what: &str| sent.iter().position(|it| it.line.contains(what)).unwrap();
    let last = |what: &str| sent.iter().rposition(|it| it.line.contains(what)).unwrap();
    // The candidates were tried first, and went out last; each attempt is the same.
    assert!(
        place("candidates") < place("hangup") && last("hangup") < last("candidates"),
        "{sent:?}"
    );
    let tries = sent.iter().filter(|it| it.line.contains("candidates"));
    assert!(
        tries.clone().count() > 1
            && tries
                .clone()
                .all(|it| it.line.ends_with(sent[0].line.as_str()))
    );
}

#[tokio::test]
async fn a_sync_that_asks_for_no_rooms_gets_none() {
    let mut pair = Pair::in_plain_room().await;
    pair.send(INVITE, "t1").await.unwrap();
    next_call(&mut pair.callee_inbox).await;
    pair.callee.account.drain().await.unwrap();
    let mut inbox = pair.callee.account.start().await.unwrap();
    pair.send(INVITE, "t2").await.unwrap();
    pair.caller
        .send_to(&pair.callee, r#"{"sealed":true}"#)
        .await;
    loop {
        match inbox.next().await.unwrap() {
            Incoming::SyncComplete => {}
            Incoming::Signal { .. } => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_of_rooms_outlive_the_program() {
    let mut pair = Pair::in_direct_room().await;
    pair.send(INVITE, "t1").await.unwrap();
    next_call(&mut pair.callee_inbox).await;
    pair.callee.account.drain().await.unwrap();
    let Person {
        account,
        store,
        directory: _directory,
    } = pair.callee;
    let callee = account.matrix_id().clone();
    drop((account, pair.callee_inbox));
    let account = securecall_matrix::Account::restore(&store).await.unwrap();
    let mut inbox = account.start_with_rooms().await.unwrap();
    // In the session that it has the key of already.
    let message = RoomMessage {
        room: &pair.room,
        peer: &callee,
        event_type: "m.call.hangup",
        content: CONTENT,
        transaction: "t2",
    };
    pair.caller.account.send_to_room(message).await.unwrap();
    let (_, call) = next_call(&mut inbox).await;
    assert_eq!(call.event_type, "m.call.hangup");
}

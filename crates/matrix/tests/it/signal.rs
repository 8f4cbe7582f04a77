use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rusqlite::Connection;
use securecall_interop::{DatabaseSnapshot, Synapse, WebServer};
use securecall_matrix::{Incoming, SIGNAL_EVENT_TYPE, SendError, ServerError};

use crate::people::{Person, next_signal, signal, synapse};

#[tokio::test]
async fn two_strangers_exchange_sealed_messages_both_ways() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut caller_inbox = caller.account.start().await.unwrap();
    let mut callee_inbox = callee.account.start().await.unwrap();

    let devices = caller
        .account
        .devices_of(callee.account.matrix_id())
        .await
        .unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].device_id, callee.account.own_device().device_id);
    assert_eq!(devices[0].olm_key, callee.account.own_device().olm_key);

    for round in 0..3 {
        let invite = format!(r#"{{"round":{round},"version":1}}"#);
        caller.send_to(&callee, &invite).await;
        assert_eq!(
            next_signal(&mut callee_inbox).await,
            signal(&caller, &invite)
        );
        // The callee has never asked for the caller's devices.
        let answer = format!(r#"{{"answer":{round}}}"#);
        callee.send_to(&caller, &answer).await;
        assert_eq!(
            next_signal(&mut caller_inbox).await,
            signal(&callee, &answer)
        );
    }
}

#[tokio::test]
async fn both_devices_of_a_user_receive_and_the_sync_ends_after_the_signals() {
    let caller = Person::new(synapse()).await;
    let first = Person::new(synapse()).await;
    let second = Person::device_of(synapse(), first.account.matrix_id().localpart()).await;

    let devices = caller
        .account
        .devices_of(first.account.matrix_id())
        .await
        .unwrap();
    assert_eq!(devices.len(), 2);
    for device in devices {
        for content in [r#"{"number":1}"#, r#"{"number":2}"#] {
            caller
                .account
                .send(first.account.matrix_id(), &device.device_id, content)
                .await
                .unwrap();
        }
    }
    for device in [&first, &second] {
        let mut inbox = device.account.start().await.unwrap();
        assert_eq!(inbox.next().await, Some(signal(&caller, r#"{"number":1}"#)));
        assert_eq!(inbox.next().await, Some(signal(&caller, r#"{"number":2}"#)));
        assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    }
}

#[tokio::test]
async fn a_message_in_plain_text_is_refused_and_other_types_are_ignored() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut inbox = receiver.account.start().await.unwrap();
    let token = access_token(synapse(), sender.account.matrix_id().as_str());
    let receiver_id = receiver.account.matrix_id();
    let device = &receiver.account.own_device().device_id;
    for (event_type, transaction) in [("org.example.other", 1), (SIGNAL_EVENT_TYPE, 2)] {
        let body = format!(r#"{{"messages":{{"{receiver_id}":{{"{device}":{{"version":1}}}}}}}}"#);
        put(
            synapse(),
            &format!("/_matrix/client/v3/sendToDevice/{event_type}/{transaction}"),
            &token,
            &body,
        );
    }
    sender.send_to(&receiver, r#"{"sealed":true}"#).await;

    let refused = Incoming::PlainTextRefused {
        sender: sender.account.matrix_id().clone(),
    };
    assert_eq!(next_signal(&mut inbox).await, refused);
    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&sender, r#"{"sealed":true}"#)
    );
}

/// What a homeserver can do to make a call look like one of the ordinary kind: a room that the callee has joined without
/// knowing, and an unsealed `m.call.invite` in it.
#[tokio::test]
async fn a_room_invite_in_place_of_the_sealed_call_is_not_even_looked_at() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut inbox = callee.account.start().await.unwrap();
    let caller_token = access_token(synapse(), caller.account.matrix_id().as_str());
    let callee_token = access_token(synapse(), callee.account.matrix_id().as_str());
    let room = request(
        synapse(),
        "POST /_matrix/client/v3/createRoom",
        &caller_token,
        &format!(
            r#"{{"preset":"trusted_private_chat","is_direct":true,"invite":["{}"]}}"#,
            callee.account.matrix_id()
        ),
    );
    let room: serde_json::Value = serde_json::from_str(&room).unwrap();
    let room = room["room_id"].as_str().unwrap();
    request(
        synapse(),
        &format!("POST /_matrix/client/v3/join/{room}"),
        &callee_token,
        "{}",
    );
    request(
        synapse(),
        &format!("PUT /_matrix/client/v3/rooms/{room}/send/m.call.invite/1"),
        &caller_token,
        r#"{"call_id":"1","version":"1","party_id":"P","lifetime":90000,"offer":{"type":"offer","sdp":"v=0"}}"#,
    );
    caller.send_to(&callee, r#"{"sealed":true}"#).await;

    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&caller, r#"{"sealed":true}"#)
    );
}

#[tokio::test]
async fn after_a_drain_nothing_is_left_in_the_inbox_on_the_server() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    sender.send_to(&receiver, r#"{"number":1}"#).await;
    assert_eq!(waiting(synapse(), &receiver), 1);
    let mut inbox = receiver.account.start().await.unwrap();
    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&sender, r#"{"number":1}"#)
    );
    receiver.account.drain().await.unwrap();
    assert_eq!(waiting(synapse(), &receiver), 0);
}

#[tokio::test]
async fn what_a_drain_finds_still_arrives_and_then_the_inbox_ends() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut inbox = receiver.account.start().await.unwrap();
    sender.send_to(&receiver, r#"{"late":true}"#).await;
    receiver.account.drain().await.unwrap();
    assert_eq!(waiting(synapse(), &receiver), 0);
    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&sender, r#"{"late":true}"#)
    );
    while let Some(incoming) = inbox.next().await {
        assert_eq!(incoming, Incoming::SyncComplete);
    }
}

#[tokio::test]
async fn a_sealed_message_leaves_no_row_that_names_anybody() {
    let server = Synapse::start(securecall_interop::SynapseOptions::default()).unwrap();
    let (caller, callee) = (Person::new(&server).await, Person::new(&server).await);
    let before = DatabaseSnapshot::read(&server.database_path()).unwrap();

    let mut caller_inbox = caller.account.start().await.unwrap();
    let mut callee_inbox = callee.account.start().await.unwrap();
    caller
        .account
        .devices_of(callee.account.matrix_id())
        .await
        .unwrap();
    caller.send_to(&callee, r#"{"invite":1}"#).await;
    next_signal(&mut callee_inbox).await;
    callee.send_to(&caller, r#"{"answer":1}"#).await;
    next_signal(&mut caller_inbox).await;
    caller.account.drain().await.unwrap();
    callee.account.drain().await.unwrap();

    let report = before.compare(&DatabaseSnapshot::read(&server.database_path()).unwrap());
    let unexplained: Vec<String> = report.unexplained().map(ToString::to_string).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

/// The homeserver may have taken it all the same: with one transaction ID it arrives once.
#[tokio::test]
async fn a_message_that_had_to_wait_is_the_same_message() {
    const SEND: &str = "PUT /_matrix/client/v3/sendToDevice/";
    let front = WebServer::in_front_of(synapse().address()).unwrap();
    let (sender, receiver) = (
        Person::behind(&front.base_url()).await,
        Person::new(synapse()).await,
    );
    front.answer(
        SEND,
        "429 Too Many Requests",
        r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":1}"#,
    );
    let device = &receiver.account.own_device().device_id;
    let outcome = sender
        .account
        .send(receiver.account.matrix_id(), device, "{}")
        .await;
    assert!(
        matches!(
            outcome,
            Err(SendError::Server(ServerError::TooManyRequests { .. }))
        ),
        "{outcome:?}"
    );
    let requests = front.requests();
    let sent: Vec<_> = requests
        .iter()
        .filter(|request| request.line.starts_with(SEND))
        .map(|request| (&request.line, &request.body))
        .collect();
    assert!(
        sent.len() > 1 && sent.iter().all(|it| it == &sent[0]),
        "{sent:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_said() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let receiver_id = receiver.account.matrix_id();
    let nowhere = "NOSUCHDEVICE".parse().unwrap();
    for content in ["", "[]", "1", "{", r#"{} {}"#] {
        let outcome = sender.account.send(receiver_id, &nowhere, content).await;
        assert!(matches!(outcome, Err(SendError::BadContent)), "{content}");
    }
    let outcome = sender.account.send(receiver_id, &nowhere, "{}").await;
    assert!(
        matches!(outcome, Err(SendError::UnknownDevice { .. })),
        "{outcome:?}"
    );
    let nobody = format!("@nobody:{}", synapse().server_name())
        .parse()
        .unwrap();
    assert_eq!(sender.account.devices_of(&nobody).await.unwrap(), []);
}

/// The messages that wait for a device on the server.
fn waiting(synapse: &Synapse, person: &Person) -> usize {
    let database = Connection::open(synapse.database_path()).unwrap();
    let count: i64 = database
        .query_row(
            "SELECT COUNT(*) FROM device_inbox WHERE user_id = ?1",
            [person.account.matrix_id().as_str()],
            |row| row.get(0),
        )
        .unwrap();
    usize::try_from(count).unwrap()
}

pub(crate) fn access_token(synapse: &Synapse, user: &str) -> String {
    let database = Connection::open(synapse.database_path()).unwrap();
    database
        .query_row(
            "SELECT token FROM access_tokens WHERE user_id = ?1",
            [user],
            |row| row.get(0),
        )
        .unwrap()
}

fn put(synapse: &Synapse, path: &str, token: &str, body: &str) {
    request(synapse, &format!("PUT {path}"), token, body);
}

/// A request as method and path; gives the JSON object of the answer, which may come in one chunk.
pub(crate) fn request(synapse: &Synapse, what: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(synapse.address()).unwrap();
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body[body.find('{').unwrap()..=body.rfind('}').unwrap()].to_owned()
}

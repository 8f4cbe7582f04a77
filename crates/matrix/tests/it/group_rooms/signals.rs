//! What the 1:1 calls of a group call say, from device to device.

use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId, RoomId};
use securecall_interop::{JsSdk, JsSdkLogin};
use securecall_matrix::{CallProtection, GroupRoomEventType, Incoming, SendError};
use serde_json::{Value, json};

use super::{At, AtDendrite, AtSynapse, INVITE, Owner, contents, member, next};
use crate::people::{fresh_name, next_signal, signal};

const CONTENT: &str = r#"{"call_id":"c","conf_id":"g"}"#;

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

//! Group calls in rooms as matrix-js-sdk 43 in Chromium really says them (with shorter SDPs), and everything that can be wrong with them.

use securecall_signaling::wire::group_room::{
    CALL_EVENT, CallKind, CallState, GroupCallId, GroupSignal, GroupSignalError, Intent,
    MAX_CALLS_OF_MEMBER, MAX_DEVICES_OF_CALL, MEMBER_EVENT, MemberState, MessageId, OpenCall,
    OwnEntry, OwnMemberContent, SessionId,
};
use securecall_signaling::wire::room::{MAX_ROOM_CONTENT, RoomContent, RoomSignalError};
use serde_json::{Value, json};

pub(super) const CALL: &str = "1795892916899iqRwYbBT1XHU0XKw";

pub(super) fn call_content() -> Value {
    json!({"dataChannelsEnabled": false, "io.element.ptt": false, "m.intent": "m.prompt", "m.type": "m.voice"})
}

pub(super) fn device(id: &str, session: &str, expires_ms: u64) -> Value {
    json!({"device_id": id, "expires_ts": expires_ms, "feeds": [{"purpose": "m.usermedia"}], "session_id": session})
}

pub(super) fn member_content(call: &str, devices: &[Value]) -> Value {
    json!({"m.calls": [{"m.call_id": call, "m.devices": devices}]})
}

fn invite() -> Value {
    json!({
        "call_id": "1795892917442oGgrRKzgUlZMf3mK",
        "capabilities": {"m.call.dtmf": false, "m.call.transferee": false},
        "conf_id": CALL,
        "dest_session_id": "gaSxEAqDh8",
        "device_id": "RJKXKDJGNZ",
        "invitee": "@bnewest:homeserver.test",
        "lifetime": 60_000,
        "offer": {"sdp": "v=0\r\na=msid:75c0ded1-1627-41e0-8b5d-1810d7c0c432 f99cb48c\r\n", "type": "offer"},
        "org.matrix.msgid": "9d570d70-e541-46d2-ae65-d1b793711bbe",
        "party_id": "RJKXKDJGNZ",
        "sdp_stream_metadata": {"75c0ded1-1627-41e0-8b5d-1810d7c0c432":
            {"audio_muted": false, "purpose": "m.usermedia", "video_muted": true}},
        "sender_session_id": "BKS1I2nWWB",
        "seq": 0,
        "version": "1",
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn read(event_type: &str, content: &Value) -> Result<Option<GroupSignal>, GroupSignalError> {
    GroupSignal::parse(event_type, &bytes(content))
}

fn state(content: &Value) -> MemberState {
    MemberState::parse(&bytes(content)).unwrap()
}

fn call_id() -> GroupCallId {
    GroupCallId::parse(CALL).unwrap()
}

#[test]
fn the_types_are_those_of_matrix_js_sdk() {
    assert_eq!(CALL_EVENT, "org.matrix.msc3401.call");
    assert_eq!(MEMBER_EVENT, "org.matrix.msc3401.call.member");
}

#[test]
fn a_call_of_matrix_js_sdk_is_read_and_ours_is_the_same_but_for_its_data_channels() {
    let open = OpenCall::of_voices(Intent::Prompt);
    let read = CallState::parse(&bytes(&call_content())).unwrap();
    assert_eq!(read, CallState::Open(open));
    assert_eq!(CallState::parse(&bytes(&open.to_content())).unwrap(), read);
    let ended = CallState::parse(&bytes(&open.to_terminated_content())).unwrap();
    assert_eq!(ended, CallState::Terminated);
    assert_eq!(CallState::parse(b"{}").unwrap(), CallState::Terminated);
}

#[test]
fn kinds_and_intents_are_those_of_msc3401_and_others_are_no_call() {
    let with = |key: &str, value: Value| {
        let mut content = call_content();
        content[key] = value;
        CallState::parse(&bytes(&content))
    };
    let open = |read: Result<CallState, _>| match read.unwrap() {
        CallState::Open(open) => open,
        CallState::Terminated => panic!("it is over"),
    };
    assert_eq!(open(with("m.type", "m.video".into())).kind, CallKind::Video);
    assert_eq!(open(with("m.intent", "m.ring".into())).intent, Intent::Ring);
    assert_eq!(open(with("m.intent", "m.room".into())).intent, Intent::Room);
    assert!(open(with("io.element.ptt", true.into())).is_push_to_talk);
    assert!(open(with("io.element.livekit_service_url", "https://x".into())).has_media_server);
    for value in [json!("m.smoke"), json!(1), json!({}), Value::Null] {
        assert!(with("m.type", value.clone()).is_err(), "{value}");
        assert!(with("m.intent", value.clone()).is_err(), "{value}");
    }
    // As JavaScript has it.
    for (value, is_over) in [
        (json!("call_ended"), true),
        (json!(1), true),
        (json!({}), true),
        (json!(""), false),
        (json!(0), false),
        (json!(false), false),
        (Value::Null, false),
    ] {
        let read = with("m.terminated", value.clone()).unwrap();
        assert_eq!(read == CallState::Terminated, is_over, "{value}");
    }
    assert!(CallState::parse(b"[]").is_err());
    assert!(CallState::parse(&vec![b' '; 70_000]).is_err());
}

#[test]
fn a_member_of_matrix_js_sdk_is_read() {
    let content = member_content(
        CALL,
        &[device("RJKXKDJGNZ", "BKS1I2nWWB", 1_795_896_517_022)],
    );
    let state = state(&content);
    let [it] = state.devices_in(&call_id()) else {
        panic!("one device")
    };
    assert_eq!(it.device_id.as_str(), "RJKXKDJGNZ");
    assert_eq!(it.session_id.as_str(), "BKS1I2nWWB");
    assert_eq!(
        (it.expires_ms, it.shares_screen),
        (1_795_896_517_022, false)
    );
}

#[test]
fn an_entry_without_one_of_its_four_fields_is_left_out_and_the_others_count() {
    let good = device("GOOD", "s", 5);
    for field in ["device_id", "session_id", "expires_ts", "feeds"] {
        for value in [Value::Null, json!({}), json!(true), json!([]), json!("")] {
            if field == "feeds" && value.is_array() {
                continue;
            }
            let mut bad = device("BAD", "s", 5);
            bad[field] = value.clone();
            let state = state(&member_content(CALL, &[bad, good.clone()]));
            let devices = state.devices_in(&call_id());
            assert_eq!(devices.len(), 1, "{field}: {value}");
            assert_eq!(devices[0].device_id.as_str(), "GOOD");
        }
    }
    for content in [
        json!({}),
        json!({"m.calls": {}}),
        json!({"m.calls": [null, 1, "a", [], {}, {"m.call_id": 1}, {"m.call_id": ""}]}),
        json!({"m.calls": [{"m.call_id": CALL, "m.devices": {"a": good}}]}),
        json!({"memberships": [good]}),
    ] {
        assert_eq!(state(&content).calls().count(), 0, "{content}");
    }
}

#[test]
fn times_may_be_any_number() {
    let at = |value: Value| {
        let mut entry = device("D", "s", 0);
        entry["expires_ts"] = value;
        state(&member_content(CALL, &[entry])).devices_in(&call_id())[0].expires_ms
    };
    assert_eq!(at(json!(1.5)), 1);
    assert_eq!(at(json!(-5)), 0);
    assert_eq!(at(json!(1e300)), u64::MAX);
    assert_eq!(at(json!(u64::MAX)), u64::MAX);
}

#[test]
fn a_screen_is_seen() {
    let mut entry = device("D", "s", 5);
    entry["feeds"] =
        json!([null, {"purpose": 1}, {"purpose": "m.smell"}, {"purpose": "m.screenshare"}]);
    let state = state(&member_content(CALL, &[entry]));
    assert!(state.devices_in(&call_id())[0].shares_screen);
}

#[test]
fn thousands_of_devices_and_calls_are_read_up_to_the_bounds() {
    let many: Vec<_> = (0..500).map(|n| device(&format!("D{n}"), "s", 5)).collect();
    let of_call = state(&member_content(CALL, &many));
    assert_eq!(of_call.devices_in(&call_id()).len(), MAX_DEVICES_OF_CALL);

    let twice = state(&member_content(
        CALL,
        &[device("D", "first", 5), device("D", "second", 6)],
    ));
    let devices = twice.devices_in(&call_id());
    assert_eq!(
        (devices.len(), devices[0].session_id.as_str()),
        (1, "first")
    );

    let call = |n: usize| json!({"m.call_id": format!("c{n}"), "m.devices": [device("D", "s", 5)]});
    let calls: Vec<_> = (0..100).map(call).collect();
    assert_eq!(
        state(&json!({"m.calls": calls})).calls().count(),
        MAX_CALLS_OF_MEMBER
    );

    let too_long = "a".repeat(MAX_ROOM_CONTENT);
    assert!(matches!(
        MemberState::parse(&bytes(&json!({"a": too_long}))),
        Err(RoomSignalError::TooMuch { .. })
    ));
}

#[test]
fn an_invite_of_matrix_js_sdk_is_read_and_written_back_with_all_that_it_looks_at() {
    let signal = read("m.call.invite", &invite()).unwrap().unwrap();
    assert_eq!(signal.route.group_call_id, call_id());
    assert_eq!(
        signal.route.device_id.as_ref().unwrap().as_str(),
        "RJKXKDJGNZ"
    );
    assert_eq!(
        signal.route.from_session.as_ref().unwrap().as_str(),
        "BKS1I2nWWB"
    );
    assert_eq!(signal.route.to_session.as_str(), "gaSxEAqDh8");
    assert_eq!(signal.route.sequence_number, Some(0));
    assert!(matches!(signal.signal.content, RoomContent::Invite(_)));

    let (event_type, content) = signal.to_event(MessageId::from_random([7; 16]));
    assert_eq!(event_type, "m.call.invite");
    for field in [
        "call_id",
        "conf_id",
        "dest_session_id",
        "device_id",
        "party_id",
        "sender_session_id",
        "seq",
    ] {
        assert_eq!(content[field], invite()[field], "{field}");
    }
    assert_eq!(content["org.matrix.msgid"].as_str().unwrap().len(), 32);
    assert_eq!(read(event_type, &content).unwrap().unwrap(), signal);
}

#[test]
fn what_belongs_to_no_group_call_is_none_of_its_events() {
    let mut of_a_room = invite();
    of_a_room.as_object_mut().unwrap().remove("conf_id");
    assert_eq!(read("m.call.invite", &of_a_room), Ok(None));
    for event_type in [
        "m.room_key",
        "m.call.replaces",
        "org.matrix.call.asserted_identity",
    ] {
        assert_eq!(read(event_type, &invite()), Ok(None), "{event_type}");
        let unreadable = GroupSignal::parse(event_type, b"nonsense");
        assert_eq!(unreadable, Ok(None), "{event_type}");
    }
}

#[test]
fn each_field_of_the_way_may_be_wrong() {
    let wrong = |field: &str, value: Value| {
        let mut content = invite();
        content[field] = value;
        read("m.call.invite", &content)
    };
    for field in [
        "conf_id",
        "dest_session_id",
        "device_id",
        "sender_session_id",
    ] {
        for value in [
            json!(1),
            json!({}),
            json!("a b"),
            json!("ä"),
            json!("a".repeat(256)),
        ] {
            assert!(wrong(field, value.clone()).is_err(), "{field}: {value}");
        }
    }
    for value in [
        json!("0"),
        json!(-1),
        json!(0.5),
        json!(1_u64 << 32),
        json!([]),
    ] {
        assert!(wrong("seq", value.clone()).is_err(), "{value}");
    }
    let without_session = wrong("dest_session_id", Value::Null);
    assert!(matches!(
        without_session,
        Err(GroupSignalError::Signal(RoomSignalError::Missing {
            field: "dest_session_id"
        }))
    ));
    for field in ["device_id", "sender_session_id", "seq", "org.matrix.msgid"] {
        assert!(wrong(field, Value::Null).unwrap().is_some(), "{field}");
    }
}

fn entry(device: &str, expires_ms: u64) -> OwnEntry {
    OwnEntry {
        call_id: call_id(),
        device_id: device.parse().unwrap(),
        session_id: SessionId::parse("ours").unwrap(),
        expires_ms,
    }
}

#[test]
fn our_entry_goes_beside_those_of_our_other_devices_and_takes_only_itself_away() {
    let mut other = device("OTHER", "theirs", 900);
    other["org.example.more"] = json!({"kept": [1, 2]});
    let another_call =
        json!({"m.call_id": "another", "m.devices": [device("OURS", "s", 900)], "m.foci": ["x"]});
    let content = json!({
        "org.example.top": true,
        "m.calls": [
            {"m.call_id": CALL, "m.devices": [other, device("OLD", "s", 100)], "m.foci": ["y"]},
            another_call,
        ],
    });
    let before = OwnMemberContent::read(&bytes(&content));
    let joined = before.with(&entry("OURS", 950), 500);
    assert_eq!(
        joined.to_value(),
        json!({
            "org.example.top": true,
            "m.calls": [
                {"m.call_id": CALL, "m.devices": [other, device("OURS", "ours", 950)], "m.foci": ["y"]},
                another_call,
            ],
        })
    );
    // A renewal takes the place of the entry.
    let renewed = joined.with(&entry("OURS", 990), 600).state();
    let times: Vec<_> = renewed
        .devices_in(&call_id())
        .iter()
        .map(|it| it.expires_ms)
        .collect();
    assert_eq!(times, [900, 990]);

    let left = joined.without(&call_id(), &"OURS".parse().unwrap(), 600);
    assert_eq!(left.to_value()["m.calls"][0]["m.devices"], json!([other]));
    let all_left = left.without(&call_id(), &"OTHER".parse().unwrap(), 600);
    assert_eq!(all_left.to_value()["m.calls"], json!([another_call]));
}

#[test]
fn whatever_stands_in_our_event_our_entry_can_be_written() {
    let many: Vec<_> = (0..500)
        .map(|n| device(&format!("D{n}"), "s", 900))
        .collect();
    let calls: Vec<_> = (0..60)
        .map(|n| json!({"m.call_id": format!("c{n}"), "x": "x".repeat(900)}))
        .collect();
    for content in [
        "nonsense".to_owned(),
        "[]".to_owned(),
        json!({"m.calls": 5}).to_string(),
        member_content(CALL, &many).to_string(),
        json!({"m.calls": calls}).to_string(),
        json!({"m.calls": [], "x": "x".repeat(60_000)}).to_string(),
    ] {
        let written = OwnMemberContent::read(content.as_bytes()).with(&entry("OURS", 900), 5);
        assert!(written.to_value().to_string().len() <= MAX_ROOM_CONTENT / 2);
        let state = written.state();
        let devices = state.devices_in(&call_id());
        assert!(devices.iter().any(|it| it.device_id.as_str() == "OURS"));
        assert!(devices.len() <= MAX_DEVICES_OF_CALL);
    }
}

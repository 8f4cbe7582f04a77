//! The bounds of what is read of calls in rooms, as `docs/protocol/room.md` has them: at the bound it is read, beyond it is not.

use std::time::Duration;

use securecall_contact::MatrixIdError;
use securecall_signaling::wire::room::{
    MAX_LIFETIME, MAX_ROOM_CANDIDATE, MAX_ROOM_CANDIDATES, MAX_ROOM_CONTENT, MAX_STREAMS, Mid,
    RoomContent, RoomSignal, RoomSignalError, StreamId,
};
use securecall_signaling::{PartyId, PartyIdError, WireCallId, WireCallIdError};
use serde_json::{Value, json};

use crate::room_events::{changed, read, refused, whole_events};

#[test]
fn ids_of_calls_and_parties_are_bounded_and_harm_no_display() {
    for (event_type, _) in whole_events() {
        for id in ["", "a b", "a/b", &"a".repeat(WireCallId::MAX_LEN + 1)] {
            let error = refused(event_type, &changed(event_type, "/call_id", id.into()));
            assert_eq!(error, RoomSignalError::CallId(WireCallIdError), "{id}");
        }
        let longest = "a".repeat(PartyId::MAX_LEN);
        let content = changed(event_type, "/party_id", longest.as_str().into());
        assert_eq!(
            read(event_type, &content).party_id.unwrap().as_str(),
            longest
        );
    }
    let of_parties = [
        ("m.call.hangup", "/party_id", "party_id"),
        (
            "m.call.select_answer",
            "/selected_party_id",
            "selected_party_id",
        ),
    ];
    for (event_type, pointer, field) in of_parties {
        let cases = [
            ("a b".to_owned(), PartyIdError::NotPrintable),
            ("a".repeat(256), PartyIdError::TooLong { found: 256 }),
        ];
        for (id, reason) in cases {
            let error = refused(event_type, &changed(event_type, pointer, id.into()));
            assert_eq!(error, RoomSignalError::PartyId { field, reason });
        }
    }
    let nobody = changed("m.call.select_answer", "/selected_party_id", "".into());
    assert!(matches!(
        refused("m.call.select_answer", &nobody),
        RoomSignalError::PartyId {
            reason: PartyIdError::NotPrintable,
            ..
        }
    ));
}

#[test]
fn an_invitee_that_nobody_can_be_is_refused() {
    let too_long = format!("@{}:example.org", "b".repeat(300));
    let cases = [
        ("ben", MatrixIdError::NoSigil),
        (too_long.as_str(), MatrixIdError::TooLong { found: 313 }),
    ];
    for (invitee, reason) in cases {
        let error = refused(
            "m.call.invite",
            &changed("m.call.invite", "/invitee", invitee.into()),
        );
        assert_eq!(error, RoomSignalError::Invitee(reason));
    }
}

#[test]
fn candidates_are_bounded_and_say_where_they_belong() {
    let event = "m.call.candidates";
    let candidate = |line: &str| json!({"candidate": line, "sdpMLineIndex": 0});
    let many = |count: usize| changed(event, "/candidates", vec![candidate("c"); count].into());
    let long = |length: usize| changed(event, "/candidates/0/candidate", "c".repeat(length).into());
    read(event, &many(0));
    read(event, &many(MAX_ROOM_CANDIDATES));
    read(event, &long(MAX_ROOM_CANDIDATE));
    let too_much = [
        (many(MAX_ROOM_CANDIDATES + 1), MAX_ROOM_CANDIDATES),
        (long(MAX_ROOM_CANDIDATE + 1), MAX_ROOM_CANDIDATE),
    ];
    for (content, allowed) in too_much {
        assert!(matches!(
            refused(event, &content),
            RoomSignalError::TooMuch { limit, found, .. } if limit == allowed && found == allowed + 1
        ));
    }
    let nowhere = [
        json!({"candidate": "c"}),
        json!({"candidate": "c", "sdpMid": "", "sdpMLineIndex": null}),
    ];
    for candidate in nowhere {
        let content = changed(event, "/candidates/0", candidate);
        assert_eq!(refused(event, &content), RoomSignalError::UnplacedCandidate);
    }
    let misplaced = [
        ("/candidates/0/sdpMid", json!("a b")),
        ("/candidates/0/sdpMid", json!("m".repeat(Mid::MAX_LEN + 1))),
        ("/candidates/0/sdpMLineIndex", json!(65_536)),
        ("/candidates/0/sdpMLineIndex", json!(u64::MAX)),
    ];
    for (pointer, value) in misplaced {
        let error = refused(event, &changed(event, pointer, value));
        assert!(
            matches!(error, RoomSignalError::Unexpected { .. }),
            "{error}"
        );
    }
    read(
        event,
        &changed(
            event,
            "/candidates/0/sdpMid",
            "m".repeat(Mid::MAX_LEN).into(),
        ),
    );
    read(
        event,
        &changed(event, "/candidates/0/sdpMLineIndex", 65_535.into()),
    );
}

#[test]
fn streams_are_bounded_in_number_and_in_their_names() {
    let event = "m.call.sdp_stream_metadata_changed";
    let streams = |ids: Vec<String>| {
        let stream = json!({"purpose": "m.usermedia"});
        let streams = ids.into_iter().map(|id| (id, stream.clone())).collect();
        changed(event, "/sdp_stream_metadata", Value::Object(streams))
    };
    let many = |count: usize| streams((0..count).map(|n| n.to_string()).collect());
    read(event, &many(0));
    read(event, &many(MAX_STREAMS));
    assert!(matches!(
        refused(event, &many(MAX_STREAMS + 1)),
        RoomSignalError::TooMuch {
            limit: MAX_STREAMS,
            ..
        }
    ));
    read(event, &streams(vec!["s".repeat(StreamId::MAX_LEN)]));
    for id in ["", "a b", "ä", &"s".repeat(StreamId::MAX_LEN + 1)] {
        let error = refused(event, &streams(vec![id.into()]));
        assert!(
            matches!(error, RoomSignalError::Unexpected { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_lifetime_that_is_too_long_counts_as_the_longest() {
    let longest = u64::try_from(MAX_LIFETIME.as_millis()).unwrap();
    for (milliseconds, counts_as) in [
        (0, 0),
        (longest, longest),
        (longest + 1, longest),
        (u64::MAX, longest),
    ] {
        let counts_as = Duration::from_millis(counts_as);
        let invite = read(
            "m.call.invite",
            &changed("m.call.invite", "/lifetime", milliseconds.into()),
        );
        assert!(matches!(invite.content, RoomContent::Invite(it) if it.lifetime == counts_as));
        let negotiate = changed("m.call.negotiate", "/lifetime", milliseconds.into());
        assert!(matches!(
            read("m.call.negotiate", &negotiate).content,
            RoomContent::Negotiate { lifetime: Some(it), .. } if it == counts_as
        ));
    }
}

#[test]
fn an_event_has_sixty_four_kibibytes_and_no_byte_more() {
    assert_eq!(MAX_ROOM_CONTENT, 65_536);
    for (event_type, content) in whole_events() {
        let mut bytes = serde_json::to_vec(&content).unwrap();
        bytes.resize(65_536, b' ');
        assert!(RoomSignal::parse(event_type, &bytes).is_ok());
        bytes.push(b' ');
        assert!(matches!(
            RoomSignal::parse(event_type, &bytes),
            Err(RoomSignalError::TooMuch {
                limit: 65_536,
                found: 65_537,
                ..
            })
        ));
    }
}

#[test]
fn what_is_no_object_of_json_is_refused() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let texts = [
        "",
        "null",
        "[]",
        "\"x\"",
        "1",
        "{",
        "{}x",
        r#"{"x":"\ud800"}"#,
        "\u{0}",
        &deep,
    ];
    for (event_type, _) in whole_events() {
        for text in texts {
            let read = RoomSignal::parse(event_type, text.as_bytes());
            assert!(
                matches!(read, Err(RoomSignalError::Json { .. })),
                "{text:.20}: {read:?}"
            );
        }
        assert!(RoomSignal::parse(event_type, b"{\"x\":\"\xff\"}").is_err());
    }
}

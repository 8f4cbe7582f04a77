//! Every field of every event of calls in rooms: what comes of it when it is missing, null or of another kind.

use std::collections::BTreeSet;

use securecall_signaling::wire::room::{RoomContent, RoomSignalError};
use serde_json::{Value, json};

use crate::room_events::{changed, read, refused, whole_events};

/// What a field must hold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Number,
    Object,
    Array,
    Flag,
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_u64(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::Flag => value.is_boolean(),
        }
    }
}

/// A field: where it is, how errors name it, what it holds, and whether it must be there.
type Field = (&'static str, &'static str, Kind, bool);

const OFFER: [Field; 3] = [
    ("/offer", "offer", Kind::Object, true),
    ("/offer/type", "offer.type", Kind::Text, true),
    ("/offer/sdp", "offer.sdp", Kind::Text, true),
];
const STREAMS: [Field; 5] = [
    (
        "/sdp_stream_metadata",
        "sdp_stream_metadata",
        Kind::Object,
        false,
    ),
    (
        "/sdp_stream_metadata/s",
        "sdp_stream_metadata[]",
        Kind::Object,
        true,
    ),
    (
        "/sdp_stream_metadata/s/purpose",
        "sdp_stream_metadata[].purpose",
        Kind::Text,
        true,
    ),
    (
        "/sdp_stream_metadata/s/audio_muted",
        "sdp_stream_metadata[].audio_muted",
        Kind::Flag,
        false,
    ),
    (
        "/sdp_stream_metadata/s/video_muted",
        "sdp_stream_metadata[].video_muted",
        Kind::Flag,
        false,
    ),
];

/// The fields of an event, but for `version` and `reason`: there is nothing that these must not hold.
fn fields_of(event_type: &str) -> Vec<Field> {
    let mut fields = vec![
        ("/call_id", "call_id", Kind::Text, true),
        ("/party_id", "party_id", Kind::Text, false),
    ];
    match event_type {
        "m.call.invite" => {
            fields.extend(OFFER);
            fields.push(("/lifetime", "lifetime", Kind::Number, true));
            fields.push(("/invitee", "invitee", Kind::Text, false));
            fields.extend(STREAMS);
        }
        "m.call.answer" => {
            fields.push(("/answer", "answer", Kind::Object, true));
            fields.push(("/answer/type", "answer.type", Kind::Text, true));
            fields.push(("/answer/sdp", "answer.sdp", Kind::Text, true));
            fields.extend(STREAMS);
        }
        "m.call.candidates" => {
            let index = "candidates[].sdpMLineIndex";
            fields.push(("/candidates", "candidates", Kind::Array, true));
            fields.push(("/candidates/0", "candidates[]", Kind::Object, true));
            fields.push((
                "/candidates/0/candidate",
                "candidates[].candidate",
                Kind::Text,
                true,
            ));
            fields.push((
                "/candidates/0/sdpMid",
                "candidates[].sdpMid",
                Kind::Text,
                false,
            ));
            fields.push(("/candidates/0/sdpMLineIndex", index, Kind::Number, false));
        }
        "m.call.select_answer" => {
            fields.push(("/selected_party_id", "selected_party_id", Kind::Text, true));
        }
        "m.call.reject" | "m.call.hangup" => {}
        "m.call.negotiate" => {
            fields.push(("/description", "description", Kind::Object, true));
            fields.push(("/description/type", "description.type", Kind::Text, true));
            fields.push(("/description/sdp", "description.sdp", Kind::Text, true));
            fields.push(("/lifetime", "lifetime", Kind::Number, false));
            fields.extend(STREAMS);
        }
        "m.call.sdp_stream_metadata_changed" => {
            fields.extend(STREAMS);
            fields[2].3 = true;
        }
        other => panic!("{other}"),
    }
    fields
}

/// All places of a value that are not in the list.
fn pointers_not_in(known: &BTreeSet<&str>, at: &str, value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(n, it)| (n.to_string(), it))
            .collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        found.extend(pointers_not_in(known, &pointer, child));
        if !known.contains(pointer.as_str()) {
            found.push(pointer);
        }
    }
    found
}

#[test]
fn the_table_has_every_field_of_every_event() {
    for (event_type, content) in whole_events() {
        let fields = fields_of(event_type);
        let mut known: BTreeSet<&str> = fields.iter().map(|(pointer, ..)| *pointer).collect();
        known.extend(["/version", "/reason"]);
        let missing = pointers_not_in(&known, "", &content);
        assert_eq!(missing, Vec::<String>::new(), "{event_type}");
    }
}

#[test]
fn a_field_that_is_needed_and_missing_or_null_is_named_and_others_may_be_either() {
    for (event_type, content) in whole_events() {
        for (pointer, field, _, is_needed) in fields_of(event_type) {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut without = content.clone();
            // What is in a list or a map by itself can be null, but not missing.
            if let Some(parent) = without.pointer_mut(parent).unwrap().as_object_mut()
                && !field.ends_with("[]")
            {
                parent.remove(key);
            }
            let null = changed(event_type, pointer, Value::Null);
            if !is_needed {
                assert_eq!(read(event_type, &null), read(event_type, &without));
            } else if field.ends_with("[]") {
                let error = refused(event_type, &null);
                assert!(
                    matches!(error, RoomSignalError::Unexpected { field: it, .. } if it == field),
                    "{event_type} {pointer}: {error}"
                );
            } else {
                for content in [null, without] {
                    let missing = RoomSignalError::Missing { field };
                    assert_eq!(refused(event_type, &content), missing, "{event_type}");
                }
            }
        }
    }
}

#[test]
fn a_field_that_holds_something_of_another_kind_is_named() {
    let values = [
        json!("x"),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(true),
        json!([1]),
        json!({"x": 1}),
    ];
    for (event_type, _) in whole_events() {
        for (pointer, field, kind, _) in fields_of(event_type) {
            for value in values.iter().filter(|value| !kind.is_of(value)) {
                let content = changed(event_type, pointer, value.clone());
                let error = refused(event_type, &content);
                assert!(
                    matches!(error, RoomSignalError::Unexpected { field: it, .. } if it == field),
                    "{event_type} {pointer} {value}: {error}"
                );
            }
        }
    }
}

#[test]
fn what_ends_a_call_does_so_whatever_its_reason_is() {
    let reasons = [
        json!(1),
        json!([]),
        json!({}),
        json!(true),
        json!("a\u{1b}[2J"),
    ];
    for reason in reasons.into_iter().chain([json!("x".repeat(60_000))]) {
        for event_type in ["m.call.hangup", "m.call.reject"] {
            let content = changed(event_type, "/reason", reason.clone());
            let (RoomContent::Hangup { reason: it } | RoomContent::Reject { reason: Some(it) }) =
                read(event_type, &content).content
            else {
                panic!("{event_type} {reason}");
            };
            assert_eq!(it.as_str(), "unknown_error");
        }
    }
    for nothing in [json!(null), json!("")] {
        let hangup = read(
            "m.call.hangup",
            &changed("m.call.hangup", "/reason", nothing.clone()),
        );
        let reject = read(
            "m.call.reject",
            &changed("m.call.reject", "/reason", nothing),
        );
        let RoomContent::Hangup { reason } = hangup.content else {
            panic!("{hangup:?}");
        };
        assert_eq!(reason.as_str(), "user_hangup");
        assert_eq!(reject.content, RoomContent::Reject { reason: None });
    }
}

#[test]
fn a_description_of_another_kind_than_its_place_asks_for_is_refused() {
    let cases = [
        ("m.call.invite", "/offer/type", "answer", "offer.type"),
        ("m.call.invite", "/offer/type", "", "offer.type"),
        ("m.call.answer", "/answer/type", "offer", "answer.type"),
        ("m.call.answer", "/answer/type", "Answer", "answer.type"),
        (
            "m.call.negotiate",
            "/description/type",
            "rollback",
            "description.type",
        ),
    ];
    for (event_type, pointer, value, field) in cases {
        let error = refused(event_type, &changed(event_type, pointer, value.into()));
        assert!(
            matches!(error, RoomSignalError::Unexpected { field: it, .. } if it == field),
            "{error}"
        );
    }
}

#[test]
fn errors_say_what_was_wrong_in_words() {
    let cases = [
        ("/offer/sdp", json!(null), "'offer.sdp' is missing"),
        ("/offer/sdp", json!(1), "'offer.sdp' is not a text"),
        ("/lifetime", json!(-1), "'lifetime' is not a whole number"),
        (
            "/party_id",
            json!("a b"),
            "'party_id': a party ID is 1 to 255 printable characters of ASCII",
        ),
        (
            "/invitee",
            json!("ben"),
            "'invitee': a Matrix ID starts with '@'",
        ),
    ];
    for (pointer, value, words) in cases {
        let error = refused("m.call.invite", &changed("m.call.invite", pointer, value));
        assert_eq!(error.to_string(), words);
    }
}

//! One of each event of calls in rooms, to be read as it is or with a change in one place.

use securecall_signaling::wire::room::{RoomSignal, RoomSignalError};
use serde_json::{Value, json};

/// One of each event, with all fields that are read.
pub(crate) fn whole_events() -> Vec<(&'static str, Value)> {
    let streams =
        json!({"s": {"purpose": "m.usermedia", "audio_muted": true, "video_muted": true}});
    let candidate = json!({"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0});
    let contents = [
        (
            "m.call.invite",
            json!({"offer": {"type": "offer", "sdp": "v=0"}, "lifetime": 90_000,
                "invitee": "@ben:example.org", "sdp_stream_metadata": streams}),
        ),
        (
            "m.call.answer",
            json!({"answer": {"type": "answer", "sdp": "v=0"}, "sdp_stream_metadata": streams}),
        ),
        ("m.call.candidates", json!({"candidates": [candidate]})),
        ("m.call.select_answer", json!({"selected_party_id": "BEN"})),
        ("m.call.reject", json!({"reason": "user_busy"})),
        ("m.call.hangup", json!({"reason": "user_hangup"})),
        (
            "m.call.negotiate",
            json!({"description": {"type": "offer", "sdp": "v=0"}, "lifetime": 90_000,
                "sdp_stream_metadata": streams}),
        ),
        (
            "m.call.sdp_stream_metadata_changed",
            json!({"sdp_stream_metadata": streams}),
        ),
    ];
    let whole = |(event_type, mut content): (_, Value)| {
        content["call_id"] = "c1".into();
        content["party_id"] = "ADA".into();
        content["version"] = "1".into();
        (event_type, content)
    };
    contents.into_iter().map(whole).collect()
}

/// What is read of a content; it must be an event of a call, and a good one.
pub(crate) fn read(event_type: &str, content: &Value) -> RoomSignal {
    let bytes = serde_json::to_vec(content).unwrap();
    let read = RoomSignal::parse(event_type, &bytes);
    read.unwrap_or_else(|error| panic!("{event_type}: {error}: {content}"))
        .unwrap()
}

/// Why a content is not read.
pub(crate) fn refused(event_type: &str, content: &Value) -> RoomSignalError {
    let bytes = serde_json::to_vec(content).unwrap();
    match RoomSignal::parse(event_type, &bytes) {
        Err(error) => error,
        Ok(read) => panic!("{event_type} {content} is read: {read:?}"),
    }
}

/// The content of a whole event with another value in one place.
pub(crate) fn changed(event_type: &str, pointer: &str, value: Value) -> Value {
    let (_, mut content) = whole_events()
        .into_iter()
        .find(|(it, _)| *it == event_type)
        .unwrap();
    *content.pointer_mut(pointer).unwrap() = value;
    content
}

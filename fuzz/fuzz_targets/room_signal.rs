//! Events of calls in rooms, and of the 1:1 calls of a group call: what is read is bounded, is written without null, and comes back the
//! same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_signaling::wire::group_room::{GroupSignal, MessageId};
use securecall_signaling::wire::room::{
    MAX_LIFETIME, MAX_ROOM_CANDIDATES, MAX_ROOM_CONTENT, MAX_STREAMS, RoomContent, RoomInvite,
    RoomSignal,
};
use serde_json::Value;

/// The first byte chooses one of them.
const TYPES: [&str; 9] = [
    "m.call.invite",
    "m.call.answer",
    "m.call.candidates",
    "m.call.select_answer",
    "m.call.reject",
    "m.call.hangup",
    "m.call.negotiate",
    "m.call.sdp_stream_metadata_changed",
    "org.matrix.call.sdp_stream_metadata_changed",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, content)) = data.split_first() else {
        return;
    };
    let event_type = TYPES[usize::from(*first) % TYPES.len()];
    if let Ok(read) = RoomSignal::parse(event_type, content) {
        let signal = read.expect("every type is one of a call");
        assert!(is_bounded(&signal.content), "{signal:?}");
        if let Some((event_type, content)) = written(signal.to_event()) {
            let again = RoomSignal::parse(event_type, content.as_bytes());
            assert!(again == Ok(Some(signal)), "{content}");
        }
    }
    if let Ok(Some(signal)) = GroupSignal::parse(event_type, content) {
        assert!(is_bounded(&signal.signal.content), "{signal:?}");
        let event = signal.to_event(MessageId::from_random([0; 16]));
        if let Some((event_type, content)) = written(event) {
            let again = GroupSignal::parse(event_type, content.as_bytes());
            assert!(again == Ok(Some(signal)), "{content}");
        }
    }
});

/// As it is sent. Streams are written twice: what nearly fills an event may be too long to be sent back.
fn written((event_type, content): (&'static str, Value)) -> Option<(&'static str, String)> {
    assert!(!has_null(&content), "{content}");
    let text = content.to_string();
    (text.len() <= MAX_ROOM_CONTENT).then_some((event_type, text))
}

fn is_bounded(content: &RoomContent) -> bool {
    let (lifetime, streams) = match content {
        RoomContent::Invite(RoomInvite {
            lifetime, streams, ..
        }) => (Some(*lifetime), streams.as_ref()),
        RoomContent::Negotiate {
            lifetime, streams, ..
        } => (*lifetime, streams.as_ref()),
        RoomContent::Answer { streams, .. } => (None, streams.as_ref()),
        RoomContent::StreamMetadataChanged { streams } => (None, Some(streams)),
        RoomContent::Candidates { candidates } => {
            return candidates.len() <= MAX_ROOM_CANDIDATES;
        }
        RoomContent::SelectAnswer { .. }
        | RoomContent::Reject { .. }
        | RoomContent::Hangup { .. } => (None, None),
    };
    lifetime.is_none_or(|it| it <= MAX_LIFETIME) && streams.is_none_or(|it| it.len() <= MAX_STREAMS)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

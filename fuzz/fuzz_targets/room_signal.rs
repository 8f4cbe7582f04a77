//! Events of calls in rooms: what is read is bounded, is written without null, and comes back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
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
    let Ok(read) = RoomSignal::parse(event_type, content) else {
        return;
    };
    let signal = read.expect("every type is one of a call");
    assert!(is_bounded(&signal.content), "{signal:?}");
    let (event_type, content) = signal.to_event();
    assert!(!has_null(&content), "{content}");
    let text = serde_json::to_vec(&content).expect("a value is JSON");
    // Streams are written twice: what nearly fills an event may be too long to be sent back.
    if text.len() > MAX_ROOM_CONTENT {
        return;
    }
    let again = RoomSignal::parse(event_type, &text);
    assert!(again == Ok(Some(signal)), "{content}");
});

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

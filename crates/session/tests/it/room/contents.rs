//! Contents as other clients make them.

use serde_json::{Value, json};

pub(super) fn sdp(of: &str, direction: &str) -> String {
    let byte = of.bytes().fold(7_u8, u8::wrapping_add);
    let print = vec![format!("{byte:02X}"); 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
         a=fingerprint:sha-256 {print}\r\na=msid:stream-{of} track\r\na={direction}\r\n"
    )
}

/// An invite as matrix-js-sdk makes it.
pub(super) fn js_invite(call_id: &str) -> Value {
    json!({
        "call_id": call_id, "version": "1", "party_id": "JSDEVICE", "lifetime": 60_000,
        "offer": { "type": "offer", "sdp": sdp("js", "sendrecv") },
        "capabilities": { "m.call.transferee": false, "m.call.dtmf": false },
        "sdp_stream_metadata": { "stream-js": { "purpose": "m.usermedia", "audio_muted": false, "video_muted": true } },
    })
}

pub(super) fn of_call(call_id: &str, party: &str) -> Value {
    json!({ "call_id": call_id, "version": "1", "party_id": party })
}

/// With more fields.
pub(super) fn with(mut content: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut content, more) else {
        panic!("not objects");
    };
    fields.extend(more);
    content
}

pub(super) fn js_answer(call_id: &str) -> Value {
    with(
        of_call(call_id, "JSDEVICE"),
        json!({
            "answer": { "type": "answer", "sdp": sdp("js", "sendrecv") },
            "sdp_stream_metadata": { "stream-js": { "purpose": "m.usermedia", "audio_muted": false, "video_muted": true } },
        }),
    )
}

/// With the sound of a screen, which stands before the microphone; and the same with that line switched off.
pub(super) fn with_screen(sdp: &str) -> [String; 2] {
    let (session, voice) = sdp.split_at(sdp.find("m=audio").unwrap());
    let screen = voice
        .replace("stream-js", "screen-js")
        .replace("a=mid:0", "a=mid:1");
    let off = screen.replacen("m=audio 9", "m=audio 0", 1);
    [screen, off].map(|screen| format!("{session}{screen}{voice}"))
}

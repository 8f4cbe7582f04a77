//! The state event that says that there is a call.

use serde_json::{Value, json};

use crate::wire::room::RoomSignalError;
use crate::wire::room::fields::{Fields, required, unexpected};
use crate::wire::room::read::object;

/// What a state event says of a group call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallState {
    /// It can be joined.
    Open(OpenCall),
    /// It is over, or its event was redacted.
    Terminated,
}

/// A call that can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// What it is meant for.
    pub kind: CallKind,
    /// How others are to be told of it.
    pub intent: Intent,
    /// Whether one speaks at a time (`io.element.ptt`); its members are muted until they press a button.
    pub is_push_to_talk: bool,
    /// Whether its sound goes over a LiveKit server (`io.element.livekit_service_url`): its members take no 1:1 calls.
    pub has_media_server: bool,
}

/// What a call is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Voices.
    Voice,
    /// Voices and pictures; whoever has no camera joins all the same.
    Video,
}

/// How others are to be told of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It rings.
    Ring,
    /// They may join.
    Prompt,
    /// It belongs to the room and never ends.
    Room,
}

impl CallState {
    /// Reads the content of [`CALL_EVENT`](super::CALL_EVENT).
    ///
    /// # Errors
    /// [`RoomSignalError`] says what is wrong. Such a call is as if it were not there, as for matrix-js-sdk.
    pub fn parse(content: &[u8]) -> Result<Self, RoomSignalError> {
        let map = object(content)?;
        let fields = Fields::of(&map);
        // A redaction leaves nothing.
        if map.is_empty() || fields.value_of_key("m.terminated").is_some_and(is_said) {
            return Ok(Self::Terminated);
        }
        Ok(Self::Open(OpenCall {
            kind: kind(fields)?,
            intent: intent(fields)?,
            is_push_to_talk: fields.value_of_key("io.element.ptt").is_some_and(is_said),
            has_media_server: fields
                .value_of_key("io.element.livekit_service_url")
                .is_some_and(is_said),
        }))
    }
}

impl OpenCall {
    /// A call of ours: voices, without a media server.
    pub const fn of_voices(intent: Intent) -> Self {
        Self {
            kind: CallKind::Voice,
            intent,
            is_push_to_talk: false,
            has_media_server: false,
        }
    }

    /// The content of the event that begins it.
    pub fn to_content(self) -> Value {
        json!({
            "m.type": match self.kind {
                CallKind::Voice => "m.voice",
                CallKind::Video => "m.video",
            },
            "m.intent": match self.intent {
                Intent::Ring => "m.ring",
                Intent::Prompt => "m.prompt",
                Intent::Room => "m.room",
            },
            "io.element.ptt": self.is_push_to_talk,
        })
    }

    /// The content of the event that ends it, for all who are in.
    pub fn to_terminated_content(self) -> Value {
        let mut content = self.to_content();
        content["m.terminated"] = "call_ended".into();
        content
    }
}

fn kind(fields: Fields<'_>) -> Result<CallKind, RoomSignalError> {
    match text(fields, "m.type")? {
        "m.voice" => Ok(CallKind::Voice),
        "m.video" => Ok(CallKind::Video),
        _ => Err(unexpected("m.type", "'m.voice' or 'm.video'")),
    }
}

fn intent(fields: Fields<'_>) -> Result<Intent, RoomSignalError> {
    match text(fields, "m.intent")? {
        "m.ring" => Ok(Intent::Ring),
        "m.prompt" => Ok(Intent::Prompt),
        "m.room" => Ok(Intent::Room),
        _ => Err(unexpected("m.intent", "'m.ring', 'm.prompt' or 'm.room'")),
    }
}

/// A field whose key has a dot.
fn text<'a>(fields: Fields<'a>, key: &'static str) -> Result<&'a str, RoomSignalError> {
    required(key, fields.value_of_key(key))?
        .as_str()
        .ok_or(unexpected(key, "a text"))
}

/// What JavaScript takes for true: matrix-js-sdk asks no more of these fields.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

//! An event of a timeline as the homeserver hands it out: nothing of it is decrypted yet.

use std::time::Duration;

use matrix_sdk_crypto::{
    types::events::room::encrypted::EncryptedEvent, vodozemac::megolm::MegolmMessage,
};
use ruma::serde::Raw;
use securecall_contact::{EventId, MatrixId, RoomId};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    event::{CallEvent, EventProtection, Membership, RoomEventContent, RoomRefusal},
    invite::JoinRule,
};

/// The only encryption of rooms that we know.
const MEGOLM: &str = "m.megolm.v1.aes-sha2";

/// Longest transaction ID that is told of an echo, in bytes. Ours are shorter.
pub(super) const MAX_TRANSACTION: usize = 255;

/// Longest type of an event. <https://spec.matrix.org/v1.16/client-server-api/#size-limits>
const MAX_TYPE: usize = 255;

/// Longest ID of a Megolm session that is kept: they have 43 characters.
const MAX_SESSION_ID: usize = 128;

/// No event is older than this for us; the number may be anything.
const MAX_AGE_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;

/// An event, and what is to be known of it before it is decrypted.
#[derive(Debug)]
pub(crate) struct RawEvent {
    pub(super) room: RoomId,
    pub(super) event_id: EventId,
    pub(super) sender: MatrixId,
    /// How old it is, by the homeserver's word.
    pub(super) age: Option<Duration>,
    /// The transaction that it is said to be the echo of.
    pub(super) transaction: Option<String>,
    pub(super) body: RawBody,
}

#[derive(Debug)]
pub(super) enum RawBody {
    Plain(RoomEventContent),
    Encrypted(Sealed),
}

/// What is encrypted with Megolm.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) event: Raw<EncryptedEvent>,
    /// The session that it is encrypted in, and its place in it.
    pub(super) session_id: String,
    pub(super) message_index: u32,
}

impl Sealed {
    /// What it takes in memory.
    pub(super) fn size(&self) -> usize {
        self.event.json().get().len()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: String,
    sender: String,
    event_id: String,
    state_key: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(default)]
    unsigned: Option<Map<String, Value>>,
}

/// An age in milliseconds. One below zero is of a server whose clock is ahead: the event is new.
fn read_age(value: &Value) -> Option<Duration> {
    let is_negative = || value.as_i64().is_some_and(|age| age < 0);
    let age = value.as_u64().or_else(|| is_negative().then_some(0))?;
    Some(Duration::from_millis(age.min(MAX_AGE_MS)))
}

impl RawEvent {
    /// Reads an event; nothing, if it says nothing that calls need.
    ///
    /// # Errors
    ///
    /// When it is not as such an event should be.
    pub(super) fn read(room: &RoomId, json: &[u8]) -> Result<Option<Self>, RoomRefusal> {
        let envelope: Envelope<'_> =
            serde_json::from_slice(json).map_err(|_| RoomRefusal::Malformed)?;
        let unsigned = envelope.unsigned.clone().unwrap_or_default();
        if unsigned.contains_key("redacted_because") {
            return Ok(None);
        }
        let Some(body) = read_body(&envelope, json)? else {
            return Ok(None);
        };
        let age = unsigned.get("age").and_then(read_age);
        let transaction = unsigned.get("transaction_id").and_then(Value::as_str);
        Ok(Some(Self {
            room: room.clone(),
            event_id: envelope
                .event_id
                .parse()
                .map_err(|_| RoomRefusal::Malformed)?,
            sender: user(&envelope.sender)?,
            age,
            transaction: transaction
                .filter(|id| id.len() <= MAX_TRANSACTION)
                .map(str::to_owned),
            body,
        }))
    }
}

fn read_body(envelope: &Envelope<'_>, json: &[u8]) -> Result<Option<RawBody>, RoomRefusal> {
    #[derive(Deserialize)]
    struct Member {
        membership: String,
    }
    #[derive(Deserialize)]
    struct Rule {
        join_rule: String,
    }
    let content = envelope.content.get();
    let plain = match (envelope.r#type.as_str(), envelope.state_key.as_deref()) {
        ("m.room.encrypted", None) => return read_sealed(content, json),
        ("m.room.member", Some(key)) => {
            let Member { membership } = parse(content)?;
            RoomEventContent::Member {
                user: user(key)?,
                membership: Membership::read(&membership),
            }
        }
        ("m.room.encryption", Some("")) => RoomEventContent::Encrypted,
        ("m.room.join_rules", Some("")) => {
            let Rule { join_rule } = parse(content)?;
            RoomEventContent::JoinRule(JoinRule::read(&join_rule))
        }
        (_, None) => match read_call(&envelope.r#type, content, EventProtection::None)? {
            Some(call) => RoomEventContent::Call(call),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(RawBody::Plain(plain)))
}

/// An event of a call, whether or not it was encrypted; nothing, if it is of another type.
pub(super) fn read_call(
    event_type: &str,
    content: &str,
    protection: EventProtection,
) -> Result<Option<CallEvent>, RoomRefusal> {
    if !event_type.starts_with("m.call.") {
        return Ok(None);
    }
    let is_type = event_type.len() <= MAX_TYPE && event_type.bytes().all(|b| b.is_ascii_graphic());
    if !is_type || !content.starts_with('{') {
        return Err(RoomRefusal::Malformed);
    }
    Ok(Some(CallEvent {
        event_type: event_type.to_owned(),
        content: content.to_owned(),
        protection,
    }))
}

fn read_sealed(content: &str, json: &[u8]) -> Result<Option<RawBody>, RoomRefusal> {
    #[derive(Deserialize)]
    struct Algorithm {
        algorithm: Option<String>,
    }
    #[derive(Deserialize)]
    struct Megolm {
        session_id: String,
        ciphertext: String,
    }
    let Algorithm { algorithm } = parse(content)?;
    if algorithm.as_deref() != Some(MEGOLM) {
        // Another algorithm, which may be none.
        return Err(RoomRefusal::Undecryptable);
    }
    let Megolm {
        session_id,
        ciphertext,
    } = parse(content)?;
    let message = MegolmMessage::from_base64(&ciphertext);
    let message = message.map_err(|_| RoomRefusal::Undecryptable)?;
    if session_id.len() > MAX_SESSION_ID {
        return Err(RoomRefusal::Malformed);
    }
    let text = std::str::from_utf8(json).map_err(|_| RoomRefusal::Malformed)?;
    let raw = RawValue::from_string(text.to_owned()).map_err(|_| RoomRefusal::Malformed)?;
    Ok(Some(RawBody::Encrypted(Sealed {
        event: Raw::from_json(raw),
        session_id,
        message_index: message.message_index(),
    })))
}

fn parse<'a, T: Deserialize<'a>>(content: &'a str) -> Result<T, RoomRefusal> {
    serde_json::from_str(content).map_err(|_| RoomRefusal::Malformed)
}

fn user(text: &str) -> Result<MatrixId, RoomRefusal> {
    text.parse().map_err(|_| RoomRefusal::UnusableUser)
}

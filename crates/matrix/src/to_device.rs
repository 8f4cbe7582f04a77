//! To-device events, as a homeserver hands them out and as Olm opens them.

use matrix_sdk_common::deserialized_responses::{
    AlgorithmInfo, EncryptionInfo, ProcessedToDeviceEvent,
};
use ruma::{OwnedUserId, events::AnyToDeviceEvent, serde::Raw};
use securecall_contact::{MatrixId, OlmKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{debug, warn};

use crate::{Incoming, SIGNAL_EVENT_TYPE, user_id::matrix_id};

/// The longest content of a signal, in bytes of JSON; what is longer is dropped where it is read.
pub const MAX_CONTENT: usize = 36 * 1024;

/// Longest type of an event. <https://spec.matrix.org/v1.16/client-server-api/#size-limits>
const MAX_TYPE: usize = 255;

/// The only encryption that anything for us has.
const OLM: &str = "m.olm.v1.curve25519-aes-sha2";

/// An event that is of interest, as the homeserver hands it out.
#[derive(Debug)]
pub(crate) enum ToDevice {
    /// Encrypted with Olm, for whatever device.
    Encrypted(Raw<AnyToDeviceEvent>),
    /// Of our type, but not encrypted. Nothing of it is kept but who is said to have sent it.
    PlainText(MatrixId),
    /// Of a call, and not encrypted.
    CallInClear {
        /// Who is said to have sent it.
        sender: MatrixId,
        event_type: String,
        content: String,
    },
}

impl ToDevice {
    /// Reads an event; nothing, if it is not for us. Events of calls in clear are, if `takes_calls`.
    pub(crate) fn read(json: &[u8], takes_calls: bool) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope {
            r#type: String,
            sender: OwnedUserId,
        }
        #[derive(Deserialize)]
        struct Encrypted {
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            algorithm: Option<String>,
        }
        #[derive(Deserialize)]
        struct InClear<'a> {
            #[serde(borrow)]
            content: &'a RawValue,
        }

        let Envelope { r#type, sender } = serde_json::from_slice(json).ok()?;
        // By its type alone: what was not encrypted is not read.
        if r#type == SIGNAL_EVENT_TYPE {
            debug!("refused a message: it was not encrypted");
            return matrix_id(&sender).map(Self::PlainText);
        }
        if takes_calls && is_call_type(&r#type) {
            let InClear { content } = serde_json::from_slice(json).ok()?;
            let content = content.get();
            return content.starts_with('{').then_some(Self::CallInClear {
                sender: matrix_id(&sender)?,
                event_type: r#type,
                content: content.to_owned(),
            });
        }
        let Encrypted { content } = serde_json::from_slice(json).ok()?;
        let is_olm = r#type == "m.room.encrypted" && content.algorithm.as_deref() == Some(OLM);
        let text = is_olm.then(|| std::str::from_utf8(json).ok())??;
        let raw = RawValue::from_string(text.to_owned()).ok()?;
        Some(Self::Encrypted(Raw::from_json(raw)))
    }

    /// Who is said to have encrypted it, and with which key.
    pub(crate) fn sender_key(&self) -> Option<(OwnedUserId, OlmKey)> {
        #[derive(Deserialize)]
        struct Event {
            sender: OwnedUserId,
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            sender_key: String,
        }
        let Self::Encrypted(event) = self else {
            return None;
        };
        let Event { sender, content } = serde_json::from_str(event.json().get()).ok()?;
        Some((sender, olm_key(&content.sender_key)?))
    }
}

fn olm_key(base64: &str) -> Option<OlmKey> {
    let key = ruma::serde::Base64::<ruma::serde::base64::Standard>::parse(base64).ok()?;
    Some(OlmKey::from_bytes(key.as_bytes().try_into().ok()?))
}

/// Whether an event of this type is one of a call.
pub(crate) fn is_call_type(event_type: &str) -> bool {
    event_type.starts_with("m.call.")
        && event_type.len() <= MAX_TYPE
        && event_type.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What an event is that has been through Olm.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Signal(Incoming),
    Call(OpenedCall),
}

/// An event of a call that came through an Olm session; of which device is to be found out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenedCall {
    pub(crate) sender: MatrixId,
    pub(crate) sender_olm_key: OlmKey,
    pub(crate) event_type: String,
    pub(crate) content: String,
}

/// What an event means that has been through Olm; nothing, if it is not of our types or cannot be read.
pub(crate) fn read_processed(event: &ProcessedToDeviceEvent) -> Option<Opened> {
    match event {
        ProcessedToDeviceEvent::Decrypted {
            raw,
            encryption_info,
        } => read_opened(raw, encryption_info),
        // Anybody can send such; there is nothing to say about it.
        _ => {
            debug!("ignored a message: it cannot be decrypted");
            None
        }
    }
}

fn read_opened(event: &Raw<AnyToDeviceEvent>, encryption: &EncryptionInfo) -> Option<Opened> {
    #[derive(Deserialize)]
    struct Plain<'a> {
        r#type: String,
        sender: OwnedUserId,
        #[serde(borrow)]
        content: &'a RawValue,
    }

    let Plain {
        r#type,
        sender,
        content,
    } = serde_json::from_str(event.json().get()).ok()?;
    let is_signal = r#type == SIGNAL_EVENT_TYPE;
    if !is_signal && !is_call_type(&r#type) {
        return None;
    }
    // What is of a call is as long as what is encrypted can be.
    if is_signal && content.get().len() > MAX_CONTENT {
        warn!("ignored a message: it is longer than any of ours");
        return None;
    }
    let Some(sender) = matrix_id(&sender) else {
        warn!("ignored a message: its sender has no usable Matrix ID");
        return None;
    };
    let AlgorithmInfo::OlmV1Curve25519AesSha2 {
        curve25519_public_key_base64,
    } = &encryption.algorithm_info
    else {
        warn!("ignored a message: it was not encrypted with Olm");
        return None;
    };
    if encryption.sender.as_str() != sender.as_str() {
        warn!("ignored a message: it was encrypted by another than its sender");
        return None;
    }
    let sender_olm_key = olm_key(curve25519_public_key_base64)?;
    let content = content.get().to_owned();
    Some(match is_signal {
        true => Opened::Signal(Incoming::Signal {
            sender,
            sender_olm_key,
            content,
        }),
        false => Opened::Call(OpenedCall {
            sender,
            sender_olm_key,
            event_type: r#type,
            content: content.starts_with('{').then_some(content)?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use matrix_sdk_common::deserialized_responses::VerificationState;

    use super::*;

    fn decrypted(content_length: usize) -> ProcessedToDeviceEvent {
        let content = format!(r#"{{"x":"{}"}}"#, "y".repeat(content_length - 8));
        opened(
            SIGNAL_EVENT_TYPE,
            "@a:b.test",
            &content,
            olm_by("@a:b.test"),
        )
    }

    fn opened(
        r#type: &str,
        sender: &str,
        content: &str,
        encryption_info: EncryptionInfo,
    ) -> ProcessedToDeviceEvent {
        let json = format!(r#"{{"type":"{type}","sender":"{sender}","content":{content}}}"#);
        ProcessedToDeviceEvent::Decrypted {
            raw: Raw::from_json(RawValue::from_string(json).unwrap()),
            encryption_info,
        }
    }

    fn olm_by(sender: &str) -> EncryptionInfo {
        EncryptionInfo {
            sender: sender.try_into().unwrap(),
            sender_device: None,
            forwarder: None,
            algorithm_info: AlgorithmInfo::OlmV1Curve25519AesSha2 {
                curve25519_public_key_base64: "A".repeat(43),
            },
            verification_state: VerificationState::Verified,
        }
    }

    #[test]
    fn a_content_that_no_signal_has_is_dropped() {
        let longest = read_processed(&decrypted(MAX_CONTENT));
        assert!(
            matches!(longest, Some(Opened::Signal(Incoming::Signal { content, .. })) if content.len() == MAX_CONTENT)
        );
        assert_eq!(read_processed(&decrypted(MAX_CONTENT + 1)), None);
    }

    #[test]
    fn a_signal_is_taken_from_whoever_encrypted_it_with_olm_and_nobody_else() {
        let sender = "@a:b.test";
        let read = |r#type: &str, sender: &str, encryption| {
            read_processed(&opened(r#type, sender, "{}", encryption))
        };
        assert!(read(SIGNAL_EVENT_TYPE, sender, olm_by(sender)).is_some());
        assert_eq!(read("org.example.other", sender, olm_by(sender)), None);
        for other in ["@b:b.test", "@a:c.test", "@A:b.test"] {
            assert_eq!(read(SIGNAL_EVENT_TYPE, other, olm_by(sender)), None);
            assert_eq!(read(SIGNAL_EVENT_TYPE, sender, olm_by(other)), None);
        }
        // A user that no address can name, although the homeserver says so twice.
        let unusable = "@sc_nonsense:b.test";
        let read_unusable = read(SIGNAL_EVENT_TYPE, unusable, olm_by(unusable));
        assert_eq!(read_unusable, None);

        for key in ["", "AAAA", "not base64", &"A".repeat(86)] {
            let mut encryption = olm_by(sender);
            encryption.algorithm_info = AlgorithmInfo::OlmV1Curve25519AesSha2 {
                curve25519_public_key_base64: key.to_owned(),
            };
            assert_eq!(read(SIGNAL_EVENT_TYPE, sender, encryption), None, "{key}");
        }
        let mut encryption = olm_by(sender);
        encryption.algorithm_info = AlgorithmInfo::MegolmV1AesSha2 {
            curve25519_key: "A".repeat(43),
            sender_claimed_keys: Default::default(),
            session_id: None,
        };
        assert_eq!(read(SIGNAL_EVENT_TYPE, sender, encryption), None);
    }

    #[test]
    fn only_olm_and_our_own_type_are_for_us() {
        let event = |r#type: &str, algorithm: &str| {
            format!(
                r#"{{"type":"{type}","sender":"@a:b.test","content":{{"algorithm":"{algorithm}"}}}}"#
            )
        };
        let read = |r#type, algorithm| ToDevice::read(event(r#type, algorithm).as_bytes(), false);
        assert!(matches!(
            read("m.room.encrypted", OLM),
            Some(ToDevice::Encrypted(_))
        ));
        assert!(matches!(
            read(SIGNAL_EVENT_TYPE, ""),
            Some(ToDevice::PlainText(_))
        ));
        assert!(read("m.room.encrypted", "m.megolm.v1.aes-sha2").is_none());
        for other in [
            "m.room_key",
            "m.room_key.withheld",
            "m.key.verification.request",
        ] {
            assert!(read(other, OLM).is_none(), "{other}");
        }
    }

    #[test]
    fn an_event_of_a_call_is_its_senders_who_encrypted_it_with_olm() {
        let sender = "@a:b.test";
        let read = |r#type: &str, content: &str, encryption| match read_processed(&opened(
            r#type, sender, content, encryption,
        )) {
            Some(Opened::Call(event)) => Some(event),
            Some(Opened::Signal(signal)) => panic!("{signal:?}"),
            None => None,
        };
        // Longer than a signal of ours.
        let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_CONTENT));
        for content in ["{}", &long] {
            let expected = OpenedCall {
                sender: sender.parse().unwrap(),
                sender_olm_key: OlmKey::from_bytes([0; 32]),
                event_type: "m.call.invite".to_owned(),
                content: content.to_owned(),
            };
            assert_eq!(
                read("m.call.invite", content, olm_by(sender)),
                Some(expected)
            );
        }
        let too_long = format!("m.call.{}", "x".repeat(256));
        for (r#type, content, by) in [
            ("m.call.invite", "{}", "@b:b.test"),
            ("m.call.invite", "[]", sender),
            ("m.call.in vite", "{}", sender),
            ("m.room_key", "{}", sender),
            ("org.example.m.call.invite", "{}", sender),
            (&too_long, "{}", sender),
        ] {
            assert_eq!(read(r#type, content, olm_by(by)), None, "{type:.20}");
        }
    }

    #[test]
    fn an_event_of_a_call_in_clear_is_kept_only_where_it_is_wanted() {
        let event = |r#type: &str, sender: &str, content: &str| {
            format!(r#"{{"type":"{type}","sender":"{sender}","content":{content}}}"#)
        };
        let read = |event: &str, wanted| ToDevice::read(event.as_bytes(), wanted);
        let good = event("m.call.invite", "@a:b.test", r#"{"call_id":"c"}"#);
        assert!(read(&good, false).is_none());
        let Some(ToDevice::CallInClear {
            sender,
            event_type,
            content,
        }) = read(&good, true)
        else {
            panic!("it is for us");
        };
        assert_eq!(sender.as_str(), "@a:b.test");
        assert_eq!(
            (&*event_type, &*content),
            ("m.call.invite", r#"{"call_id":"c"}"#)
        );
        for bad in [
            event("m.call.invite", "@a:b.test", "[]"),
            event("m.call.invite", "@a:b.test", "\"{\""),
            event("m.call.invite", "nobody", "{}"),
            event("m.call.invite", "@sc_nonsense:b.test", "{}"),
            event("m.call.in vite", "@a:b.test", "{}"),
            event("m.room_key", "@a:b.test", "{}"),
        ] {
            assert!(read(&bad, true).is_none(), "{bad}");
        }
    }
}

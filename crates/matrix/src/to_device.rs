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

/// The only encryption that anything for us has.
const OLM: &str = "m.olm.v1.curve25519-aes-sha2";

/// An event that is of interest, as the homeserver hands it out.
#[derive(Debug)]
pub(crate) enum ToDevice {
    /// Encrypted with Olm, for whatever device.
    Encrypted(Raw<AnyToDeviceEvent>),
    /// Of our type, but not encrypted. Nothing of it is kept but who is said to have sent it.
    PlainText(MatrixId),
}

impl ToDevice {
    /// Reads an event; nothing, if it is not for us.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
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

        let Envelope { r#type, sender } = serde_json::from_slice(json).ok()?;
        // By its type alone: what was not encrypted is not read.
        if r#type == SIGNAL_EVENT_TYPE {
            debug!("refused a message: it was not encrypted");
            return matrix_id(&sender).map(Self::PlainText);
        }
        let Encrypted { content } = serde_json::from_slice(json).ok()?;
        let is_olm = r#type == "m.room.encrypted" && content.algorithm.as_deref() == Some(OLM);
        let text = is_olm.then(|| std::str::from_utf8(json).ok())??;
        let raw = RawValue::from_string(text.to_owned()).ok()?;
        Some(Self::Encrypted(Raw::from_json(raw)))
    }
}

/// What an event means that has been through Olm; nothing, if it is not of our type or cannot be read.
pub(crate) fn read_processed(event: &ProcessedToDeviceEvent) -> Option<Incoming> {
    match event {
        ProcessedToDeviceEvent::Decrypted {
            raw,
            encryption_info,
        } => read_signal(raw, encryption_info),
        // Anybody can send such; there is nothing to say about it.
        _ => {
            debug!("ignored a message: it cannot be decrypted");
            None
        }
    }
}

fn read_signal(event: &Raw<AnyToDeviceEvent>, encryption: &EncryptionInfo) -> Option<Incoming> {
    #[derive(Deserialize)]
    struct Signal<'a> {
        r#type: String,
        sender: OwnedUserId,
        #[serde(borrow)]
        content: &'a RawValue,
    }

    let Signal {
        r#type,
        sender,
        content,
    } = serde_json::from_str(event.json().get()).ok()?;
    if r#type != SIGNAL_EVENT_TYPE {
        return None;
    }
    if content.get().len() > MAX_CONTENT {
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
    let key =
        ruma::serde::Base64::<ruma::serde::base64::Standard>::parse(curve25519_public_key_base64)
            .ok()?;
    Some(Incoming::Signal {
        sender,
        sender_olm_key: OlmKey::from_bytes(key.as_bytes().try_into().ok()?),
        content: content.get().to_owned(),
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
            matches!(longest, Some(Incoming::Signal { content, .. }) if content.len() == MAX_CONTENT)
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
        let read = |r#type, algorithm| ToDevice::read(event(r#type, algorithm).as_bytes());
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
}

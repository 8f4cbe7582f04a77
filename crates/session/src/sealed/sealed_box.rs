//! The sealed box: what an Olm event of ours carries, and how its size is hidden.
//!
//! `kind (1) ‖ length (2, big endian) ‖ sealed message ‖ zeros`, a multiple of 4 KiB. What is inside is padded as well, so that not even
//! somebody who reads the Olm layer sees what kind of content it is.

use data_encoding::BASE64URL_NOPAD;
use securecall_crypto::{MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, MESSAGE_OVERHEAD};
use securecall_signaling::{CallId, MAX_BUNDLE};
use serde::{Deserialize, Serialize};

/// The step of the sizes on Matrix (`docs/protocol/signaling.md`).
pub(crate) const MATRIX_STEP: usize = 4096;
/// The step of the sizes on the data channel, whose packets are small.
pub(crate) const DATA_CHANNEL_STEP: usize = 256;
/// The longest box, in bytes, padding included.
pub(crate) const MAX_BOX: usize = 6 * MATRIX_STEP;
/// The longest text of a signal: the box in base64, and a little JSON around it.
pub const MAX_SIGNAL: usize = MAX_BOX / 3 * 4 + 256;

const HEADER: usize = 3;
const VERSION: &str = "1";

/// What kind of message a box holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxKind {
    Message1,
    Message2,
    Ratchet,
}

impl BoxKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Message1 => 1,
            Self::Message2 => 2,
            Self::Ratchet => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Message1),
            2 => Some(Self::Message2),
            3 => Some(Self::Ratchet),
            _ => None,
        }
    }

    const fn overhead(self) -> usize {
        match self {
            Self::Message1 => MESSAGE_1_OVERHEAD,
            Self::Message2 => MESSAGE_2_OVERHEAD,
            Self::Ratchet => MESSAGE_OVERHEAD,
        }
    }

    /// The longest JSON of a bundle: padded, it is still one that the receiver takes.
    pub(crate) const fn room(self) -> usize {
        let around = HEADER + self.overhead();
        (MAX_BUNDLE + around) / MATRIX_STEP * MATRIX_STEP - around
    }

    /// Pads the JSON of a bundle with spaces, so that the box has one of few sizes.
    pub(crate) fn pad(self, json: &mut Vec<u8>, step: usize) {
        let around = HEADER + self.overhead();
        let padded = (json.len() + around).next_multiple_of(step) - around;
        json.resize(padded, b' ');
    }
}

/// One sealed message with its kind.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealedBox {
    pub(crate) kind: BoxKind,
    pub(crate) sealed: Vec<u8>,
}

/// The content of the Olm event. Nothing in it is trusted.
#[derive(Serialize, Deserialize)]
struct Signal<'a> {
    version: &'a str,
    call_id: &'a str,
    #[serde(rename = "box")]
    sealed: &'a str,
}

/// Why the content of an Olm event is no box of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Longer than any box of ours.
    #[error("the signal is longer than {MAX_SIGNAL} bytes")]
    TooLong,
    /// Not JSON, or a field is missing.
    #[error("the signal is not the JSON expected")]
    Json,
    /// A version we do not speak.
    #[error("the signal's version is not 1")]
    Version,
    /// Anything but 32 lower-case hex characters.
    #[error("the signal's call ID is malformed")]
    CallId,
    /// Not base64url, or kind, length, size or padding is wrong.
    #[error("the signal's box is malformed")]
    Box,
}

impl SealedBox {
    /// The JSON content of the Olm event.
    pub(crate) fn to_signal(&self, call: CallId) -> String {
        let mut bytes = vec![self.kind.byte()];
        assert!(
            HEADER + self.sealed.len() <= MAX_BOX,
            "contents are taken by BoxKind::room, so a sealed message fits"
        );
        let [.., high, low] = self.sealed.len().to_be_bytes();
        bytes.extend_from_slice(&[high, low]);
        bytes.extend_from_slice(&self.sealed);
        bytes.resize(bytes.len().next_multiple_of(MATRIX_STEP), 0);
        let (call_id, sealed) = (call.to_string(), BASE64URL_NOPAD.encode(&bytes));
        let signal = Signal {
            version: VERSION,
            call_id: &call_id,
            sealed: &sealed,
        };
        serde_json::to_string(&signal).unwrap_or_default()
    }

    /// Parses the JSON content of an Olm event.
    pub(crate) fn from_signal(text: &str) -> Result<(CallId, Self), SignalError> {
        if text.len() > MAX_SIGNAL {
            return Err(SignalError::TooLong);
        }
        let signal: Signal<'_> = serde_json::from_str(text).map_err(|_| SignalError::Json)?;
        if signal.version != VERSION {
            return Err(SignalError::Version);
        }
        let call = CallId::parse(signal.call_id).map_err(|_| SignalError::CallId)?;
        let bytes = BASE64URL_NOPAD
            .decode(signal.sealed.as_bytes())
            .map_err(|_| SignalError::Box)?;
        Ok((call, Self::parse(&bytes).ok_or(SignalError::Box)?))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[kind, high, low], rest) = bytes.split_first_chunk::<HEADER>()?;
        let kind = BoxKind::from_byte(kind)?;
        let (sealed, padding) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        let plain = bytes.len() <= MAX_BOX
            && bytes.len().is_multiple_of(MATRIX_STEP)
            && padding.iter().all(|byte| *byte == 0);
        plain.then(|| Self {
            kind,
            sealed: sealed.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> CallId {
        CallId::from_random([7; 16])
    }

    #[test]
    fn a_box_comes_back_as_it_was_and_has_a_padded_size() {
        for length in [0, 1, 4093, 4094, 9000] {
            let sealed = SealedBox {
                kind: BoxKind::Ratchet,
                sealed: vec![5; length],
            };
            let text = sealed.to_signal(call());
            let Ok((parsed_call, parsed)) = SealedBox::from_signal(&text) else {
                panic!("length {length}")
            };
            assert!(parsed_call == call() && parsed == sealed);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let bytes = BASE64URL_NOPAD
                .decode(json["box"].as_str().unwrap().as_bytes())
                .unwrap();
            assert!(bytes.len().is_multiple_of(MATRIX_STEP));
        }
    }

    #[test]
    fn padding_inside_fills_the_box_exactly() {
        for kind in [BoxKind::Message1, BoxKind::Message2, BoxKind::Ratchet] {
            let mut json = vec![b'x'; 700];
            kind.pad(&mut json, MATRIX_STEP);
            assert_eq!((json.len() + kind.overhead() + HEADER) % MATRIX_STEP, 0);
        }
    }

    #[test]
    fn the_longest_bundle_is_one_that_the_receiver_takes() {
        for kind in [BoxKind::Message1, BoxKind::Message2, BoxKind::Ratchet] {
            for step in [MATRIX_STEP, DATA_CHANNEL_STEP] {
                let mut json = vec![b'x'; kind.room()];
                kind.pad(&mut json, step);
                assert!(json.len() <= MAX_BUNDLE);
                let sealed = vec![5; json.len() + kind.overhead()];
                let text = SealedBox { kind, sealed }.to_signal(call());
                assert!(SealedBox::from_signal(&text).is_ok());
            }
        }
    }

    #[test]
    fn no_bundle_could_be_longer() {
        for kind in [BoxKind::Message1, BoxKind::Message2, BoxKind::Ratchet] {
            let whole = kind.room() + kind.overhead() + HEADER;
            assert_eq!(whole % MATRIX_STEP, 0);
            assert!(kind.room() <= MAX_BUNDLE && kind.room() + MATRIX_STEP > MAX_BUNDLE);
        }
    }

    #[test]
    fn the_longest_box_fits_into_the_longest_signal() {
        let longest = SealedBox {
            kind: BoxKind::Ratchet,
            sealed: vec![5; MAX_BOX - HEADER],
        };
        let mut text = longest.to_signal(call());
        assert!(text.len() <= MAX_SIGNAL && MAX_SIGNAL == 33_024);
        text.push_str(&" ".repeat(MAX_SIGNAL - text.len()));
        assert!(SealedBox::from_signal(&text).is_ok_and(|(_, parsed)| parsed == longest));
        text.push(' ');
        assert_eq!(
            SealedBox::from_signal(&text).err(),
            Some(SignalError::TooLong)
        );
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let good = SealedBox {
            kind: BoxKind::Message1,
            sealed: vec![1; 10],
        }
        .to_signal(call());
        let refused = |text: &str| SealedBox::from_signal(text).err();
        assert_eq!(
            refused(&"x".repeat(MAX_SIGNAL + 1)),
            Some(SignalError::TooLong)
        );
        assert_eq!(refused("[]"), Some(SignalError::Json));
        assert_eq!(
            refused(&good.replacen("\"1\"", "\"2\"", 1)),
            Some(SignalError::Version)
        );
        assert_eq!(
            refused(&good.replacen("0707", "07", 1)),
            Some(SignalError::CallId)
        );
        let short = r#"{"version":"1","call_id":"07070707070707070707070707070707","box":"AQAA"}"#;
        assert_eq!(refused(short), Some(SignalError::Box));
        assert_eq!(
            refused(&good.replacen("AQAK", "CQAK", 1)),
            Some(SignalError::Box)
        );
    }
}

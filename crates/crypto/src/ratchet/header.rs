//! The header of a ratchet message.
//!
//! ```text
//! 0        1          2           6             10                       14
//! version | direction | step u32 | number u32 | previous chain length u32 | ratchet key (32)
//! ```
//!
//! Numbers are big-endian. It is not encrypted; Olm or DTLS is outside.

use super::error::RatchetError;
use super::message_id::MessageId;
use crate::direction::Direction;

/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 46;

const VERSION: u8 = 1;

/// A message's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) direction: Direction,
    pub(super) id: MessageId,
    /// How many messages the sender's previous chain had.
    pub(super) previous_chain_length: u32,
    /// The sender's public ratchet key.
    pub(super) ratchet_key: [u8; 32],
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = VERSION;
        bytes[1] = self.direction.byte();
        bytes[2..6].copy_from_slice(&self.id.step.to_be_bytes());
        bytes[6..10].copy_from_slice(&self.id.number.to_be_bytes());
        bytes[10..14].copy_from_slice(&self.previous_chain_length.to_be_bytes());
        bytes[14..].copy_from_slice(&self.ratchet_key);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, RatchetError> {
        let [version, direction, rest @ ..] = bytes;
        if *version != VERSION {
            return Err(RatchetError::UnknownVersion { got: *version });
        }
        let direction = match *direction {
            1 => Direction::CallerToCallee,
            2 => Direction::CalleeToCaller,
            _ => return Err(RatchetError::Malformed),
        };
        let number =
            |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let mut ratchet_key = [0; 32];
        ratchet_key.copy_from_slice(&rest[12..]);
        Ok(Self {
            direction,
            id: MessageId {
                step: number(0),
                number: number(4),
            },
            previous_chain_length: number(8),
            ratchet_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_header_is_read_where_it_was_written() {
        let header = Header {
            direction: Direction::CalleeToCaller,
            id: MessageId {
                step: 0x0102_0304,
                number: 0x0506_0708,
            },
            previous_chain_length: 0x090a_0b0c,
            ratchet_key: core::array::from_fn(|i| i as u8 + 13),
        };
        let bytes = header.encode();
        assert!(bytes[2..].iter().copied().eq(1..45));
        let read = Header::decode(&bytes).unwrap();
        assert_eq!(header.id.to_string(), "16909060.84281096");
        assert_eq!(read.direction, header.direction);
        assert_eq!(read.id, header.id);
        assert_eq!(read.previous_chain_length, header.previous_chain_length);
        assert_eq!(read.ratchet_key, header.ratchet_key);
    }
}

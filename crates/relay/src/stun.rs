//! STUN messages (RFC 8489): read once into types, bounded; written byte by byte.
//!
//! Only what a client of STUN and TURN needs is here. A message that is not whole, not of this protocol,
//! or longer than any that a server sends us is refused, and nothing of it is looked at.

mod attribute;
mod builder;
mod error_code;
mod integrity;
mod message;

pub use attribute::AttributeType;
pub use builder::MessageBuilder;
pub use error_code::{ErrorCode, MAX_REASON_LEN};
pub(crate) use integrity::hmac_sha1;
pub use integrity::{IntegrityAlgorithm, IntegrityKey};
pub use message::{Class, MAX_MESSAGE_LEN, Message, MessageError, Method, TransactionId};

/// The value in every message that tells STUN from everything else (RFC 8489 section 5).
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// Type, length, magic cookie, transaction ID.
pub(crate) const HEADER_LEN: usize = 20;
/// Type and length of an attribute.
const ATTRIBUTE_HEADER_LEN: usize = 4;
/// What is xored with the CRC-32 of a message (RFC 8489 section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Attributes begin on 4-byte boundaries.
const fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// CRC-32 as in ITU V.42, of a message up to its FINGERPRINT.
fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let low_bit = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * low_bit);
        }
    }
    !crc
}

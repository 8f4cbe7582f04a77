//! The SFrame header ([RFC 9605, section 4.3](https://www.rfc-editor.org/rfc/rfc9605#section-4.3)).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+------------+------------+
//! |X|  K  |Y|  C  |   KID...   |   CTR...   |
//! +-+-+-+-+-+-+-+-+------------+------------+
//! ```

/// KID and CTR of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// KID: names the key.
    pub key_id: u64,
    /// CTR: the frame's counter under that key.
    pub counter: u64,
}

/// The bytes are not a header in its shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame header is malformed")]
pub struct MalformedHeader;

impl FrameHeader {
    /// The longest header: config byte, 8 bytes each.
    pub const MAX_LEN: usize = 17;

    /// Writes the header in its shortest form and gives its length.
    pub fn encode(&self, bytes: &mut [u8; Self::MAX_LEN]) -> usize {
        let mut len = 1;
        let key_bits = put(self.key_id, bytes, &mut len);
        let counter_bits = put(self.counter, bytes, &mut len);
        bytes[0] = key_bits << 4 | counter_bits;
        len
    }

    /// Reads a header off the front of `bytes` and gives its length. Longer forms than needed are refused, so that a header
    /// has one form only.
    ///
    /// # Errors
    ///
    /// [`MalformedHeader`] if bytes are missing or a number is not in its shortest form.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), MalformedHeader> {
        let config = *bytes.first().ok_or(MalformedHeader)?;
        let mut len = 1;
        let key_id = take(config >> 4, bytes, &mut len)?;
        let counter = take(config & 0x0f, bytes, &mut len)?;
        Ok((Self { key_id, counter }, len))
    }
}

/// Appends `value` where it does not fit the config byte, and gives its four bits there.
fn put(value: u64, bytes: &mut [u8; FrameHeader::MAX_LEN], len: &mut usize) -> u8 {
    if value < 8 {
        return value as u8;
    }
    let big_endian = value.to_be_bytes();
    let skip = value.leading_zeros() as usize / 8;
    let size = 8 - skip;
    bytes[*len..*len + size].copy_from_slice(&big_endian[skip..]);
    *len += size;
    0x08 | (size as u8 - 1)
}

fn take(bits: u8, bytes: &[u8], len: &mut usize) -> Result<u64, MalformedHeader> {
    if bits & 0x08 == 0 {
        return Ok(u64::from(bits));
    }
    let size = usize::from(bits & 0x07) + 1;
    let field = bytes.get(*len..*len + size).ok_or(MalformedHeader)?;
    *len += size;
    let value = field
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte));
    let shortest = if size == 1 { value >= 8 } else { field[0] != 0 };
    if shortest {
        Ok(value)
    } else {
        Err(MalformedHeader)
    }
}

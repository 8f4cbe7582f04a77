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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn headers_reproduce_rfc_9605() {
        let file: serde_json::Value = serde_json::from_str(include_str!(
            "../../../../testing/vectors/rfc9605_header.json"
        ))
        .unwrap();
        let vectors = file["header"].as_array().unwrap();
        assert_eq!(vectors.len(), 289);
        for vector in vectors {
            let number = |field: &str| vector[field].as_str().unwrap().parse::<u64>().unwrap();
            let header = FrameHeader {
                key_id: number("kid"),
                counter: number("ctr"),
            };
            let expected = HEXLOWER
                .decode(vector["encoded"].as_str().unwrap().as_bytes())
                .unwrap();
            let mut bytes = [0; FrameHeader::MAX_LEN];
            let len = header.encode(&mut bytes);
            assert_eq!(bytes[..len], expected);
            assert_eq!(FrameHeader::decode(&expected), Ok((header, len)));
        }
    }

    #[test]
    fn a_header_longer_than_needed_is_refused() {
        for bytes in [
            &[0x80, 7][..],
            &[0x90, 0, 8],
            &[0x08, 7],
            &[0x09, 0, 255],
            &[0x99, 0, 1, 1, 1],
        ] {
            assert_eq!(
                FrameHeader::decode(bytes),
                Err(MalformedHeader),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn a_truncated_header_is_refused() {
        for bytes in [
            &[][..],
            &[0x99],
            &[0x99, 1, 0],
            &[0x99, 1, 0, 1],
            &[0xff; 16],
        ] {
            assert_eq!(
                FrameHeader::decode(bytes),
                Err(MalformedHeader),
                "{bytes:02x?}"
            );
        }
    }
}

//! Variable-length integers (RFC 9000 section 16).

/// The largest one.
pub const MAX: u64 = (1 << 62) - 1;
/// The most bytes that one has.
pub const MAX_LEN: usize = 8;

/// An integer as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Writes an integer in as few bytes as it fits in.
///
/// # Panics
/// If it is larger than [`MAX`].
pub fn encode(value: u64) -> Encoded {
    assert!(value <= MAX, "no variable-length integer is so large");
    let length_bits = match value {
        0..0x40 => 0,
        0x40..0x4000 => 1,
        0x4000..0x4000_0000 => 2,
        _ => 3_u8,
    };
    let len = 1 << length_bits;
    let whole = value.to_be_bytes();
    let mut bytes = [0; MAX_LEN];
    bytes[..len].copy_from_slice(&whole[MAX_LEN - len..]);
    bytes[0] |= length_bits << 6;
    Encoded {
        bytes,
        len: len as u8,
    }
}

/// Reads an integer and gives what follows it; `None` if it is not whole. More bytes than it needs are no
/// mistake.
pub fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let (written, rest) = bytes.split_at_checked(len_of(first))?;
    let value = written[1..]
        .iter()
        .fold(u64::from(first & 0x3f), |value, byte| {
            value << 8 | u64::from(*byte)
        });
    Some((value, rest))
}

/// How many bytes an integer has that begins so.
pub fn len_of(first: u8) -> usize {
    1 << (first >> 6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_rfc_9000_are_read() {
        // Appendix A.1.
        for (bytes, value) in [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(read(bytes), Some((value, &[][..])));
            assert_eq!(encode(value).as_ref(), bytes);
        }
        // The same number in more bytes than it needs.
        assert_eq!(read(&[0x40, 0x25, 1]), Some((37, &[1][..])));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in 0..=MAX, after in any::<[u8; 3]>()) {
            let encoded = encode(value);
            prop_assert_eq!(encoded.as_ref().len(), len_of(encoded.as_ref()[0]));
            let whole = [encoded.as_ref(), &after].concat();
            prop_assert_eq!(read(&whole), Some((value, &after[..])));
            let cut = encoded.as_ref().len() - 1;
            prop_assert_eq!(read(&whole[..cut]), None);
        }
    }
}

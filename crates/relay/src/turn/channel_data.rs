//! Packets with four bytes in front of them (RFC 8656 section 12.4).

/// A packet for whom the number stands. No packet of a call has 64 KiB.
pub(super) fn write(number: u16, contents: &[u8], in_stream: bool) -> Vec<u8> {
    let contents = &contents[..contents.len().min(usize::from(u16::MAX))];
    let mut bytes = Vec::with_capacity(contents.len() + 8);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&(contents.len() as u16).to_be_bytes());
    bytes.extend_from_slice(contents);
    if in_stream {
        // Only in a stream the next frame has to begin on a 4-byte boundary (RFC 8656 section 12.5).
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The number and the packet. A datagram may have padding behind it (RFC 8656 section 12.5).
pub(super) fn read(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let [high, low, length_high, length_low, contents @ ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    let number = u16::from_be_bytes([*high, *low]);
    Some((number, contents.get(..length)?))
}

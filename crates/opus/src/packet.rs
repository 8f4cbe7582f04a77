//! What a packet says of itself, without a decoder.

use opusic_sys as ffi;

use crate::{
    OpusError, SAMPLE_RATE_C,
    error::{count, done},
    length,
};

/// Samples in a packet, by its first two bytes; what follows them may be junk.
///
/// # Errors
///
/// [`OpusError::InvalidPacket`] for one that is empty or longer than 120 ms.
pub fn samples(packet: &[u8]) -> Result<usize, OpusError> {
    if packet.is_empty() {
        return Err(OpusError::InvalidPacket);
    }
    // SAFETY: libopus reads no more bytes than it is told, which is what the slice holds.
    count(unsafe {
        ffi::opus_packet_get_nb_samples(packet.as_ptr(), length(packet), SAMPLE_RATE_C)
    })
}

/// Whether a packet carries a copy of the frame before it (SILK's LBRR flag, RFC 6716 section 4.2.4).
pub fn has_fec(packet: &[u8]) -> bool {
    if packet.is_empty() {
        return false;
    }
    // SAFETY: libopus reads no more bytes than it is told, which is what the slice holds; of an empty one it would read the first
    // all the same, hence the check.
    unsafe { ffi::opus_packet_has_lbrr(packet.as_ptr(), length(packet)) == 1 }
}

/// Pads the packet in the first `bytes` of `room` so that it fills `room` (RFC 6716 section 3.2.5).
///
/// # Errors
///
/// [`OpusError::BadArgument`] where `bytes` is zero or more than there is room; [`OpusError::InvalidPacket`].
pub fn pad(room: &mut [u8], bytes: usize) -> Result<(), OpusError> {
    let used = length(room.get(..bytes).ok_or(OpusError::BadArgument)?);
    let whole = length(room);
    // SAFETY: libopus reads as many bytes and writes as many as it is told, and both are within the slice.
    done(unsafe { ffi::opus_packet_pad(room.as_mut_ptr(), used, whole) })
}

//! How mute is told: by a frame like any other, so that nobody on the network sees it.
//!
//! In place of Opus, the frames of a muted microphone hold [`MUTED_FRAME`], or as much of it as the frames of the epoch have room
//! for: as long as any payload, with a report as any, sealed like any, sent at the same pace. The peer says that we are muted by
//! the newest authentic frame, so lost and late ones do no harm.

use crate::{opus_codec::PAYLOAD_BYTES, voice_frame::FrameSize};

/// What a muted frame holds in place of Opus; smaller frames hold its beginning. No Opus encoder makes it: a packet of code 3 has
/// at least one frame (RFC 6716 section 3.2.5, R5), and this one says that it has none.
pub const MUTED_FRAME: [u8; PAYLOAD_BYTES] = {
    let mut frame = [0; PAYLOAD_BYTES];
    frame[0] = 0xff;
    frame
};

/// Whether the payload of a frame says that its sender is muted.
pub(crate) fn is_muted(payload: &[u8]) -> bool {
    let mut sizes = FrameSize::ALL.iter();
    payload.starts_with(&MUTED_FRAME[..1])
        && sizes.any(|size| size.opus_bytes() == payload.len())
        && MUTED_FRAME.starts_with(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opus_codec::{Decoder, is_frame};

    #[test]
    fn a_muted_frame_is_no_opus() {
        assert!(is_muted(&MUTED_FRAME) && !is_muted(&MUTED_FRAME[1..]));
        assert!(!is_frame(&MUTED_FRAME));
        let decoded = Decoder::new()
            .unwrap()
            .decode(&MUTED_FRAME, &mut [0.0; 960]);
        assert!(decoded.is_err());
    }

    #[test]
    fn frames_of_each_size_can_be_muted_and_nothing_else_is() {
        for size in FrameSize::ALL {
            let mut payload = MUTED_FRAME[..size.opus_bytes()].to_vec();
            assert!(is_muted(&payload) && !is_frame(&payload));
            assert!(!is_muted(&payload[1..]) && !is_muted(&payload[..10]));
            *payload.last_mut().unwrap() = 1;
            assert!(!is_muted(&payload));
        }
        assert!(!is_muted(&[]));
    }
}

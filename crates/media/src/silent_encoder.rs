//! Silence beside a voice: what a peer gets that must not hear us yet, or not now, while others do.

use crate::{
    audio::FRAME_SAMPLES,
    opus_codec::{CodecError, Encoder, EncoderSettings},
    voice_encoder::EncodedFrame,
};

/// Encodes silence, frame by frame. It never gets anything else to encode.
#[derive(Debug)]
pub struct SilentEncoder {
    encoder: Encoder,
    payload: Vec<u8>,
}

impl SilentEncoder {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            encoder: Encoder::new()?,
            payload: Vec::new(),
        })
    }

    /// A frame of silence in the place of this one: of its time, and its length.
    ///
    /// # Errors
    ///
    /// [`CodecError`].
    pub fn instead_of(&mut self, frame: EncodedFrame<'_>) -> Result<EncodedFrame<'_>, CodecError> {
        self.encoder.configure(EncoderSettings {
            frame_bytes: frame.payload.len(),
            expected_loss_percent: 0,
            dred_frames: 0,
            complexity: 0,
        })?;
        self.encoder
            .encode(&[0.0; FRAME_SAMPLES], &mut self.payload)?;
        Ok(EncodedFrame {
            media_time: frame.media_time,
            payload: &self.payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{opus_codec::Decoder, voice_frame::FrameSize};

    #[test]
    fn it_is_as_long_as_the_frame_whose_place_it_takes_and_nothing_is_heard() {
        let (mut silence, mut decoder) = (SilentEncoder::new().unwrap(), Decoder::new().unwrap());
        for media_time in 0..20 {
            for size in FrameSize::ALL {
                let payload = vec![7; size.opus_bytes()];
                let frame = EncodedFrame {
                    media_time,
                    payload: &payload,
                };
                let silent = silence.instead_of(frame).unwrap();
                assert_eq!(silent.media_time, media_time);
                assert_eq!(silent.payload.len(), payload.len());
                let mut heard = [1.0; FRAME_SAMPLES];
                decoder.decode(silent.payload, &mut heard).unwrap();
                assert!(heard.iter().all(|sample| sample.abs() < 1e-4));
            }
        }
    }
}

//! The peer's voice out of its frames: decoded, or silence while the peer is muted.

use crate::{
    audio::{FRAME_SAMPLES, Tick},
    muted_frame,
    opus_codec::{self, CodecError, Decoder, Effort},
};

/// A decoder that knows of muted frames.
#[derive(Debug)]
pub(super) struct Voice {
    decoder: Decoder,
    /// The last frame played was a muted one: what the decoder remembers is from before it.
    muted: bool,
}

impl Voice {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: Decoder::new()?,
            muted: false,
        })
    }

    /// Changes how hard the decoder works.
    pub(super) fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.decoder.set_effort(effort)
    }

    /// Whether a payload is one that can be played.
    pub(super) fn is_frame(payload: &[u8]) -> bool {
        muted_frame::is_muted(payload) || opus_codec::is_frame(payload)
    }

    /// Whether the peer is muted where playback is.
    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    /// The samples of a frame.
    pub(super) fn decode(
        &mut self,
        payload: &[u8],
        frame: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        if muted_frame::is_muted(payload) {
            self.muted = true;
            frame.fill(0.0);
            return Ok(());
        }
        self.unmute()?;
        self.decoder.decode(payload, frame)
    }

    /// The samples of the frame `frames_back` before `later`, which reaches so far back. Returns whether they could be had.
    pub(super) fn recover(
        &mut self,
        later: &[u8],
        frames_back: usize,
        frame: &mut [f32; FRAME_SAMPLES],
    ) -> bool {
        self.unmute().is_ok() && self.decoder.recover(later, frames_back, frame).is_ok()
    }

    /// How many of the frames before it `later` carries copies of; none where the peer is muted there.
    pub(super) fn reaches_back(&mut self, later: &[u8]) -> usize {
        if muted_frame::is_muted(later) {
            return 0;
        }
        self.decoder.reaches_back(later)
    }

    /// 10 ms in place of what is missing; silence if there is nothing to go by, and while the peer is muted.
    pub(super) fn conceal(&mut self) -> Tick {
        let mut tick = [0.0; _];
        if !self.muted {
            // On an error the tick holds zeros.
            let _ = self.decoder.conceal(&mut tick);
        }
        tick
    }

    /// The peer's encoder began anew after a muted frame, and so does the decoder: what it remembers is no part of this.
    fn unmute(&mut self) -> Result<(), CodecError> {
        if std::mem::take(&mut self.muted) {
            self.decoder.reset()?;
        }
        Ok(())
    }
}

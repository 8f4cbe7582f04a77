//! Encoded frame to wire: each is sealed for one peer. The twin of [`ReceivePipeline`](crate::ReceivePipeline).

use crate::{
    frame_protection::{SealError, SealFrame},
    voice_encoder::EncodedFrame,
};

/// Room for a sealed frame, so that none is allocated for.
const FRAME_CAPACITY: usize = 256;

/// A sealed frame, ready for the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundFrame<'a> {
    /// When the frame begins, in samples since the first frame: the RTP timestamp without its random start.
    pub media_time: u64,
    /// The sealed bytes, of the same number in every frame.
    pub bytes: &'a [u8],
}

/// Seals for one peer what a [`VoiceEncoder`](crate::VoiceEncoder) gives.
#[derive(Debug)]
pub struct SendPipeline<S> {
    sealer: S,
    frame: Vec<u8>,
    frames_sent: u64,
}

impl<S: SealFrame> SendPipeline<S> {
    /// A pipeline that seals with `sealer`.
    pub fn new(sealer: S) -> Self {
        Self {
            sealer,
            frame: Vec::with_capacity(FRAME_CAPACITY),
            frames_sent: 0,
        }
    }

    /// Seals a frame.
    ///
    /// # Errors
    ///
    /// [`SealError`]; nothing of this frame may then be sent.
    pub fn seal(&mut self, encoded: EncodedFrame<'_>) -> Result<OutboundFrame<'_>, SealError> {
        self.frame.clear();
        self.frame.extend_from_slice(encoded.payload);
        self.sealer.seal(&mut self.frame)?;
        self.frames_sent += 1;
        Ok(OutboundFrame {
            media_time: encoded.media_time,
            bytes: &self.frame,
        })
    }

    /// The sealer, to give it the keys of a new epoch.
    pub fn sealer_mut(&mut self) -> &mut S {
        &mut self.sealer
    }

    /// Frames handed out.
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }
}

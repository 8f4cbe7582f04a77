//! Microphone to wire: 10 ms ticks in, a sealed frame out every 20 ms.

use thiserror::Error;

use crate::{
    audio::{FRAME_SAMPLES, Level, TICK_SAMPLES, Tick},
    frame_protection::{SealError, SealFrame},
    opus_codec::{CodecError, Encoder},
};

/// A sealed frame, ready for the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundFrame<'a> {
    /// When the frame begins, in samples since the first frame: the RTP timestamp without its random start.
    pub media_time: u64,
    /// The sealed bytes, of the same number in every frame.
    pub bytes: &'a [u8],
}

/// No frame could be made of this tick.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The codec failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The sealer refused.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Encodes and seals what the microphone gives.
#[derive(Debug)]
pub struct SendPipeline<S> {
    encoder: Encoder,
    sealer: S,
    samples: [f32; FRAME_SAMPLES],
    filled: usize,
    frame: Vec<u8>,
    media_time: u64,
    frames_sent: u64,
    muted: bool,
    /// The gain at the end of the last tick: mute and unmute fade over one tick, without a click.
    gain: f32,
    level: Level,
}

impl<S: SealFrame> SendPipeline<S> {
    /// A pipeline that seals with `sealer`.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new(sealer: S) -> Result<Self, CodecError> {
        Ok(Self {
            encoder: Encoder::new()?,
            sealer,
            samples: [0.0; FRAME_SAMPLES],
            filled: 0,
            frame: Vec::with_capacity(256),
            media_time: 0,
            frames_sent: 0,
            muted: false,
            gain: 1.0,
            level: Level::default(),
        })
    }

    /// Takes 10 ms from the microphone; every second call gives a frame to send at once.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the tick is then lost, and media time goes on.
    pub fn push(&mut self, tick: &Tick) -> Result<Option<OutboundFrame<'_>>, SendError> {
        self.level.measure(tick);
        let target = if self.muted { 0.0 } else { 1.0 };
        let step = (target - self.gain) / TICK_SAMPLES as f32;
        for (i, (slot, sample)) in self.samples[self.filled..].iter_mut().zip(tick).enumerate() {
            let gain = self.gain + step * (i + 1) as f32;
            *slot = if sample.is_finite() {
                sample.clamp(-1.0, 1.0) * gain
            } else {
                0.0
            };
        }
        self.gain = target;
        self.filled += TICK_SAMPLES;
        if self.filled < FRAME_SAMPLES {
            return Ok(None);
        }

        self.filled = 0;
        let media_time = self.media_time;
        self.media_time += FRAME_SAMPLES as u64;
        self.encoder.encode(&self.samples, &mut self.frame)?;
        self.sealer.seal(&mut self.frame)?;
        self.frames_sent += 1;
        Ok(Some(OutboundFrame {
            media_time,
            bytes: &self.frame,
        }))
    }

    /// Sends silence of the same size at the same pace, or the microphone again.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// The sealer, to give it the keys of a new epoch.
    pub fn sealer_mut(&mut self) -> &mut S {
        &mut self.sealer
    }

    /// Whether silence is sent.
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// What the microphone hears, muted or not.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Frames handed out.
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }
}

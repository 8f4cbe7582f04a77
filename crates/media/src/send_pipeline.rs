//! Microphone to wire: 10 ms ticks in, a sealed frame out every 20 ms.

use thiserror::Error;

use crate::{
    audio::{FRAME_SAMPLES, Level, TICK_SAMPLES, Tick},
    frame_protection::{SealError, SealFrame},
    muted_frame::MUTED_FRAME,
    opus_codec::{CodecError, Encoder},
};

/// Ticks of silence after which frames say that we are muted: the two of the frame itself, and one before it, in which the
/// encoder, whose output lags by 6.5 ms, says the end of the fade.
const MUTED_AFTER: u32 = 3;

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
    /// Ticks since the fade after which nothing of the microphone was taken.
    silent_ticks: u32,
    /// The last frame said that we are muted.
    told_muted: bool,
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
            silent_ticks: 0,
            told_muted: false,
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
        let silent = self.gain == 0.0 && target == 0.0;
        self.silent_ticks = if silent {
            self.silent_ticks.saturating_add(1)
        } else {
            0
        };
        self.gain = target;
        self.filled += TICK_SAMPLES;
        if self.filled < FRAME_SAMPLES {
            return Ok(None);
        }

        self.filled = 0;
        let media_time = self.media_time;
        self.media_time += FRAME_SAMPLES as u64;
        self.encode()?;
        self.sealer.seal(&mut self.frame)?;
        self.frames_sent += 1;
        Ok(Some(OutboundFrame {
            media_time,
            bytes: &self.frame,
        }))
    }

    /// Fills `frame`: with voice, or with what says that we are muted.
    fn encode(&mut self) -> Result<(), CodecError> {
        let tells_muted = self.silent_ticks >= MUTED_AFTER;
        if self.told_muted && !tells_muted {
            // The peer's decoder begins anew as well; nothing from before, or from meanwhile, is in the next frames.
            self.encoder.reset()?;
        }
        self.told_muted = tells_muted;
        // Silence is encoded also where it is not sent, so that a muted frame is no sooner ready than another.
        self.encoder.encode(&self.samples, &mut self.frame)?;
        if tells_muted {
            self.frame.clear();
            self.frame.extend_from_slice(&MUTED_FRAME);
        }
        Ok(())
    }

    /// Sends frames of the same size at the same pace that say that we are muted, or the microphone again.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// The sealer, to give it the keys of a new epoch.
    pub fn sealer_mut(&mut self) -> &mut S {
        &mut self.sealer
    }

    /// Whether the microphone is muted.
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

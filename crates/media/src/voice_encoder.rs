//! Microphone to encoded frames: 10 ms ticks in, a frame out every 20 ms, however many peers it is for.

use crate::{
    audio::{FRAME_SAMPLES, Level, TICK_SAMPLES, Tick},
    mute_fade::MuteFade,
    muted_frame::MUTED_FRAME,
    opus_codec::{CodecError, Encoder, EncoderSettings, PAYLOAD_BYTES},
};

/// Ticks of silence after which frames say that we are muted: the two of the frame itself, and one before it, in which the
/// encoder, whose output lags by 6.5 ms, says the end of the fade.
const MUTED_AFTER: u32 = 3;

/// An encoded frame, to be sealed for each peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedFrame<'a> {
    /// When the frame begins, in samples since the first frame: the RTP timestamp without its random start.
    pub media_time: u64,
    /// An Opus packet or a muted frame, as long as the encoder's settings say.
    pub payload: &'a [u8],
}

/// Encodes what the microphone gives.
#[derive(Debug)]
pub struct VoiceEncoder {
    encoder: Encoder,
    samples: [f32; FRAME_SAMPLES],
    filled: usize,
    payload: Vec<u8>,
    media_time: u64,
    fade: MuteFade,
    /// Ticks since the fade after which nothing of the microphone was taken.
    silent_ticks: u32,
    /// The last frame said that we are muted.
    told_muted: bool,
    level: Level,
}

impl VoiceEncoder {
    /// An encoder at media time 0.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            encoder: Encoder::new()?,
            samples: [0.0; FRAME_SAMPLES],
            filled: 0,
            payload: Vec::with_capacity(256),
            media_time: 0,
            fade: MuteFade::new(),
            silent_ticks: 0,
            told_muted: false,
            level: Level::default(),
        })
    }

    /// Takes 10 ms from the microphone; every second call gives a frame to seal and send at once.
    ///
    /// # Errors
    ///
    /// [`CodecError`]; the tick is then lost, and media time goes on.
    pub fn push(&mut self, tick: &Tick) -> Result<Option<EncodedFrame<'_>>, CodecError> {
        self.level.measure(tick);
        let silent = self.fade.apply(tick, &mut self.samples[self.filled..]);
        self.silent_ticks = if silent {
            self.silent_ticks.saturating_add(1)
        } else {
            0
        };
        self.filled += TICK_SAMPLES;
        if self.filled < FRAME_SAMPLES {
            return Ok(None);
        }

        self.filled = 0;
        let media_time = self.media_time;
        // Before what may fail: the frames after a lost one keep their place in time.
        self.media_time += FRAME_SAMPLES as u64;
        self.encode()?;
        Ok(Some(EncodedFrame {
            media_time,
            payload: &self.payload,
        }))
    }

    /// Fills `payload`: with voice, or with what says that we are muted.
    fn encode(&mut self) -> Result<(), CodecError> {
        let tells_muted = self.silent_ticks >= MUTED_AFTER;
        if self.told_muted && !tells_muted {
            // The peer's decoder begins anew as well; nothing from before, or from meanwhile, is in the next frames.
            self.encoder.reset()?;
        }
        self.told_muted = tells_muted;
        // Silence is encoded also where it is not sent, so that a muted frame is no sooner ready than another.
        self.encoder.encode(&self.samples, &mut self.payload)?;
        if tells_muted && let Some(muted) = MUTED_FRAME.get(..self.payload.len()) {
            self.payload.copy_from_slice(muted);
        }
        Ok(())
    }

    /// Changes how the frames to come are encoded.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`] for settings that libopus refuses, or frames larger than [`PAYLOAD_BYTES`].
    pub fn configure(&mut self, settings: EncoderSettings) -> Result<(), CodecError> {
        if settings.frame_bytes > PAYLOAD_BYTES {
            return Err(CodecError::Setup("frames larger than a muted one"));
        }
        self.encoder.configure(settings)
    }

    /// How the frames to come are encoded.
    pub fn settings(&self) -> EncoderSettings {
        self.encoder.settings()
    }

    /// Gives frames of the same size at the same pace that say that we are muted, or the microphone again.
    pub fn set_muted(&mut self, muted: bool) {
        self.fade.set_muted(muted);
    }

    /// Whether the microphone is muted.
    pub fn is_muted(&self) -> bool {
        self.fade.is_muted()
    }

    /// What the microphone hears, muted or not.
    pub fn level(&self) -> Level {
        self.level
    }
}

use securecall_opus::{Application, Bandwidth, OpusError, Signal, packet};

use super::{CodecError, Effort, MAX_FRAMES_BACK, PAYLOAD_BYTES, band::HighBand};
use crate::audio::{FRAME_SAMPLES, SAMPLE_RATE};

/// Frames a second.
const FRAME_RATE: usize = SAMPLE_RATE as usize / FRAME_SAMPLES;
/// DRED counts in units of 10 ms.
const DRED_UNITS_PER_FRAME: u8 = 2;
/// Up to as many frames of DRED take what voice and FEC leave; more take the place of FEC and a third of the bytes. Against single
/// losses FEC does more, against bursts DRED.
pub(crate) const DRED_BESIDE_FEC: u8 = 5;
/// The expected loss, in percent, at which libopus gives DRED that third.
const DRED_TOLD_LOSS: u8 = 20;
/// With fewer bytes the spectrum above 8 kHz costs more than it is worth.
const HIGH_BAND_FROM_BYTES: usize = 70;

/// How an encoder spends the bytes of a frame. Only their number shows on the network; the rest may change at any frame.
///
/// Where losses are expected, the spectrum above 8 kHz is not sent either: redundancy needs its third of the bytes. What gives
/// most is in docs/performance.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Bytes of every encoded frame.
    pub frame_bytes: usize,
    /// The share of frames that is expected to get lost, 0 to 100 percent. It decides how many of the bytes go to copies of
    /// earlier frames; at 0 there are none.
    pub expected_loss_percent: u8,
    /// How many earlier frames each frame shall be able to restore by deep redundancy (DRED); 0 for none. Up to 5, DRED gets the
    /// bytes that voice and in-band FEC leave; more of it takes the place of FEC, which is better in long bursts.
    pub dred_frames: u8,
    /// How hard the encoder works, 0 to 10: see [`Effort`].
    pub complexity: u8,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            frame_bytes: PAYLOAD_BYTES,
            expected_loss_percent: 10,
            dred_frames: 0,
            complexity: Effort::default().encoder_complexity(),
        }
    }
}

/// Encodes 20 ms at a time.
#[derive(Debug)]
pub struct Encoder {
    encoder: securecall_opus::Encoder,
    settings: EncoderSettings,
    high_band: HighBand,
}

impl Encoder {
    /// An encoder with the default settings.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        let settings = EncoderSettings::default();
        let made = || -> Result<securecall_opus::Encoder, OpusError> {
            // Not for VOIP: that would cut the lowest octave of a voice, which whoever records has cleaned already.
            let mut encoder = securecall_opus::Encoder::new(Application::Audio)?;
            encoder.set_signal(Signal::Voice)?;
            encoder.set_dtx(false)?;
            apply(&mut encoder, &settings)?;
            Ok(encoder)
        };
        Ok(Self {
            encoder: made().map_err(CodecError::setup)?,
            settings,
            high_band: HighBand::new(),
        })
    }

    /// Changes how the bytes of the frames to come are spent.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`] for settings that libopus refuses; the old ones hold on then.
    pub fn configure(&mut self, settings: EncoderSettings) -> Result<(), CodecError> {
        if settings == self.settings {
            return Ok(());
        }
        if let Err(error) = apply(&mut self.encoder, &settings) {
            // Some may have been taken.
            let _ = apply(&mut self.encoder, &self.settings);
            return Err(CodecError::setup(error));
        }
        self.settings = settings;
        Ok(())
    }

    /// How the bytes of the frames to come are spent.
    pub fn settings(&self) -> EncoderSettings {
        self.settings
    }

    /// Encodes one frame; `payload` holds it afterwards, always [`EncoderSettings::frame_bytes`] long.
    ///
    /// # Errors
    ///
    /// [`CodecError::Encode`].
    pub fn encode(
        &mut self,
        samples: &[f32; FRAME_SAMPLES],
        payload: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        payload.clear();
        payload.resize(self.settings.frame_bytes, 0);
        let encoded = self.choose_band(samples).and_then(|()| {
            let bytes = self.encoder.encode(samples, payload)?;
            packet::pad(payload, bytes)
        });
        encoded.map_err(|error| CodecError::Encode(error.description()))
    }

    /// Forgets everything it has encoded, as if newly made.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn reset(&mut self) -> Result<(), CodecError> {
        self.high_band = HighBand::new();
        // libopus forgets some of its settings with it: how far deep redundancy reaches.
        self.encoder
            .reset()
            .and_then(|()| apply(&mut self.encoder, &self.settings))
            .map_err(CodecError::setup)
    }

    /// Leaves out the spectrum above 8 kHz where nothing is there or the bytes do not suffice. libopus takes it in again in the
    /// next pause, so that no word changes its sound.
    fn choose_band(&mut self, samples: &[f32; FRAME_SAMPLES]) -> Result<(), OpusError> {
        let heard = self.high_band.is_heard(samples);
        let lossless = self.settings.expected_loss_percent == 0;
        let wide = !(heard && lossless && self.settings.frame_bytes >= HIGH_BAND_FROM_BYTES);
        self.encoder.set_max_bandwidth(if wide {
            Bandwidth::Wide
        } else {
            Bandwidth::Full
        })?;
        // At a constant rate, SILK alone encodes a frame again and again until it fills it to the last bit: twice the work for
        // what is hardly heard. Frames are padded instead. With copies in them, filling them is worth it; so it is with the high
        // band, which takes what SILK leaves.
        self.encoder.set_variable_bit_rate(wide && lossless)
    }
}

fn apply(
    encoder: &mut securecall_opus::Encoder,
    settings: &EncoderSettings,
) -> Result<(), OpusError> {
    let bit_rate = settings.frame_bytes * 8 * FRAME_RATE;
    encoder.set_bit_rate(u32::try_from(bit_rate).unwrap_or(u32::MAX))?;
    encoder.set_complexity(settings.complexity)?;
    let redundancy = Redundancy::of(settings);
    encoder.set_inband_fec(redundancy.fec)?;
    encoder.set_expected_loss(redundancy.told_loss)?;
    encoder.set_redundancy_duration(redundancy.dred_units)
}

/// What libopus is told.
#[derive(Debug, Default)]
struct Redundancy {
    fec: bool,
    /// In percent.
    told_loss: u8,
    /// Of 10 ms.
    dred_units: u8,
}

impl Redundancy {
    fn of(settings: &EncoderSettings) -> Self {
        let expected = settings.expected_loss_percent;
        if expected == 0 {
            return Self::default();
        }
        let dred_frames = settings.dred_frames.min(MAX_FRAMES_BACK as u8);
        let fec = dred_frames <= DRED_BESIDE_FEC;
        Self {
            fec,
            // Less than it is: what libopus would give the copies, the voice misses more.
            told_loss: if fec {
                (expected.min(100) * 2 / 3).clamp(3, 20)
            } else {
                DRED_TOLD_LOSS
            },
            dred_units: dred_frames * DRED_UNITS_PER_FRAME,
        }
    }
}

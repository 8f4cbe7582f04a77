//! Microphone to RTP payloads: 10 ms ticks in, a packet out every 20 ms, or none where the peer wants none in silence.

use std::time::Duration;

use securecall_opus::{Application, Bandwidth, Encoder, OpusError, Signal};
use web_time::Instant;

use super::{
    codec::{Codec, OpusWishes},
    g711::{compress_a_law, compress_mu_law},
    narrowband::{Decimator, NARROW_TICK},
    path::Path,
};
use crate::{
    adaptation::NetworkAdaptation,
    audio::{FRAME_SAMPLES, Level, TICK_SAMPLES, Tick},
    mute_fade::MuteFade,
    opus_codec::{CodecError, Effort, MAX_PACKET_BYTES},
    voice_frame::FrameSize,
};

/// A packet of Opus so short says that there is nothing to be heard (RFC 7587 section 3.1.3): its table of contents, and no frame.
pub(crate) const LONGEST_EMPTY: usize = 2;

/// A frame is silence only below this, RMS, whatever the encoder thinks (−46 dB): at a complexity below 7 libopus takes all that is
/// steady for noise, a loud tone too.
const LOUDEST_SILENCE: f32 = 0.005;

/// A packet for the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundPacket<'a> {
    /// What the payload is encoded with.
    pub codec: Codec,
    /// When it begins, in units of the codec's clock.
    pub rtp_time: u32,
    /// Whether it is the first after a silence in which there were none (RFC 3551 section 4.1).
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
}

/// How our packets come, by the peer's word: a receiver report of RTCP (RFC 3550 section 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerReport {
    /// The share that got lost since its last report, in percent: 0 only if none was.
    pub loss_percent: u8,
}

/// Encodes what the microphone gives, for one peer.
#[derive(Debug)]
pub struct RtpVoiceEncoder {
    codec: Codec,
    wishes: OpusWishes,
    opus: Encoder,
    effort: Effort,
    /// What libopus was told last.
    settings: Option<Settings>,
    narrow: Decimator,
    adaptation: NetworkAdaptation,
    path: Path,
    fade: MuteFade,
    samples: [f32; FRAME_SAMPLES],
    filled: usize,
    payload: Vec<u8>,
    /// In samples at 48 kHz.
    media_time: u64,
    silence: Silence,
    level: Level,
}

/// Where DTX stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Packets flow.
    None,
    /// The peer was told, by one empty packet, that there are none now.
    Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    wishes: OpusWishes,
    bit_rate: u32,
    dtx: bool,
    expected_loss_percent: u8,
    complexity: u8,
}

impl RtpVoiceEncoder {
    /// An encoder for what descriptions have agreed on.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new(codec: Codec, wishes: OpusWishes) -> Result<Self, CodecError> {
        let made = || -> Result<Encoder, OpusError> {
            let mut opus = Encoder::new(Application::Audio)?;
            opus.set_signal(Signal::Voice)?;
            // Other ends have no use for it.
            opus.set_redundancy_duration(0)?;
            Ok(opus)
        };
        let mut encoder = Self {
            codec,
            wishes,
            opus: made().map_err(CodecError::setup)?,
            effort: Effort::default(),
            settings: None,
            narrow: Decimator::new(),
            adaptation: NetworkAdaptation::without_copies(),
            path: Path::default(),
            fade: MuteFade::new(),
            samples: [0.0; FRAME_SAMPLES],
            filled: 0,
            payload: Vec::with_capacity(MAX_PACKET_BYTES),
            media_time: 0,
            silence: Silence::None,
            level: Level::default(),
        };
        encoder.set_up().map_err(CodecError::setup)?;
        Ok(encoder)
    }

    /// Takes what a later description asks for. RTP time goes on.
    pub fn configure(&mut self, codec: Codec, wishes: OpusWishes) {
        self.codec = codec;
        self.wishes = wishes;
    }

    /// Changes how hard the encoder works.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
    }

    /// Takes a report of the peer: copies of lost frames are worth their bytes while there is loss.
    pub fn handle_report(&mut self, report: PeerReport) {
        self.path.record_loss(report.loss_percent);
    }

    /// Takes how long a packet and the answer to it were under way. `queueing_here` is what waits in queues on the way here, by the
    /// packets of the peer.
    pub fn handle_round_trip(&mut self, round_trip: Duration, queueing_here: Duration) {
        self.path.record_round_trip(round_trip, queueing_here);
    }

    /// Packets take another way from now on.
    pub fn path_changed(&mut self) {
        self.path.forget_round_trips();
    }

    /// Takes 10 ms from the microphone. Every second call gives a packet to send at once; none in silence, where the peer asked for
    /// that.
    ///
    /// # Errors
    ///
    /// [`CodecError`]; the frame is then lost, and RTP time goes on.
    pub fn push(
        &mut self,
        now: Instant,
        tick: &Tick,
    ) -> Result<Option<OutboundPacket<'_>>, CodecError> {
        self.level.measure(tick);
        self.fade.apply(tick, &mut self.samples[self.filled..]);
        self.filled += TICK_SAMPLES;
        if self.filled < FRAME_SAMPLES {
            return Ok(None);
        }
        self.filled = 0;
        let media_time = self.media_time;
        // Before what may fail: the packets after a lost one keep their place in time.
        self.media_time += FRAME_SAMPLES as u64;
        // What is known is of seconds ago; it holds meanwhile.
        if let Some(report) = self.path.report() {
            self.adaptation.handle_report(now, report);
            self.adaptation.begin_epoch(now);
        }
        match self.codec {
            Codec::Opus => self.encode_opus()?,
            Codec::Pcmu => self.encode_g711(compress_mu_law),
            Codec::Pcma => self.encode_g711(compress_a_law),
        }
        Ok(self.packet(media_time))
    }

    /// Sends silence in place of the microphone, or the microphone again.
    pub fn set_muted(&mut self, muted: bool) {
        self.fade.set_muted(muted);
    }

    /// Whether the microphone is muted.
    pub fn is_muted(&self) -> bool {
        self.fade.is_muted()
    }

    /// What a second of our packets holds, in bits, while somebody speaks.
    pub fn bit_rate(&self) -> u32 {
        match self.codec {
            Codec::Opus => self.opus_bit_rate(),
            Codec::Pcmu | Codec::Pcma => 64_000,
        }
    }

    /// What the microphone hears, muted or not.
    pub fn level(&self) -> Level {
        self.level
    }

    fn packet(&mut self, media_time: u64) -> Option<OutboundPacket<'_>> {
        let is_empty =
            self.codec == Codec::Opus && self.wishes.dtx && self.payload.len() <= LONGEST_EMPTY;
        let was = self.silence;
        self.silence = if is_empty {
            Silence::Told
        } else {
            Silence::None
        };
        if is_empty && was == Silence::Told {
            return None;
        }
        let units = media_time / u64::from(self.codec.samples_per_unit());
        Some(OutboundPacket {
            codec: self.codec,
            // RTP time is its low 32 bits.
            rtp_time: (units & u64::from(u32::MAX)) as u32,
            marker: was == Silence::Told && !is_empty,
            payload: &self.payload,
        })
    }

    fn encode_opus(&mut self) -> Result<(), CodecError> {
        self.set_up().map_err(CodecError::setup)?;
        self.payload.resize(MAX_PACKET_BYTES, 0);
        let encoded = self.opus.encode(&self.samples, &mut self.payload);
        let bytes = encoded.map_err(|error| CodecError::Encode(error.description()))?;
        self.payload.truncate(bytes);
        Ok(())
    }

    fn encode_g711(&mut self, compress: fn(f32) -> u8) {
        self.payload.clear();
        for tick in self.samples.as_chunks::<TICK_SAMPLES>().0 {
            let mut narrow = [0.0; NARROW_TICK];
            self.narrow.push(tick, &mut narrow);
            self.payload.extend(narrow.map(compress));
        }
    }

    /// Has libopus do what the peer asks for and the path needs.
    fn set_up(&mut self) -> Result<(), OpusError> {
        let settings = Settings {
            wishes: self.wishes,
            bit_rate: self.opus_bit_rate(),
            dtx: self.wishes.dtx && is_quiet(&self.samples),
            expected_loss_percent: self.adaptation.wish().expected_loss_percent,
            complexity: self.effort.encoder_complexity(),
        };
        if self.settings == Some(settings) {
            return Ok(());
        }
        let wishes = settings.wishes;
        let opus = &mut self.opus;
        opus.set_bit_rate(settings.bit_rate)?;
        opus.set_variable_bit_rate(!wishes.constant_bit_rate)?;
        opus.set_dtx(settings.dtx)?;
        opus.set_max_bandwidth(bandwidth(wishes.max_playback_rate))?;
        opus.set_complexity(settings.complexity)?;
        let expected = settings.expected_loss_percent;
        opus.set_inband_fec(wishes.in_band_fec && expected > 0)?;
        opus.set_expected_loss(expected)?;
        self.settings = Some(settings);
        Ok(())
    }

    /// What the path bears, but no more than the peer asks for.
    fn opus_bit_rate(&self) -> u32 {
        let bearable = match self.adaptation.wish().size {
            FrameSize::Kbps12 => 12_000,
            FrameSize::Kbps16 => 16_000,
            FrameSize::Kbps24 => 24_000,
            // What browsers take for one voice.
            FrameSize::Kbps32 | FrameSize::Kbps32Twice => 32_000,
        };
        let most = self.wishes.max_average_bit_rate.unwrap_or(bearable);
        bearable.min(most)
    }
}

fn is_quiet(samples: &[f32; FRAME_SAMPLES]) -> bool {
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    energy < LOUDEST_SILENCE * LOUDEST_SILENCE * FRAME_SAMPLES as f32
}

/// The most of the spectrum that is heard at so many Hz (RFC 7587 section 3.1.1).
const fn bandwidth(max_playback_rate: u32) -> Bandwidth {
    match max_playback_rate {
        ..12_000 => Bandwidth::Narrow,
        12_000..16_000 => Bandwidth::Medium,
        16_000..24_000 => Bandwidth::Wide,
        24_000..48_000 => Bandwidth::Superwide,
        48_000.. => Bandwidth::Full,
    }
}

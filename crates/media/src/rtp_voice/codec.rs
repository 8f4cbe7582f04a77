//! The codecs of a WebRTC peer, and what it asks of ours.

use securecall_opus::packet;

use crate::audio::{SAMPLE_RATE, TICK_SAMPLES};

/// The longest packet, in samples at 48 kHz: 120 ms, the most that Opus has (RFC 6716 section 3.2.5). G.711 gets no more.
pub(crate) const MAX_PACKET_SAMPLES: usize = 12 * TICK_SAMPLES;
/// The longest payload. That of 120 ms at any rate that somebody sends voice with is shorter, and so is a datagram of a path.
const MAX_PAYLOAD_BYTES: usize = 2_000;
/// Opus goes no lower (RFC 7587 section 6.1).
const LOWEST_BIT_RATE: u32 = 6_000;

/// What the payload of a packet is encoded with. All that every WebRTC peer must have (RFC 7874 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, RFC 7587.
    Opus,
    /// G.711 µ-law: telephone quality, where there is nothing better.
    Pcmu,
    /// G.711 A-law, likewise.
    Pcma,
}

impl Codec {
    /// Units of RTP time in a second (RFC 7587 section 4.1, RFC 3551 section 4.5.14).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => SAMPLE_RATE,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples at 48 kHz in one unit of RTP time.
    pub(crate) const fn samples_per_unit(self) -> u32 {
        SAMPLE_RATE / self.clock_rate()
    }

    /// Samples at 48 kHz that a payload stands for, if it is one of 10 to 120 ms, in steps of 10 ms. What is shorter nobody
    /// sends to us: our descriptions ask for `minptime=10`.
    pub(crate) fn samples(self, payload: &[u8]) -> Option<usize> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return None;
        }
        let samples = match self {
            Self::Opus => packet::samples(payload).ok()?,
            Self::Pcmu | Self::Pcma => payload.len() * self.samples_per_unit() as usize,
        };
        let whole_ticks = samples.is_multiple_of(TICK_SAMPLES);
        (whole_ticks && (TICK_SAMPLES..=MAX_PACKET_SAMPLES).contains(&samples)).then_some(samples)
    }
}

/// What a peer's description asks of our Opus (RFC 7587 section 6.1). What it does not say has the default of the RFC, but for the
/// bit rate, which is then ours to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusWishes {
    /// `maxaveragebitrate`, bits a second.
    pub max_average_bit_rate: Option<u32>,
    /// `maxplaybackrate`: the peer plays no more than half of so many Hz.
    pub max_playback_rate: u32,
    /// `useinbandfec`: the peer takes lost frames from the copies in later ones.
    pub in_band_fec: bool,
    /// `usedtx`: the peer wants no packets in silence.
    pub dtx: bool,
    /// `cbr`: the peer wants a constant bit rate.
    pub constant_bit_rate: bool,
}

impl Default for OpusWishes {
    fn default() -> Self {
        Self {
            max_average_bit_rate: None,
            max_playback_rate: SAMPLE_RATE,
            in_band_fec: false,
            dtx: false,
            constant_bit_rate: false,
        }
    }
}

impl OpusWishes {
    /// Reads the value of an `a=fmtp` line after its payload type: `name=value;…`. What it does not know or cannot read says
    /// nothing: others have parameters of their own there.
    pub fn parse(parameters: &str) -> Self {
        let mut wishes = Self::default();
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let Ok(value) = value.trim().parse::<u32>() else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "maxaveragebitrate" => {
                    wishes.max_average_bit_rate = Some(value.max(LOWEST_BIT_RATE));
                }
                "maxplaybackrate" => wishes.max_playback_rate = value.clamp(8_000, SAMPLE_RATE),
                "useinbandfec" => wishes.in_band_fec = value == 1,
                "usedtx" => wishes.dtx = value == 1,
                "cbr" => wishes.constant_bit_rate = value == 1,
                _ => {}
            }
        }
        wishes
    }
}

//! Samples out of packets of any codec and duration.

use securecall_opus::{Decoder, packet};

use super::queue::Waiting;
use crate::{
    audio::{TICK_SAMPLES, Tick},
    opus_codec::{CodecError, Effort},
    rtp_voice::{Codec, Interpolator, MAX_PACKET_SAMPLES, expand_a_law, expand_mu_law},
};

/// The decoders of all codecs. Opus mixes stereo down itself.
#[derive(Debug)]
pub(super) struct PacketDecoder {
    opus: Decoder,
    narrow: Interpolator,
    /// Of the last packet.
    codec: Codec,
}

impl PacketDecoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let mut decoder = Self {
            opus: Decoder::new().map_err(CodecError::setup)?,
            narrow: Interpolator::new(),
            codec: Codec::Opus,
        };
        decoder.set_effort(Effort::default())?;
        Ok(decoder)
    }

    pub(super) fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        let complexity = effort.decoder_complexity(false);
        let set = self.opus.set_complexity(complexity);
        set.map_err(CodecError::setup)
    }

    /// Fills `samples` with those of a packet: as many as it is said to have.
    pub(super) fn decode(
        &mut self,
        packet: &Waiting,
        samples: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        if std::mem::replace(&mut self.codec, packet.codec) != packet.codec {
            // What they remember is from before the other one.
            self.opus.reset().map_err(CodecError::setup)?;
            self.narrow.reset();
        }
        samples.clear();
        match packet.codec {
            Codec::Opus => {
                samples.resize(packet.samples, 0.0);
                let decoded = self.opus.decode(&packet.payload, samples);
                let whole = decoded == Ok(packet.samples);
                if !(whole && samples.iter().all(|sample| sample.is_finite())) {
                    return Err(CodecError::Malformed);
                }
            }
            Codec::Pcmu => self.expand(&packet.payload, expand_mu_law, samples),
            Codec::Pcma => self.expand(&packet.payload, expand_a_law, samples),
        }
        Ok(())
    }

    /// Fills `samples` with the `gap` before a packet, out of the copy that it carries. False if it carries none.
    pub(super) fn recover(&mut self, later: &Waiting, gap: usize, samples: &mut Vec<f32>) -> bool {
        let is_opus = later.codec == Codec::Opus && self.codec == Codec::Opus;
        if !is_opus || gap > MAX_PACKET_SAMPLES || !packet::has_fec(&later.payload) {
            return false;
        }
        samples.clear();
        samples.resize(gap, 0.0);
        let recovered = self.opus.decode_fec(&later.payload, samples);
        recovered == Ok(gap) && samples.iter().all(|sample| sample.is_finite())
    }

    /// Whether the codec of the last packet makes something up itself.
    pub(super) fn has_concealment(&self) -> bool {
        self.codec == Codec::Opus
    }

    /// 10 ms in place of what is missing.
    pub(super) fn conceal(&mut self) -> Tick {
        let mut tick = [0.0; TICK_SAMPLES];
        let concealed = self.opus.conceal(&mut tick);
        if concealed != Ok(TICK_SAMPLES) || tick.iter().any(|sample| !sample.is_finite()) {
            tick.fill(0.0);
        }
        tick
    }

    fn expand(&mut self, payload: &[u8], expand: fn(u8) -> f32, samples: &mut Vec<f32>) {
        for code in payload {
            self.narrow.push(expand(*code), samples);
        }
    }
}

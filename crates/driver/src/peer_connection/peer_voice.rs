//! The voice of a peer, whatever protects it: sealed frames, or packets that the transport alone protects.

use securecall_crypto::{Epoch, MediaSeed};
use securecall_media::{
    AgreedAudio, CodecError, Effort, FrameSize, Tick, TransportStats, VoiceWish,
};
use securecall_session::Protection;
use web_time::Instant;

use super::rtp_voice::RtpVoice;
use super::voice::{SendEpoch, Voice};
use crate::event::CallStats;

/// Why there is no voice.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VoiceError {
    /// The codec does not start.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The descriptions are not through.
    #[error("voice was to begin before both sides had agreed on it")]
    NothingAgreed,
}

/// The voice of one peer.
pub(crate) enum PeerVoice {
    /// Sealed from end to end.
    Sealed(Box<Voice>),
    /// Protected by the transport.
    Rtp(Box<RtpVoice>),
}

impl PeerVoice {
    /// Voice that is protected so. `agreed`: what the descriptions say, where the transport protects it.
    pub(crate) fn new(
        protection: Protection,
        agreed: Option<&AgreedAudio>,
    ) -> Result<Self, VoiceError> {
        Ok(match protection {
            Protection::Sealed {
                direction,
                outbound,
                inbound,
            } => Self::Sealed(Box::new(Voice::new(direction, outbound, inbound)?)),
            Protection::Transport => {
                let agreed = agreed.cloned().ok_or(VoiceError::NothingAgreed)?;
                Self::Rtp(Box::new(RtpVoice::new(agreed)?))
            }
        })
    }

    /// Seals with this epoch from now on.
    pub(crate) fn use_send_epoch(&mut self, now: Instant, begun: SendEpoch) {
        if let Self::Sealed(voice) = self {
            voice.use_send_epoch(now, begun);
        }
    }

    /// What the path to the peer would bear of the frames of all, in its next epoch. Where the peer has an encoder of its own, it
    /// has no part in them.
    pub(crate) fn next_size(&self) -> FrameSize {
        match self {
            Self::Sealed(voice) => voice.next_size(),
            Self::Rtp(_) => FrameSize::Kbps32,
        }
    }

    /// The peer may seal with this epoch from now on.
    pub(crate) fn add_receive_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        if let Self::Sealed(voice) = self {
            voice.add_receive_epoch(epoch, seed);
        }
    }

    /// What the path to the peer asks of the encoder of this device; nothing where the peer has one of its own.
    pub(crate) fn wish(&self) -> Option<VoiceWish> {
        match self {
            Self::Sealed(voice) => Some(voice.wish()),
            Self::Rtp(_) => None,
        }
    }

    /// Whether it is Opus, which costs as much as the effort says; G.711 costs next to nothing.
    pub(crate) fn codes_opus(&self) -> bool {
        match self {
            Self::Sealed(_) => true,
            Self::Rtp(voice) => voice.codes_opus(),
        }
    }

    /// Works as hard as this machine can from now on.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        match self {
            Self::Sealed(voice) => voice.set_effort(effort),
            Self::Rtp(voice) => voice.set_effort(effort),
        }
    }

    /// Gives the 10 ms of the peer to be heard from `now` on.
    pub(crate) fn playback(&mut self, now: Instant, tick: &mut Tick) {
        match self {
            Self::Sealed(voice) => voice.playback(now, tick),
            Self::Rtp(voice) => voice.playback(now, tick),
        }
    }

    /// How much earlier the peer could be heard, in microseconds; below 0, how much later it should be.
    pub(crate) fn spare(&self) -> Option<i64> {
        match self {
            Self::Sealed(voice) => voice.receive().spare(),
            Self::Rtp(voice) => voice.receive().spare(),
        }
    }

    /// Whether any sample of the peer has been played.
    pub(crate) fn has_played(&self) -> bool {
        match self {
            Self::Sealed(voice) => voice.receive().has_played(),
            Self::Rtp(voice) => voice.receive().has_played(),
        }
    }

    /// Whether the peer's newest frame says that it is muted. Where frames do not say so, its signaling does.
    pub(crate) fn peer_is_muted(&self) -> bool {
        match self {
            Self::Sealed(voice) => voice.receive().peer_is_muted(),
            Self::Rtp(_) => false,
        }
    }

    /// How loud the peer is, RMS.
    pub(crate) fn level(&self) -> f32 {
        match self {
            Self::Sealed(voice) => voice.receive().level().rms,
            Self::Rtp(voice) => voice.receive().level().rms,
        }
    }

    /// How the voice is doing.
    pub(crate) fn stats(
        &self,
        transport: &TransportStats,
        [microphone_ms, speaker_ms]: [Option<f64>; 2],
    ) -> CallStats {
        let (buffer, sent, received, refused) = match self {
            Self::Sealed(voice) => {
                let of = voice.receive().statistics();
                let sent = voice.send().frames_sent();
                (
                    of.jitter_buffer,
                    sent,
                    of.frames_received,
                    of.frames_refused,
                )
            }
            Self::Rtp(voice) => {
                let of = voice.receive().statistics();
                let sent = voice.packets_sent();
                (
                    of.jitter_buffer,
                    sent,
                    of.packets_received,
                    of.packets_refused,
                )
            }
        };
        let peer_loss = match self {
            Self::Sealed(voice) => voice.peer_report().map(|report| report.loss_percent()),
            Self::Rtp(voice) => voice.peer_report().map(|report| report.loss_percent),
        };
        CallStats {
            rtt_ms: transport.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            loss: f64::from(buffer.loss),
            jitter_ms: f64::from(buffer.jitter_ms),
            playout_delay_ms: f64::from(buffer.playout_delay_ms),
            frames_sent: sent,
            frames_received: received,
            frames_refused: refused,
            concealed_ms: buffer.concealed_ms,
            microphone_ms,
            speaker_ms,
            bit_rate: match self {
                Self::Sealed(voice) => voice.send().size().bit_rate(),
                Self::Rtp(voice) => voice.bit_rate(),
            },
            peer_loss: peer_loss.map(|percent| f64::from(percent) / 100.0),
        }
    }
}

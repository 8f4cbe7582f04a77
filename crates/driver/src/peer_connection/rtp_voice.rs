//! The voice of a peer that the transport alone protects: encoded for what its descriptions ask for, decoded as it comes.

use std::time::Duration;

use securecall_media::{
    AgreedAudio, Codec, CodecError, Effort, OutboundPacket, PeerReport, ReceivedPacket,
    RtpReceivePipeline, RtpVoiceEncoder, Tick,
};
use web_time::Instant;

/// What two descriptions may say.
#[cfg(test)]
pub(crate) fn agreed(codec: Codec) -> AgreedAudio {
    AgreedAudio {
        codec,
        wishes: securecall_media::OpusWishes::default(),
        we_send: true,
        peer_sends: true,
        peer_stream: None,
    }
}

/// Voice in both directions, in tier `matrix`.
pub(crate) struct RtpVoice {
    encoder: RtpVoiceEncoder,
    receive: RtpReceivePipeline,
    agreed: AgreedAudio,
    effort: Effort,
    packets_sent: u64,
    peer_report: Option<PeerReport>,
}

impl RtpVoice {
    /// Voice as two descriptions have agreed on it.
    ///
    /// # Errors
    ///
    /// The codec does not start.
    pub(crate) fn new(agreed: AgreedAudio) -> Result<Self, CodecError> {
        Ok(Self {
            encoder: RtpVoiceEncoder::new(agreed.codec, agreed.wishes)?,
            receive: RtpReceivePipeline::new()?,
            agreed,
            effort: Effort::default(),
            packets_sent: 0,
            peer_report: None,
        })
    }

    /// Goes on as later descriptions have it.
    pub(crate) fn follow(&mut self, agreed: &AgreedAudio) {
        if self.agreed != *agreed {
            self.encoder.configure(agreed.codec, agreed.wishes);
            self.agreed = agreed.clone();
        }
    }

    /// Whether Opus was agreed on.
    pub(crate) fn codes_opus(&self) -> bool {
        self.agreed.codec == Codec::Opus
    }

    /// Takes 10 ms of the microphone. Every second call gives a packet, but in silence where the peer wants none then.
    pub(crate) fn push(&mut self, now: Instant, samples: &Tick) -> Option<OutboundPacket<'_>> {
        match self.encoder.push(now, samples) {
            Ok(packet) => {
                self.packets_sent += u64::from(packet.is_some());
                packet
            }
            Err(error) => {
                tracing::warn!(%error, "a packet was not encoded");
                None
            }
        }
    }

    /// Takes a packet of the peer; returns whether it could be one of voice.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &ReceivedPacket) -> bool {
        self.receive.handle_packet(now, packet)
    }

    /// Takes what the peer says of our packets.
    pub(crate) fn handle_report(&mut self, report: PeerReport) {
        self.encoder.handle_report(report);
        self.peer_report = Some(report);
    }

    /// Takes how long a connectivity check and its answer took.
    pub(crate) fn handle_round_trip(&mut self, round_trip: Duration) {
        let queueing_here = self.receive.queueing_delay();
        self.encoder.handle_round_trip(round_trip, queueing_here);
    }

    /// Packets take another way from now on.
    pub(crate) fn path_changed(&mut self) {
        self.encoder.path_changed();
    }

    /// Works as hard as this machine can from now on.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        if std::mem::replace(&mut self.effort, effort) != effort {
            self.encoder.set_effort(effort);
            if let Err(error) = self.receive.set_effort(effort) {
                tracing::error!(%error, "the decoder does not follow the machine");
            }
        }
    }

    /// Sends silence in place of the microphone, or the microphone again.
    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.encoder.set_muted(muted);
    }

    /// Gives the 10 ms of the peer to be heard from `now` on.
    pub(crate) fn playback(&mut self, now: Instant, tick: &mut Tick) {
        self.receive.playback(now, tick);
    }

    /// How loud our microphone is.
    pub(crate) fn own_level(&self) -> f32 {
        self.encoder.level().rms
    }

    /// What a second of our packets holds, in bits.
    pub(crate) fn bit_rate(&self) -> u32 {
        self.encoder.bit_rate()
    }

    pub(crate) const fn packets_sent(&self) -> u64 {
        self.packets_sent
    }

    pub(crate) const fn peer_report(&self) -> Option<PeerReport> {
        self.peer_report
    }

    pub(crate) const fn receive(&self) -> &RtpReceivePipeline {
        &self.receive
    }
}

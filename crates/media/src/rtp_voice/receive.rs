//! RTP payloads to speaker: packets of any duration in, 10 ms ticks out.

use std::time::Duration;

use web_time::Instant;

use super::codec::Codec;
use crate::{
    audio::{Level, Tick},
    jitter_buffer::{Insertion, JitterStatistics, TimedJitterBuffer},
    opus_codec::{CodecError, Effort},
};

/// An audio packet of the peer, as the transport gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The extended RTP sequence number.
    pub sequence: u64,
    /// The extended RTP time, in units of the codec's clock.
    pub rtp_time: u64,
    /// What the payload is encoded with.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Figures of the receiving side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RtpReceiveStatistics {
    /// Packets that could be voice.
    pub packets_received: u64,
    /// Packets that could not.
    pub packets_refused: u64,
    /// What the jitter buffer did with them; what it calls a frame is a packet here.
    pub jitter_buffer: JitterStatistics,
}

/// Orders, decodes and times what the peer sends.
#[derive(Debug)]
pub struct RtpReceivePipeline {
    jitter_buffer: TimedJitterBuffer,
    packets_received: u64,
    packets_refused: u64,
    level: Level,
}

impl RtpReceivePipeline {
    /// A pipeline that has heard nothing.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            jitter_buffer: TimedJitterBuffer::new()?,
            packets_received: 0,
            packets_refused: 0,
            level: Level::default(),
        })
    }

    /// Takes a packet of the peer; returns whether it could be one of voice.
    pub fn handle_packet(&mut self, now: Instant, packet: &ReceivedPacket) -> bool {
        let is_voice = self.jitter_buffer.insert(now, packet) != Insertion::Refused;
        if is_voice {
            self.packets_received += 1;
        } else {
            self.packets_refused += 1;
        }
        is_voice
    }

    /// Changes how hard the decoder works.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.jitter_buffer.set_effort(effort)
    }

    /// Gives the 10 ms to be heard from `now` on. To be called every 10 ms.
    pub fn playback(&mut self, now: Instant, tick: &mut Tick) {
        self.jitter_buffer.playback(now, tick);
        self.level.measure(tick);
    }

    /// How much earlier ticks could come: see [`JitterBuffer::spare`](crate::JitterBuffer::spare).
    pub fn spare(&self) -> Option<i64> {
        self.jitter_buffer.spare()
    }

    /// By how much even the fastest packets of the last second were slower than the fastest of the last half minute: what waits in
    /// queues on the way here.
    pub fn queueing_delay(&self) -> Duration {
        self.jitter_buffer.queueing_delay()
    }

    /// Whether any sample of the peer has been played.
    pub fn has_played(&self) -> bool {
        self.jitter_buffer.has_played()
    }

    /// How loud the peer is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Figures since the start.
    pub fn statistics(&self) -> RtpReceiveStatistics {
        RtpReceiveStatistics {
            packets_received: self.packets_received,
            packets_refused: self.packets_refused,
            jitter_buffer: self.jitter_buffer.statistics(),
        }
    }
}

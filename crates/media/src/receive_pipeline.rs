//! Wire to speaker: sealed frames in, 10 ms ticks out.

use web_time::Instant;

use crate::{
    audio::{Level, Tick},
    frame_protection::{OpenError, OpenFrame},
    jitter_buffer::{JitterBuffer, JitterStatistics},
    muted_frame,
    opus_codec::CodecError,
};

/// Figures of the receiving side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReceiveStatistics {
    /// Frames whose tag was right.
    pub frames_received: u64,
    /// Frames that did not open: forged, replayed, or of an epoch that is not known.
    pub frames_refused: u64,
    /// What the jitter buffer did with them.
    pub jitter_buffer: JitterStatistics,
}

/// Opens, orders, decodes and times what the peer sends.
#[derive(Debug)]
pub struct ReceivePipeline<O> {
    opener: O,
    jitter_buffer: JitterBuffer,
    frames_received: u64,
    frames_refused: u64,
    /// The newest frame, and whether it said that the peer is muted.
    newest: Option<(u64, bool)>,
    level: Level,
}

impl<O: OpenFrame> ReceivePipeline<O> {
    /// A pipeline that opens with `opener`.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new(opener: O) -> Result<Self, CodecError> {
        Ok(Self {
            opener,
            jitter_buffer: JitterBuffer::new()?,
            frames_received: 0,
            frames_refused: 0,
            newest: None,
            level: Level::default(),
        })
    }

    /// Takes the payload of an RTP packet: its sequence number extended to 64 bits, its RTP time, the sealed frame.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it is not an authentic new frame; nothing but a counter has then changed.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        sequence: u64,
        rtp_time: u32,
        frame: &mut [u8],
    ) -> Result<(), OpenError> {
        let opened = self
            .opener
            .open(now, frame)
            .and_then(|it| Ok((it.order, frame.get(it.payload).ok_or(OpenError)?)));
        match opened {
            Ok((order, payload)) => {
                self.frames_received += 1;
                // A frame that was overtaken says what was, not what is.
                if self.newest.is_none_or(|(newest, _)| newest < order) {
                    self.newest = Some((order, muted_frame::is_muted(payload)));
                }
                self.jitter_buffer.insert(now, sequence, rtp_time, payload);
                Ok(())
            }
            Err(error) => {
                self.frames_refused += 1;
                Err(error)
            }
        }
    }

    /// Gives the 10 ms to be heard from `now` on. To be called every 10 ms.
    pub fn playback(&mut self, now: Instant, tick: &mut Tick) {
        self.jitter_buffer.playback(now, tick);
        self.level.measure(tick);
    }

    /// The opener, to give it the keys of a new epoch.
    pub fn opener_mut(&mut self) -> &mut O {
        &mut self.opener
    }

    /// Whether any sample of the peer has been played.
    pub fn has_played(&self) -> bool {
        self.jitter_buffer.has_played()
    }

    /// Whether the peer is muted, by its newest frame.
    pub fn peer_is_muted(&self) -> bool {
        self.newest.is_some_and(|(_, muted)| muted)
    }

    /// How loud the peer is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Figures since the start.
    pub fn statistics(&self) -> ReceiveStatistics {
        ReceiveStatistics {
            frames_received: self.frames_received,
            frames_refused: self.frames_refused,
            jitter_buffer: self.jitter_buffer.statistics(),
        }
    }
}

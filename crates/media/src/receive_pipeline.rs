//! Wire to speaker: sealed frames in, 10 ms ticks out.

use web_time::Instant;

use crate::{
    audio::{FRAME_SAMPLES, Level, Tick},
    frame_protection::{OpenError, OpenFrame},
    jitter_buffer::{JitterBuffer, JitterStatistics},
    muted_frame,
    opus_codec::{CodecError, Effort},
    reception::Reception,
    voice_frame::{FrameSize, VoiceFrame},
    voice_report::VoiceReport,
};

/// Epochs whose size is remembered: as many as an opener keeps keys of.
const EPOCHS: usize = 4;

/// Figures of the receiving side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReceiveStatistics {
    /// Frames whose tag was right.
    pub frames_received: u64,
    /// Frames that did not open: forged, replayed, or of an epoch that is not known. Or that no honest peer sends: of no size that
    /// there is, or of another than the frames of their epoch before them.
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
    reception: Reception,
    sizes: EpochSizes,
    newest: Option<Newest>,
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
            reception: Reception::new(),
            sizes: EpochSizes::default(),
            newest: None,
            level: Level::default(),
        })
    }

    /// Takes the payload of an RTP packet: its sequence number extended to 64 bits, its RTP time, the sealed frame.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it is not an authentic new frame, or not of the size of its epoch; nothing but a counter has then changed.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        sequence: u64,
        rtp_time: u32,
        frame: &mut [u8],
    ) -> Result<(), OpenError> {
        let taken = self.take_frame(now, sequence, rtp_time, frame);
        match taken {
            Ok(()) => self.frames_received += 1,
            Err(_) => self.frames_refused += 1,
        }
        taken
    }

    fn take_frame(
        &mut self,
        now: Instant,
        sequence: u64,
        rtp_time: u32,
        frame: &mut [u8],
    ) -> Result<(), OpenError> {
        let opened = self.opener.open(now, frame)?;
        let contents = frame.get(opened.payload).ok_or(OpenError)?;
        let voice = VoiceFrame::parse(contents).ok_or(OpenError)?;
        if !self.sizes.admits(opened.epoch, voice.size) {
            return Err(OpenError);
        }
        // A frame that was overtaken says what was, not what is.
        if self.newest.is_none_or(|newest| newest.order < opened.order) {
            self.newest = Some(Newest {
                order: opened.order,
                muted: muted_frame::is_muted(voice.opus),
                report: voice.report,
            });
        }
        self.reception.handle_frame(now, sequence);
        self.jitter_buffer
            .insert(now, sequence, rtp_time, voice.opus);
        if let Some(copy) = voice.copy {
            let older = sequence.wrapping_sub(copy.distance as u64);
            let earlier = rtp_time.wrapping_sub((copy.distance * FRAME_SAMPLES) as u32);
            self.jitter_buffer.insert_copy(older, earlier, copy.opus);
        }
        Ok(())
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

    /// How much earlier ticks could come: see [`JitterBuffer::spare`].
    pub fn spare(&self) -> Option<i64> {
        self.jitter_buffer.spare()
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
        self.newest.is_some_and(|newest| newest.muted)
    }

    /// What the peer hears of our frames, by its newest frame.
    pub fn peer_report(&self) -> Option<VoiceReport> {
        self.newest.map(|newest| newest.report)
    }

    /// What the peer is to be told of its frames.
    pub fn report(&self) -> VoiceReport {
        self.reception.report()
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

/// What the newest frame said.
#[derive(Debug, Clone, Copy)]
struct Newest {
    order: u64,
    muted: bool,
    report: VoiceReport,
}

/// The sizes of the frames of the last epochs, each by the first of its frames that came.
#[derive(Debug, Default)]
struct EpochSizes {
    sizes: [Option<(u64, FrameSize)>; EPOCHS],
    next: usize,
}

impl EpochSizes {
    /// Whether a frame of this epoch may have this size.
    fn admits(&mut self, epoch: u64, size: FrameSize) -> bool {
        let known = self.sizes.iter().flatten().find(|(it, _)| *it == epoch);
        if let Some((_, known)) = known {
            return *known == size;
        }
        self.sizes[self.next % EPOCHS] = Some((epoch, size));
        self.next = self.next.wrapping_add(1);
        true
    }
}

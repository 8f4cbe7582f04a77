//! Encoded frame to wire: each is sealed for one peer. The twin of [`ReceivePipeline`](crate::ReceivePipeline).

use crate::{
    frame_protection::{SealError, SealFrame},
    opus_codec::PAYLOAD_BYTES,
    voice_encoder::EncodedFrame,
    voice_frame::{FrameCopy, FrameSize, MAX_COPY_DISTANCE, VoiceFrame},
    voice_report::VoiceReport,
};

/// Room for a sealed frame, so that none is allocated for.
const FRAME_CAPACITY: usize = 256;

/// A sealed frame, ready for the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundFrame<'a> {
    /// When the frame begins, in samples since the first frame: the RTP timestamp without its random start.
    pub media_time: u64,
    /// The sealed bytes, of the same number in every frame of an epoch.
    pub bytes: &'a [u8],
}

/// Seals for one peer what a [`VoiceEncoder`](crate::VoiceEncoder) gives.
#[derive(Debug)]
pub struct SendPipeline<S> {
    sealer: S,
    size: FrameSize,
    copy_distance: usize,
    older: OlderFrames,
    frame: Vec<u8>,
    frames_sent: u64,
}

impl<S: SealFrame> SendPipeline<S> {
    /// A pipeline that seals with `sealer`.
    pub fn new(sealer: S) -> Self {
        Self {
            sealer,
            size: FrameSize::default(),
            copy_distance: 1,
            older: OlderFrames::default(),
            frame: Vec::with_capacity(FRAME_CAPACITY),
            frames_sent: 0,
        }
    }

    /// Seals a frame, with what is to be told of the peer's in it.
    ///
    /// # Errors
    ///
    /// [`SealError`], also for a frame that the encoder made for another size than the epoch's; nothing of this frame may then be
    /// sent.
    pub fn seal(
        &mut self,
        encoded: EncodedFrame<'_>,
        report: VoiceReport,
    ) -> Result<OutboundFrame<'_>, SealError> {
        // Whatever went wrong before: nobody on the network learns of it by a frame of another size.
        if encoded.payload.len() != self.size.opus_bytes() {
            return Err(SealError);
        }
        let copy = self.older.back(self.copy_distance);
        let frame = VoiceFrame {
            size: self.size,
            opus: encoded.payload,
            copy: copy.filter(|_| self.size.has_copy()),
            report,
        };
        self.frame.clear();
        frame.write(&mut self.frame);
        self.sealer.seal(&mut self.frame)?;
        self.older.push(encoded.payload);
        self.frames_sent += 1;
        Ok(OutboundFrame {
            media_time: encoded.media_time,
            bytes: &self.frame,
        })
    }

    /// Gives the frames to come another size. To be called when the sealer begins an epoch, and only then: within one, frames have
    /// one size.
    pub fn begin_epoch(&mut self, size: FrameSize) {
        self.size = size;
    }

    /// How many frames older the whole frames are that larger frames have beside them. Shows to nobody, so it may change at any
    /// time.
    pub fn set_copy_distance(&mut self, frames: usize) {
        self.copy_distance = frames.clamp(1, MAX_COPY_DISTANCE);
    }

    /// The size of the frames of this epoch.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The sealer, to give it the keys of a new epoch.
    pub fn sealer_mut(&mut self) -> &mut S {
        &mut self.sealer
    }

    /// Frames handed out.
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }
}

/// The last packets that were sent.
#[derive(Debug, Default)]
struct OlderFrames {
    packets: [Vec<u8>; MAX_COPY_DISTANCE],
    sent: usize,
}

impl OlderFrames {
    fn push(&mut self, packet: &[u8]) {
        let slot = &mut self.packets[self.sent % MAX_COPY_DISTANCE];
        slot.clear();
        slot.extend_from_slice(packet);
        self.sent = self.sent.wrapping_add(1);
    }

    /// The packet that was sent `distance` before the one to come, if it is as long as copies are.
    fn back(&self, distance: usize) -> Option<FrameCopy<'_>> {
        let slot = &self.packets[self.sent.wrapping_sub(distance) % MAX_COPY_DISTANCE];
        (slot.len() == PAYLOAD_BYTES).then_some(FrameCopy {
            distance,
            opus: slot,
        })
    }
}

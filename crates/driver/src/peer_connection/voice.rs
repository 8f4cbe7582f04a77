//! The sealed voice of one peer: what seals our frames, what opens and plays the peer's, and what each side makes of how they come.

use securecall_crypto::{Direction, Epoch, MediaSeed};
use securecall_media::{
    CodecError, Effort, EncodedFrame, FrameSize, NetworkAdaptation, OpenError, OutboundFrame,
    ReceivePipeline, ReceivedFrame, SealError, SendPipeline, Tick, VoiceReport, VoiceWish,
};
use securecall_session::EpochSeeds;
use web_time::Instant;

use super::frames::{Opener, Sealer, ciphers};

/// What frames are sealed with from some moment on.
pub(crate) struct SendEpoch {
    pub(crate) epoch: Epoch,
    pub(crate) seed: MediaSeed,
    /// What other peers of the conversation leave of the frames' size.
    pub(crate) ceiling: FrameSize,
}

/// The frames of both directions.
pub(crate) struct Voice {
    send: SendPipeline<Sealer>,
    receive: ReceivePipeline<Opener>,
    adaptation: NetworkAdaptation,
    effort: Effort,
}

impl Voice {
    /// Frames protected so.
    pub(crate) fn new(
        direction: Direction,
        outbound: EpochSeeds,
        inbound: EpochSeeds,
    ) -> Result<Self, CodecError> {
        let (sealer, opener) = ciphers(direction, outbound, inbound);
        Ok(Self {
            send: SendPipeline::new(sealer),
            receive: ReceivePipeline::new(opener)?,
            adaptation: NetworkAdaptation::new(),
            effort: Effort::default(),
        })
    }

    /// Seals with this epoch from now on: the only moment at which frames get another size.
    pub(crate) fn use_send_epoch(&mut self, now: Instant, begun: SendEpoch) {
        self.adaptation.set_ceiling(begun.ceiling);
        // An epoch that is not begun goes on with the size it has.
        if self.send.sealer_mut().use_epoch(begun.epoch, begun.seed) {
            self.send.begin_epoch(self.adaptation.begin_epoch(now));
        }
    }

    /// The peer may seal with this epoch from now on.
    pub(crate) fn add_receive_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        self.receive.opener_mut().add_epoch(epoch, seed);
    }

    /// What the path to this peer would bear in an epoch that began now.
    pub(crate) fn next_size(&self) -> FrameSize {
        self.adaptation.next_size()
    }

    /// What the path to this peer asks of the encoder.
    pub(crate) fn wish(&self) -> VoiceWish {
        self.adaptation.wish()
    }

    /// Seals a frame, and tells the peer in it how its frames come.
    pub(crate) fn seal(
        &mut self,
        encoded: EncodedFrame<'_>,
    ) -> Result<OutboundFrame<'_>, SealError> {
        self.send.set_copy_distance(self.adaptation.copy_distance());
        self.send.seal(encoded, self.receive.report())
    }

    /// Takes a frame of the peer.
    pub(crate) fn handle_frame(
        &mut self,
        now: Instant,
        frame: &mut ReceivedFrame,
    ) -> Result<(), OpenError> {
        // RTP time is its low 32 bits.
        let rtp_time = (frame.media_time & u64::from(u32::MAX)) as u32;
        self.receive
            .handle_frame(now, frame.sequence, rtp_time, &mut frame.payload)?;
        if let Some(report) = self.receive.peer_report() {
            self.adaptation.handle_report(now, report);
        }
        Ok(())
    }

    /// Decodes as hard as this machine can from now on.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        if std::mem::replace(&mut self.effort, effort) != effort
            && let Err(error) = self.receive.set_effort(effort)
        {
            tracing::error!(%error, "the decoder does not follow the machine");
        }
    }

    /// Gives the 10 ms of the peer to be heard from `now` on.
    pub(crate) fn playback(&mut self, now: Instant, tick: &mut Tick) {
        self.receive.opener_mut().handle_timeout(now);
        self.receive.playback(now, tick);
    }

    /// What the peer says of our frames.
    pub(crate) fn peer_report(&self) -> Option<VoiceReport> {
        self.receive.peer_report()
    }

    pub(crate) fn send(&self) -> &SendPipeline<Sealer> {
        &self.send
    }

    pub(crate) fn receive(&self) -> &ReceivePipeline<Opener> {
        &self.receive
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seed(byte: u8) -> MediaSeed {
        MediaSeed::from_bytes([byte; 32])
    }

    fn voice() -> Voice {
        let seeds = |byte| EpochSeeds {
            first: seed(byte),
            later: Vec::new(),
        };
        Voice::new(Direction::CallerToCallee, seeds(1), seeds(2)).unwrap()
    }

    #[test]
    fn frames_change_their_size_with_an_epoch_that_begins_and_never_without() {
        let (mut voice, start) = (voice(), crate::clock::now());
        let narrow = VoiceReport::new(20, 2.0, Duration::from_millis(300));
        for number in 0..500 {
            let now = start + Duration::from_millis(20) * number;
            voice.adaptation.handle_report(now, narrow);
        }
        let now = start + Duration::from_secs(10);
        let size = |voice: &Voice| (voice.send().size(), voice.wish().size);
        assert!(voice.adaptation.next_size() < FrameSize::Kbps32);
        let begun = |epoch, ceiling| SendEpoch {
            epoch,
            seed: seed(3),
            ceiling,
        };
        // Of the epoch under way there is no other beginning, whatever others leave.
        voice.use_send_epoch(now, begun(Epoch::FIRST, FrameSize::Kbps12));
        assert_eq!(size(&voice), (FrameSize::Kbps32, FrameSize::Kbps32));
        voice.use_send_epoch(now, begun(Epoch::new(1).unwrap(), FrameSize::Kbps32));
        let (sent, wished) = size(&voice);
        assert!(sent < FrameSize::Kbps32 && wished == sent, "{sent:?}");
    }
}

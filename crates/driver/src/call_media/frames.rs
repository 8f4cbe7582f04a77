//! Joins the frame ciphers that the session hands out with the pipelines that need them.

use securecall_crypto::{Epoch, FrameOpener, FrameSealer, HEADER_LEN, MediaSeed};
use securecall_media::{OpenError, OpenFrame, OpenedFrame, SealError, SealFrame};
use web_time::Instant;

/// Seals our frames.
#[derive(Debug)]
pub(super) struct Sealer(FrameSealer);

impl Sealer {
    pub(super) fn new(sealer: FrameSealer) -> Self {
        Self(sealer)
    }

    /// Seals with a later epoch from now on.
    pub(super) fn use_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        if let Err(error) = self.0.install_epoch(epoch, seed) {
            tracing::error!(%error, "the session named an epoch twice");
        }
    }
}

impl SealFrame for Sealer {
    fn seal(&mut self, frame: &mut Vec<u8>) -> Result<(), SealError> {
        self.0.seal_in_place(frame).map_err(|error| {
            tracing::warn!(%error, "a frame was not sealed");
            SealError
        })
    }
}

/// Opens the peer's frames.
#[derive(Debug)]
pub(super) struct Opener(FrameOpener);

impl Opener {
    pub(super) fn new(opener: FrameOpener) -> Self {
        Self(opener)
    }

    /// The peer may seal with a later epoch from now on.
    pub(super) fn add_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        if let Err(error) = self.0.add_epoch(epoch, seed) {
            tracing::error!(%error, "the session named an epoch twice");
        }
    }

    /// Forgets the keys of epochs whose time is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.0.poll_timeout().is_some_and(|at| at <= now) {
            self.0.handle_timeout(now);
        }
    }
}

impl OpenFrame for Opener {
    fn open(&mut self, now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
        let opened = self.0.open(now, frame).map_err(|error| {
            tracing::trace!(%error, "a frame was refused");
            OpenError
        })?;
        Ok(OpenedFrame {
            payload: HEADER_LEN..HEADER_LEN + opened.payload.len(),
            // A counter has 16 bits.
            order: u64::from(opened.epoch.number()) << 32 | opened.counter,
        })
    }
}

//! What the pipelines need of a frame cipher; this crate knows none.

use std::ops::Range;

use thiserror::Error;
use web_time::Instant;

/// Seals encoded voice before it leaves.
pub trait SealFrame {
    /// Turns the payload in `frame` into a sealed frame, in place.
    ///
    /// # Errors
    ///
    /// [`SealError`] when no further frame may be sealed; nothing may then be sent.
    fn seal(&mut self, frame: &mut Vec<u8>) -> Result<(), SealError>;
}

/// Opens what came from the network.
pub trait OpenFrame {
    /// Opens a sealed frame in place.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for whatever is not an authentic new frame of the peer.
    fn open(&mut self, now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError>;
}

/// An authentic new frame of the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFrame {
    /// Where in the frame the payload is.
    pub payload: Range<usize>,
    /// Grows with every frame that the peer seals, whatever became of them on the way: of two frames, the newer has the greater.
    pub order: u64,
    /// The epoch that it was sealed in: its frames have one size.
    pub epoch: u64,
}

/// The sealer refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("frame could not be sealed")]
pub struct SealError;

/// The opener refused. It does not say why: that is for the log of whoever implements it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("frame could not be opened")]
pub struct OpenError;

//! Opening frames.

use std::collections::VecDeque;
use std::time::Duration;

use web_time::Instant;

use super::epoch::{Epoch, MediaSeed};
use super::header::FrameHeader;
use super::receive_epoch::{NoKey, ReceiveEpoch};
use super::seal::CONFIG;
use super::{HEADER_LEN, OFFSET, OVERHEAD, TAG_LEN, aad, nonce};
use crate::aead;
use crate::direction::Direction;

/// How long the keys of an epoch are kept after the first opened frame of a later one: longer than any packet is under way.
pub const OLD_EPOCH_LIFETIME: Duration = Duration::from_secs(5);

/// How many epochs a receiver keeps at most. When a sender makes step n + 1 it already uses epoch n, so 3 are enough.
pub const MAX_RECEIVE_EPOCHS: usize = 4;

/// Why a frame was refused. Nothing has changed, neither frame nor keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than header and tag.
    #[error("a frame of {got} bytes is too short")]
    Truncated {
        /// Length of the frame.
        got: usize,
    },
    /// Not the header of one of our frames.
    #[error("the frame header is malformed")]
    MalformedHeader,
    /// An epoch whose keys we do not have: not yet, or no more.
    #[error("the keys of epoch {epoch} are not here")]
    UnknownEpoch {
        /// The epoch in the header. Not authenticated.
        epoch: Epoch,
    },
    /// The frame was opened before.
    #[error("the frame was opened before")]
    Replayed,
    /// More than [`BACKWARD_WINDOW`](super::BACKWARD_WINDOW) frames behind.
    #[error("the frame comes too late")]
    TooOld,
    /// More than [`FORWARD_WINDOW`](super::FORWARD_WINDOW) frames ahead.
    #[error("the frame is too far ahead")]
    TooFarAhead,
    /// The tag is wrong.
    #[error("decryption failed")]
    OpenFailed,
}

impl From<NoKey> for FrameError {
    fn from(no_key: NoKey) -> Self {
        match no_key {
            NoKey::Replayed => Self::Replayed,
            NoKey::TooOld => Self::TooOld,
            NoKey::TooFarAhead => Self::TooFarAhead,
        }
    }
}

/// Why an epoch was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("epoch {got} does not come after epoch {newest}")]
pub struct AddEpochError {
    /// The newest epoch there is.
    pub newest: Epoch,
    /// The epoch that was to be added, not later than the newest.
    pub got: Epoch,
}

/// A frame whose tag was right, opened in its own buffer.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The epoch that its KID names.
    pub epoch: Epoch,
    /// CTR: 256 + the frame's index in the epoch.
    pub counter: u64,
    /// The payload, where the ciphertext was: bytes [`HEADER_LEN`]‥ of the frame.
    pub payload: &'a [u8],
}

/// Opens the frames of one direction of one session.
#[derive(Debug)]
pub struct FrameOpener {
    direction: Direction,
    /// Oldest first, never empty.
    epochs: VecDeque<ReceiveEpoch>,
    newest: Epoch,
}

impl FrameOpener {
    /// An opener for frames of `direction` with the keys of epoch 0.
    #[must_use]
    pub fn new(direction: Direction, seed: MediaSeed) -> Self {
        let mut epochs = VecDeque::with_capacity(MAX_RECEIVE_EPOCHS);
        epochs.push_back(ReceiveEpoch::new(Epoch::FIRST, seed));
        Self {
            direction,
            epochs,
            newest: Epoch::FIRST,
        }
    }

    /// Adds a later epoch of the sender. If there are [`MAX_RECEIVE_EPOCHS`] already, the oldest goes.
    ///
    /// # Errors
    ///
    /// [`AddEpochError`] if `epoch` is not a later one: a window is never started twice.
    pub fn add_epoch(&mut self, epoch: Epoch, seed: MediaSeed) -> Result<(), AddEpochError> {
        if epoch <= self.newest {
            return Err(AddEpochError {
                newest: self.newest,
                got: epoch,
            });
        }
        if self.epochs.len() == MAX_RECEIVE_EPOCHS {
            self.epochs.pop_front();
        }
        self.epochs.push_back(ReceiveEpoch::new(epoch, seed));
        self.newest = epoch;
        Ok(())
    }

    /// Opens a frame in place.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; then neither the frame nor any key has changed.
    pub fn open<'a>(
        &mut self,
        now: Instant,
        frame: &'a mut [u8],
    ) -> Result<Opened<'a>, FrameError> {
        let (header, epoch, index) = parse(frame)?;
        let unknown = FrameError::UnknownEpoch { epoch };
        let keys = self
            .epochs
            .iter_mut()
            .find(|keys| keys.epoch == epoch)
            .ok_or(unknown)?;
        // Its time may be over before the timer has come.
        if keys.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(unknown);
        }
        let candidate = keys.candidate(index)?;

        let (head, rest) = frame
            .split_first_chunk_mut::<HEADER_LEN>()
            .ok_or(FrameError::MalformedHeader)?;
        let (payload, tag) = rest
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(FrameError::MalformedHeader)?;
        aead::open(
            candidate.key().as_bytes(),
            &nonce(header),
            &aad(self.direction, head),
            payload,
            tag,
        )
        .map_err(|_| FrameError::OpenFailed)?;

        // Only what has opened moves the window and ends older epochs: a forged frame could do both.
        keys.commit(index, candidate);
        self.retire_before(epoch, now);
        Ok(Opened {
            epoch,
            counter: header.counter,
            payload,
        })
    }

    /// Forgets epochs whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.epochs
            .retain(|keys| keys.deadline.is_none_or(|deadline| now < deadline));
    }

    /// When [`handle_timeout`](Self::handle_timeout) next has something to forget.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.epochs.iter().filter_map(|keys| keys.deadline).min()
    }

    /// The epochs whose keys are here, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> {
        self.epochs.iter().map(|keys| keys.epoch)
    }

    /// The direction of the frames.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// A frame of `epoch` was opened: the sender is done with earlier ones.
    fn retire_before(&mut self, epoch: Epoch, now: Instant) {
        for keys in &mut self.epochs {
            if keys.epoch < epoch && keys.deadline.is_none() {
                keys.deadline = Some(now + OLD_EPOCH_LIFETIME);
            }
        }
    }
}

/// Header, epoch and index of a frame that is shaped like ours.
fn parse(frame: &[u8]) -> Result<(FrameHeader, Epoch, u32), FrameError> {
    let got = frame.len();
    if got < OVERHEAD {
        return Err(FrameError::Truncated { got });
    }
    if frame[0] != CONFIG {
        return Err(FrameError::MalformedHeader);
    }
    let (header, _) = FrameHeader::decode(frame).map_err(|_| FrameError::MalformedHeader)?;
    let epoch = Epoch::from_key_id(header.key_id).ok_or(FrameError::MalformedHeader)?;
    let index = header
        .counter
        .checked_sub(OFFSET.into())
        .ok_or(FrameError::MalformedHeader)?;
    let index = u32::try_from(index).map_err(|_| FrameError::MalformedHeader)?;
    Ok((header, epoch, index))
}

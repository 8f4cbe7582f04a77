//! Sealing frames.

use std::fmt;

use super::epoch::{Epoch, FrameChain, MediaSeed};
use super::header::FrameHeader;
use super::{HEADER_LEN, OFFSET, OVERHEAD, TAG_LEN, aad, nonce};
use crate::aead;
use crate::direction::Direction;

/// The config byte of our headers: KID and CTR of two bytes each.
pub(super) const CONFIG: u8 = 0x99;

/// Why a frame was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The buffer has no room for header and tag.
    #[error("a frame buffer of {got} bytes has no room for header and tag")]
    BufferTooShort {
        /// Length of the buffer.
        got: usize,
    },
    /// This epoch has sealed as many frames as its headers can count (65,280: more than 20 minutes).
    #[error("epoch {epoch} has no frames left")]
    EpochExhausted {
        /// The epoch in use; a new one has to be installed first.
        epoch: Epoch,
    },
}

/// Why an epoch was not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("epoch {got} does not come after epoch {current}")]
pub struct InstallEpochError {
    /// The epoch in use.
    pub current: Epoch,
    /// The epoch that was to be installed, not later than the current one.
    pub got: Epoch,
}

/// Seals the frames of one direction of one session.
pub struct FrameSealer {
    direction: Direction,
    epoch: Epoch,
    /// In its place, wherever the sealer goes.
    chain: Box<FrameChain>,
    index: u32,
}

impl FrameSealer {
    /// A sealer in epoch 0.
    #[must_use]
    pub fn new(direction: Direction, seed: MediaSeed) -> Self {
        Self {
            direction,
            epoch: Epoch::FIRST,
            chain: seed.into_chain(),
            index: 0,
        }
    }

    /// Moves on to a later epoch; the keys of the one before are gone.
    ///
    /// # Errors
    ///
    /// [`InstallEpochError`] if `epoch` is not a later one: a chain is never started twice.
    pub fn install_epoch(
        &mut self,
        epoch: Epoch,
        seed: MediaSeed,
    ) -> Result<(), InstallEpochError> {
        if epoch <= self.epoch {
            return Err(InstallEpochError {
                current: self.epoch,
                got: epoch,
            });
        }
        self.epoch = epoch;
        self.chain = seed.into_chain();
        self.index = 0;
        Ok(())
    }

    /// Seals a frame laid out as [`HEADER_LEN`] free bytes ‖ payload ‖ [`TAG_LEN`] free bytes, in place.
    ///
    /// # Errors
    ///
    /// [`SealError`]; then neither the buffer nor the sealer has changed.
    pub fn seal(&mut self, frame: &mut [u8]) -> Result<(), SealError> {
        let got = frame.len();
        if got < OVERHEAD {
            return Err(SealError::BufferTooShort { got });
        }
        // Before the buffer is touched: with a new epoch the same frame can be sealed after all.
        let counter = u16::try_from(self.index)
            .ok()
            .and_then(|index| index.checked_add(OFFSET))
            .ok_or(SealError::EpochExhausted { epoch: self.epoch })?;
        let key_id = self.epoch.key_id();
        let header = header_bytes(key_id, counter);
        let (key, next) = self.chain.advance();

        let (head, rest) = frame.split_at_mut(HEADER_LEN);
        let (payload, tail) = rest.split_at_mut(rest.len() - TAG_LEN);
        let fields = FrameHeader {
            key_id: key_id.into(),
            counter: counter.into(),
        };
        let tag = aead::seal(
            key.as_bytes(),
            &nonce(fields),
            &aad(self.direction, &header),
            payload,
        );
        head.copy_from_slice(&header);
        tail.copy_from_slice(&tag);
        *self.chain = next;
        self.index += 1;
        Ok(())
    }

    /// Seals a payload in a vector, which grows by [`OVERHEAD`]. Allocates only if the vector has no room for that.
    ///
    /// # Errors
    ///
    /// [`SealError::EpochExhausted`]; then the payload is as it was.
    pub fn seal_in_place(&mut self, payload: &mut Vec<u8>) -> Result<(), SealError> {
        let len = payload.len();
        payload.resize(len + OVERHEAD, 0);
        payload.copy_within(..len, HEADER_LEN);
        let result = self.seal(payload);
        if result.is_err() {
            payload.copy_within(HEADER_LEN..HEADER_LEN + len, 0);
            payload.truncate(len);
        }
        result
    }

    /// The epoch in use.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The direction of the frames.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }
}

impl fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            direction,
            epoch,
            chain: _,
            index,
        } = self;
        f.debug_struct("FrameSealer")
            .field("direction", direction)
            .field("epoch", epoch)
            .field("index", index)
            .finish_non_exhaustive()
    }
}

fn header_bytes(key_id: u16, counter: u16) -> [u8; HEADER_LEN] {
    let [k0, k1] = key_id.to_be_bytes();
    let [c0, c1] = counter.to_be_bytes();
    [CONFIG, k0, k1, c0, c1]
}

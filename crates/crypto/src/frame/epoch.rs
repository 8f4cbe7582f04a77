//! Media epochs and the seeds of their chains.

use std::fmt;

use super::OFFSET;
use crate::kdf::{chain_skip, chain_step};
use crate::secret::secret;

/// The number of a media epoch of one direction: 0 from the handshake, `n` from the sender's `n`-th DH step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u16);

impl Epoch {
    /// Epoch 0, from the handshake.
    pub const FIRST: Self = Self(0);

    /// The last epoch a header can name: after seven and a half days of steps every 10 s.
    pub const LAST: Self = Self(u16::MAX - OFFSET);

    /// Epoch `number`, if it is not beyond [`LAST`](Self::LAST).
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::LAST.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// How many DH steps of the sender led to it, from 0.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The epoch of a sender's DH step.
    pub(crate) fn from_step(step: u32) -> Option<Self> {
        u16::try_from(step).ok().and_then(Self::new)
    }

    /// The KID of this epoch's frames.
    pub(super) const fn key_id(self) -> u16 {
        self.0 + OFFSET
    }

    pub(super) fn from_key_id(key_id: u64) -> Option<Self> {
        let key_id = u16::try_from(key_id).ok()?;
        key_id.checked_sub(OFFSET).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

secret! {
    /// The secret an epoch's frame keys come from: the first chain key of the epoch.
    pub struct MediaSeed;
}

impl MediaSeed {
    /// A seed from elsewhere: test vectors, benches and tests of the media path. A call's seeds come out of its handshake and ratchet.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// A seed that was derived in place.
    pub(crate) fn copied_from(bytes: &[u8; 32]) -> Self {
        Self::copied(bytes)
    }

    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The chain at frame 0.
    pub(super) fn into_chain(self) -> Box<FrameChain> {
        Box::new(FrameChain(*self.0))
    }
}

secret! {
    /// The chain of an epoch at one frame.
    pub(super) inline struct FrameChain;
}

impl FrameChain {
    /// Frame key = HMAC(chain, 0x01), next chain = HMAC(chain, 0x02).
    pub(super) fn advance(&self) -> (FrameKey, Self) {
        let (key, next) = chain_step(&self.0);
        (FrameKey(*key), Self(*next))
    }

    /// The next chain alone.
    pub(super) fn skip(&self) -> Self {
        Self(*chain_skip(&self.0))
    }

    /// A second copy, to work on until a frame is authenticated.
    pub(super) const fn duplicate(&self) -> Self {
        Self(self.0)
    }
}

secret! {
    /// The key of one frame.
    pub(super) inline struct FrameKey;
}

impl FrameKey {
    /// A second copy, to try a frame with.
    pub(super) const fn duplicate(&self) -> Self {
        Self(self.0)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

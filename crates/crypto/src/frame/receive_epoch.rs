//! One epoch at the receiver: the chain ahead, and the keys of frames that may still come late.

use std::fmt;

use web_time::Instant;

use super::epoch::{Epoch, FrameChain, FrameKey, MediaSeed};

/// How far ahead of the next expected frame a frame may be: 150 s, longer than an epoch can live, so that no loss makes a
/// receiver deaf.
pub const FORWARD_WINDOW: u32 = 7_500;

/// How far behind the next expected frame a frame may be: 2.56 s, far more than the jitter buffer waits for.
pub const BACKWARD_WINDOW: u32 = 128;

const SLOTS: usize = BACKWARD_WINDOW as usize;

/// Why a frame has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// Used already.
    Replayed,
    /// Behind the backward window.
    TooOld,
    /// Ahead of the forward window.
    TooFarAhead,
}

/// A key to try, and what to do when it fits.
pub(super) enum Candidate {
    /// The key of a frame that was passed over.
    Late { key: FrameKey },
    /// The key of a frame ahead; `window` is the chain where the backward window of that frame begins.
    Ahead {
        key: FrameKey,
        next: FrameChain,
        window: Option<FrameChain>,
    },
}

impl Candidate {
    pub(super) const fn key(&self) -> &FrameKey {
        let (Self::Late { key } | Self::Ahead { key, .. }) = self;
        key
    }
}

/// Keys of one epoch of the peer's frames.
pub(super) struct ReceiveEpoch {
    pub(super) epoch: Epoch,
    /// When this epoch's keys go, once a later epoch's first frame has been opened.
    pub(super) deadline: Option<Instant>,
    /// The chain at frame `next`.
    chain: FrameChain,
    /// Index of the next expected frame.
    next: u32,
    /// Replay window: the key of frame `i` is at `i % 128` as long as `i` may still come.
    replay_window: Box<[Option<FrameKey>; SLOTS]>,
}

impl ReceiveEpoch {
    pub(super) fn new(epoch: Epoch, seed: MediaSeed) -> Self {
        Self {
            epoch,
            deadline: None,
            chain: seed.into_chain(),
            next: 0,
            replay_window: Box::new([const { None }; SLOTS]),
        }
    }

    /// Works out the key of frame `index` without changing anything.
    pub(super) fn candidate(&self, index: u32) -> Result<Candidate, NoKey> {
        if index < self.next {
            return self.late(index);
        }
        if index - self.next > FORWARD_WINDOW {
            return Err(NoKey::TooFarAhead);
        }
        if index == self.next {
            let (key, next) = self.chain.advance();
            return Ok(Candidate::Ahead {
                key,
                next,
                window: None,
            });
        }
        let window_start = self.window_start(index);
        let mut chain = self.chain.duplicate();
        for _ in self.next..window_start {
            chain = chain.skip();
        }
        let window = chain.duplicate();
        for _ in window_start..index {
            chain = chain.skip();
        }
        let (key, next) = chain.advance();
        Ok(Candidate::Ahead {
            key,
            next,
            window: Some(window),
        })
    }

    /// Takes the key of frame `index` out of use, after its tag was right.
    pub(super) fn commit(&mut self, index: u32, candidate: Candidate) {
        match candidate {
            Candidate::Late { key: _ } => *self.slot(index) = None,
            Candidate::Ahead {
                key: _,
                next,
                window,
            } => {
                if let Some(chain) = window {
                    self.keep_passed_over(chain, index);
                }
                *self.slot(index) = None;
                self.chain = next;
                self.next = index + 1;
            }
        }
    }

    fn late(&self, index: u32) -> Result<Candidate, NoKey> {
        if self.next - index > BACKWARD_WINDOW {
            return Err(NoKey::TooOld);
        }
        let slot = &self.replay_window[index as usize % SLOTS];
        let key = slot.as_ref().ok_or(NoKey::Replayed)?.duplicate();
        Ok(Candidate::Late { key })
    }

    /// Puts the keys of the frames from the window's start up to `index` where they can be found when they come late.
    fn keep_passed_over(&mut self, mut chain: FrameChain, index: u32) {
        for passed_over in self.window_start(index)..index {
            let (key, next) = chain.advance();
            *self.slot(passed_over) = Some(key);
            chain = next;
        }
    }

    /// The first frame not before `next` that is still in the window once `index` has been opened.
    fn window_start(&self, index: u32) -> u32 {
        self.next.max((index + 1).saturating_sub(BACKWARD_WINDOW))
    }

    fn slot(&mut self, index: u32) -> &mut Option<FrameKey> {
        &mut self.replay_window[index as usize % SLOTS]
    }
}

impl fmt::Debug for ReceiveEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            deadline,
            chain: _,
            next,
            replay_window: _,
        } = self;
        f.debug_struct("ReceiveEpoch")
            .field("epoch", epoch)
            .field("deadline", deadline)
            .field("next", next)
            .finish_non_exhaustive()
    }
}

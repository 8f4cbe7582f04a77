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

/// The chain ahead is remembered every so many frames once a frame far ahead was tried, right or forged: a stream of forged frames
/// then costs at most this many HMACs and a window each, not the whole way ahead.
const CHECKPOINT_STRIDE: u32 = 128;

const CHECKPOINTS: usize = (FORWARD_WINDOW / CHECKPOINT_STRIDE) as usize + 2;

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
    /// The chain at frame `next`; in its place, wherever the epoch goes.
    chain: Box<FrameChain>,
    /// Index of the next expected frame.
    next: u32,
    /// Replay window: the key of frame `i` is at `i % 128` as long as `i` may still come.
    replay_window: Box<[Option<FrameKey>; SLOTS]>,
    /// Chains ahead of `next` by their index; only what `chain` gives anyway, and wiped when `next` passes them.
    checkpoints: Box<[Option<(u32, FrameChain)>; CHECKPOINTS]>,
    /// Whether there is any checkpoint.
    checkpointed: bool,
}

impl ReceiveEpoch {
    pub(super) fn new(epoch: Epoch, seed: MediaSeed) -> Self {
        Self {
            epoch,
            deadline: None,
            chain: seed.into_chain(),
            next: 0,
            replay_window: Box::new([const { None }; SLOTS]),
            checkpoints: Box::new([const { None }; CHECKPOINTS]),
            checkpointed: false,
        }
    }

    /// Works out the key of frame `index`. Changes nothing but the checkpoints.
    pub(super) fn candidate(&mut self, index: u32) -> Result<Candidate, NoKey> {
        if index < self.next {
            return self.late(index);
        }
        if index - self.next > FORWARD_WINDOW {
            return Err(NoKey::TooFarAhead);
        }
        // Nothing is passed over, so no window has to be worked out: most frames go this way.
        if index == self.next {
            let (key, next) = self.chain.advance();
            return Ok(Candidate::Ahead {
                key,
                next,
                window: None,
            });
        }
        let window_start = self.window_start(index);
        // From here on frames that were passed over may still come; before it none will be opened.
        let window = self.chain_ahead(window_start);
        let mut chain = window.duplicate();
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
                *self.chain = next;
                self.next = index + 1;
                self.wipe_passed_checkpoints();
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

    /// The chain at `index`, which is not before `next`; leaves checkpoints on the way.
    fn chain_ahead(&mut self, index: u32) -> FrameChain {
        let (mut at, mut chain) = self.nearest_checkpoint(index);
        while at < index {
            chain = chain.skip();
            at += 1;
            if at.is_multiple_of(CHECKPOINT_STRIDE) {
                self.checkpoints[checkpoint_slot(at)] = Some((at, chain.duplicate()));
                self.checkpointed = true;
            }
        }
        chain
    }

    /// The last chain at or before `index` that is known.
    fn nearest_checkpoint(&self, index: u32) -> (u32, FrameChain) {
        let known = self
            .checkpoints
            .iter()
            .flatten()
            .filter(|(at, _)| (self.next..=index).contains(at));
        let (at, chain) = known
            .max_by_key(|(at, _)| *at)
            .map_or((self.next, &*self.chain), |(at, chain)| (*at, chain));
        (at, chain.duplicate())
    }

    fn wipe_passed_checkpoints(&mut self) {
        if !self.checkpointed {
            return;
        }
        for slot in self.checkpoints.iter_mut() {
            if slot.as_ref().is_some_and(|(at, _)| *at <= self.next) {
                *slot = None;
            }
        }
        self.checkpointed = self.checkpoints.iter().any(Option::is_some);
    }

    /// The first frame not before `next` that is still in the window once `index` has been opened.
    fn window_start(&self, index: u32) -> u32 {
        self.next.max((index + 1).saturating_sub(BACKWARD_WINDOW))
    }

    fn slot(&mut self, index: u32) -> &mut Option<FrameKey> {
        &mut self.replay_window[index as usize % SLOTS]
    }
}

const fn checkpoint_slot(at: u32) -> usize {
    (at / CHECKPOINT_STRIDE) as usize % CHECKPOINTS
}

impl fmt::Debug for ReceiveEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            deadline,
            chain: _,
            next,
            replay_window: _,
            checkpoints: _,
            checkpointed: _,
        } = self;
        f.debug_struct("ReceiveEpoch")
            .field("epoch", epoch)
            .field("deadline", deadline)
            .field("next", next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> ReceiveEpoch {
        ReceiveEpoch::new(Epoch::FIRST, MediaSeed::from_bytes([7; 32]))
    }

    /// The key of frame `index`, worked out frame by frame.
    fn key(index: u32) -> [u8; 32] {
        let mut chain = MediaSeed::from_bytes([7; 32]).into_chain();
        for _ in 0..index {
            *chain = chain.skip();
        }
        *chain.advance().0.as_bytes()
    }

    #[test]
    fn keys_ahead_are_the_same_with_and_without_checkpoints() {
        let mut epoch = epoch();
        for index in [
            7_500, 0, 1, 127, 128, 129, 255, 256, 257, 4_000, 7_499, 7_500, 300,
        ] {
            assert_eq!(
                epoch.candidate(index).ok().unwrap().key().as_bytes(),
                &key(index),
                "frame {index}"
            );
        }
        for index in [200, 7_700, 7_699, 9_000] {
            let candidate = epoch.candidate(index).ok().unwrap();
            assert_eq!(candidate.key().as_bytes(), &key(index), "frame {index}");
            epoch.commit(index, candidate);
        }
    }

    #[test]
    fn a_frame_far_ahead_leaves_a_checkpoint_at_every_stride() {
        let mut epoch = epoch();
        assert!(epoch.candidate(FORWARD_WINDOW).is_ok());
        let mut places: Vec<u32> = epoch
            .checkpoints
            .iter()
            .flatten()
            .map(|(at, _)| *at)
            .collect();
        places.sort_unstable();
        let last = FORWARD_WINDOW - BACKWARD_WINDOW;
        let strides = (CHECKPOINT_STRIDE..=last).step_by(CHECKPOINT_STRIDE as usize);
        assert!(strides.eq(places));
    }

    #[test]
    fn no_chain_of_a_frame_passed_is_kept() {
        let mut epoch = epoch();
        assert!(epoch.candidate(7_500).is_ok());
        assert!(epoch.checkpointed);
        for index in [100, 128, 1_000, 7_400, 7_500] {
            let candidate = epoch.candidate(index).ok().unwrap();
            epoch.commit(index, candidate);
            assert!(
                epoch
                    .checkpoints
                    .iter()
                    .flatten()
                    .all(|(at, _)| *at > index)
            );
        }
        assert!(!epoch.checkpointed);
    }
}

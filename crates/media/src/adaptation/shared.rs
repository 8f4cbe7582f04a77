//! How large the frames of a conversation with several peers are.
//!
//! What one encoder makes goes to all peers, so a frame holds at most what the narrowest path bears. Each path still has epochs of
//! its own, at times of its own: until the next one a frame that has become shorter is padded there, inside its seal. So a path
//! goes down with the others at its next epoch, and up when all of them may.
//!
//! The more peers, the less for each: what leaves this machine is as many times as much. Around a frame there are 54 bytes
//! more on the wire, so smaller frames save less than they seem to: seven peers have 434 kbit/s at 32, 378 at 24, and 322 at 16,
//! for which a clear network gives PESQ 4.37, 4.21 and 3.62 (docs/performance.md). So from four peers on it is 24; less only for
//! whom the line is too narrow, which shows by itself.

use crate::voice_frame::FrameSize;

/// Up to so many peers frames may have any size.
const FEW: usize = 3;
/// With more they have this.
const WITH_MANY: FrameSize = FrameSize::Kbps24;

/// The size that all frames of a conversation may have in epochs to come: path by path.
#[derive(Debug, Clone, Copy)]
pub struct SharedSize {
    peers: usize,
    narrowest: FrameSize,
}

impl Default for SharedSize {
    fn default() -> Self {
        Self {
            peers: 0,
            narrowest: FrameSize::Kbps32,
        }
    }
}

impl SharedSize {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a peer whose path would bear so much in its next epoch
    /// ([`NetworkAdaptation::next_size`](crate::NetworkAdaptation::next_size)).
    pub fn add(&mut self, next: FrameSize) {
        self.peers += 1;
        self.narrowest = self.narrowest.min(next);
    }

    /// What all of them may have.
    pub fn size(&self) -> FrameSize {
        if self.peers > FEW {
            self.narrowest.min(WITH_MANY)
        } else {
            self.narrowest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_smaller_the_more_peers_there_are() {
        let sizes: Vec<_> = (0..=7)
            .map(|peers| {
                let mut shared = SharedSize::new();
                (0..peers).for_each(|_| shared.add(FrameSize::Kbps32Twice));
                shared.size().bit_rate() / 1_000
            })
            .collect();
        assert_eq!(sizes, [32, 32, 32, 32, 24, 24, 24, 24]);
    }

    #[test]
    fn no_frame_is_larger_than_the_narrowest_path_bears() {
        let mut shared = SharedSize::new();
        shared.add(FrameSize::Kbps32);
        shared.add(FrameSize::Kbps12);
        assert_eq!(shared.size(), FrameSize::Kbps12);
    }
}

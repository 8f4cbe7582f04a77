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

/// The size that all frames of a conversation may have in epochs to come, where the paths to its peers would bear so much in the
/// next one ([`NetworkAdaptation::next_size`](crate::NetworkAdaptation::next_size)).
pub fn shared_size(next_sizes: impl IntoIterator<Item = FrameSize>) -> FrameSize {
    let (mut peers, mut narrowest) = (0, FrameSize::Kbps32);
    for next in next_sizes {
        peers += 1;
        narrowest = narrowest.min(next);
    }
    if peers > FEW {
        narrowest.min(WITH_MANY)
    } else {
        narrowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_smaller_the_more_peers_there_are() {
        let sizes: Vec<_> = (0..=7)
            .map(|peers| shared_size(vec![FrameSize::Kbps32Twice; peers]).bit_rate() / 1_000)
            .collect();
        assert_eq!(sizes, [32, 32, 32, 32, 24, 24, 24, 24]);
    }

    #[test]
    fn no_frame_is_larger_than_the_narrowest_path_bears() {
        for few_or_many in [1, 5] {
            let mut next_sizes = vec![FrameSize::Kbps32; few_or_many];
            next_sizes.push(FrameSize::Kbps12);
            assert_eq!(shared_size(next_sizes), FrameSize::Kbps12);
        }
    }
}

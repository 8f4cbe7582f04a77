//! Which media epochs may be used (`docs/protocol/frame.md`): a sender moves on only when the peer is known to have the key.

use securecall_crypto::{Direction, Epoch, MAX_RECEIVE_EPOCHS, MediaSeed};
use securecall_signaling::Role;

use crate::output::{EpochSeeds, MediaCommand, Protection};

/// The most own epochs that wait for proof: a caller steps only when its last step was answered, a callee only after the caller.
const MAX_WAITING: usize = 4;

/// The media keys of one ratchet session.
pub(crate) struct Epochs {
    /// Until the media engine has them.
    held: Option<Held>,
    /// Own epochs that the peer is not known to have, oldest first.
    waiting: Vec<(Epoch, MediaSeed)>,
}

struct Held {
    direction: Direction,
    outbound: EpochSeeds,
    inbound: EpochSeeds,
}

impl Epochs {
    pub(crate) fn new(role: Role, outbound: MediaSeed, inbound: MediaSeed) -> Self {
        let direction = match role {
            Role::Caller => Direction::CallerToCallee,
            Role::Callee => Direction::CalleeToCaller,
        };
        let seeds = |first| EpochSeeds {
            first,
            later: Vec::new(),
        };
        let held = Held {
            direction,
            outbound: seeds(outbound),
            inbound: seeds(inbound),
        };
        Self {
            held: Some(held),
            waiting: Vec::new(),
        }
    }

    /// Gives the keys to the media engine; from then on epochs come as commands.
    pub(crate) fn hand_out(&mut self) -> Option<MediaCommand> {
        let held = self.held.take()?;
        Some(MediaCommand::StartAudio {
            protection: Protection::Sealed {
                direction: held.direction,
                outbound: held.outbound,
                inbound: held.inbound,
            },
        })
    }

    /// A message of ours made a step.
    pub(crate) fn stepped(&mut self, epoch: Epoch, seed: MediaSeed) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push((epoch, seed));
    }

    /// The peer made a step: it may seal with this epoch from now on.
    pub(crate) fn peer_stepped(&mut self, epoch: Epoch, seed: MediaSeed) -> Option<MediaCommand> {
        match &mut self.held {
            // The ratchet hands out each step once and in order, so there is nothing to refuse.
            Some(Held { inbound, .. }) => {
                // An opener has room for no more.
                if inbound.later.len() == MAX_RECEIVE_EPOCHS {
                    inbound.later.remove(0);
                }
                inbound.later.push((epoch, seed));
                None
            }
            None => Some(MediaCommand::AddReceiveEpoch { epoch, seed }),
        }
    }

    /// The peer is known to have our steps up to `step`. Returns whether that is news, and what the media engine must do.
    pub(crate) fn proved(&mut self, step: u32) -> (bool, Option<MediaCommand>) {
        let proved = self
            .waiting
            .iter()
            .take_while(|(epoch, _)| u32::from(epoch.number()) <= step)
            .count();
        let Some((epoch, seed)) = self.waiting.drain(..proved).next_back() else {
            return (false, None);
        };
        match &mut self.held {
            Some(Held { outbound, .. }) => {
                outbound.later = vec![(epoch, seed)];
                (true, None)
            }
            None => (true, Some(MediaCommand::UseSendEpoch { epoch, seed })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(number: u16) -> MediaSeed {
        MediaSeed::from_bytes([number as u8; 32])
    }

    #[test]
    fn epochs_that_come_before_the_media_engine_are_handed_out_with_the_first() {
        let mut epochs = Epochs::new(Role::Callee, seed(0), seed(0));
        let number = |number| Epoch::new(number).unwrap();
        for step in 1..=9 {
            assert!(epochs.peer_stepped(number(step), seed(step)).is_none());
            epochs.stepped(number(step), seed(step));
            let (news, command) = epochs.proved(step.into());
            assert!(news && command.is_none());
        }
        let Some(MediaCommand::StartAudio { protection }) = epochs.hand_out() else {
            panic!("nothing was handed out");
        };
        // One epoch to seal with, and as many to open with as an opener has room for.
        assert_eq!(
            format!("{protection:?}"),
            "Sealed { direction: CalleeToCaller, outbound: EpochSeeds[Epoch(0), Epoch(9)], \
             inbound: EpochSeeds[Epoch(0), Epoch(6), Epoch(7), Epoch(8), Epoch(9)] }"
        );
        assert!(epochs.hand_out().is_none());
        let step = epochs.peer_stepped(number(10), seed(10));
        assert!(matches!(step, Some(MediaCommand::AddReceiveEpoch { .. })));
    }
}

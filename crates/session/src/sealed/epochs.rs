//! Which media epochs may be used (`docs/protocol/frame.md`): a sender moves on only when the peer is known to have the key.

use securecall_crypto::{Direction, Epoch, FrameOpener, FrameSealer, MediaSeed};
use securecall_signaling::Role;

use crate::output::MediaCommand;

/// The most own epochs that wait for proof: a caller steps only when its last step was answered, a callee only after the caller.
const MAX_WAITING: usize = 4;

/// The media keys of one ratchet session.
pub(crate) struct Epochs {
    /// Until the media engine has them.
    held: Option<(FrameSealer, FrameOpener)>,
    /// Own epochs that the peer is not known to have, oldest first.
    waiting: Vec<(Epoch, MediaSeed)>,
}

impl Epochs {
    pub(crate) fn new(role: Role, outbound: MediaSeed, inbound: MediaSeed) -> Self {
        let direction = match role {
            Role::Caller => Direction::CallerToCallee,
            Role::Callee => Direction::CalleeToCaller,
        };
        let held = (
            FrameSealer::new(direction, outbound),
            FrameOpener::new(direction.reverse(), inbound),
        );
        Self {
            held: Some(held),
            waiting: Vec::new(),
        }
    }

    /// Gives sealer and opener to the media engine; from then on epochs come as commands.
    pub(crate) fn hand_out(&mut self) -> Option<MediaCommand> {
        self.held
            .take()
            .map(|(sealer, opener)| MediaCommand::StartAudio { sealer, opener })
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
            Some((_, opener)) => opener.add_epoch(epoch, seed).ok().and(None),
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
            Some((sealer, _)) => (true, sealer.install_epoch(epoch, seed).ok().and(None)),
            None => (true, Some(MediaCommand::UseSendEpoch { epoch, seed })),
        }
    }
}

//! Builds the frame ciphers from the keys that the session hands out, and joins them with the pipelines that need them.

use securecall_crypto::{Direction, Epoch, FrameOpener, FrameSealer, HEADER_LEN, MediaSeed};
use securecall_media::{OpenError, OpenFrame, OpenedFrame, SealError, SealFrame};
use securecall_session::EpochSeeds;
use web_time::Instant;

/// What seals our frames, and what opens the peer's. `direction` is that of our frames.
pub(crate) fn ciphers(
    direction: Direction,
    outbound: EpochSeeds,
    inbound: EpochSeeds,
) -> (Sealer, Opener) {
    let mut sealer = Sealer(FrameSealer::new(direction, outbound.first));
    for (epoch, seed) in outbound.later {
        sealer.use_epoch(epoch, seed);
    }
    let mut opener = Opener(FrameOpener::new(direction.reverse(), inbound.first));
    for (epoch, seed) in inbound.later {
        opener.add_epoch(epoch, seed);
    }
    (sealer, opener)
}

/// Seals our frames.
#[derive(Debug)]
pub(crate) struct Sealer(FrameSealer);

impl Sealer {
    /// Seals with a later epoch from now on; returns whether it does.
    pub(crate) fn use_epoch(&mut self, epoch: Epoch, seed: MediaSeed) -> bool {
        let installed = self.0.install_epoch(epoch, seed);
        if let Err(error) = &installed {
            tracing::error!(%error, "the session named an epoch twice");
        }
        installed.is_ok()
    }
}

impl SealFrame for Sealer {
    fn seal(&mut self, frame: &mut Vec<u8>) -> Result<(), SealError> {
        self.0.seal_in_place(frame).map_err(|error| {
            tracing::warn!(%error, "a frame was not sealed");
            SealError
        })
    }
}

/// Opens the peer's frames.
#[derive(Debug)]
pub(crate) struct Opener(FrameOpener);

impl Opener {
    /// The peer may seal with a later epoch from now on.
    pub(crate) fn add_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        if let Err(error) = self.0.add_epoch(epoch, seed) {
            tracing::error!(%error, "the session named an epoch twice");
        }
    }

    /// Forgets the keys of epochs whose time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.0.poll_timeout().is_some_and(|at| at <= now) {
            self.0.handle_timeout(now);
        }
    }
}

impl OpenFrame for Opener {
    fn open(&mut self, now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
        let opened = self.0.open(now, frame).map_err(|error| {
            tracing::trace!(%error, "a frame was refused");
            OpenError
        })?;
        Ok(OpenedFrame {
            payload: HEADER_LEN..HEADER_LEN + opened.payload.len(),
            // A counter has 16 bits.
            order: u64::from(opened.epoch.number()) << 32 | opened.counter,
            epoch: opened.epoch.number().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use securecall_crypto::Direction;
    use securecall_media::FrameSize;
    use securecall_session::EpochSeeds;

    use super::*;

    fn seeds(first: u8, later: &[(u16, u8)]) -> EpochSeeds {
        let seed = |byte| MediaSeed::from_bytes([byte; 32]);
        EpochSeeds {
            first: seed(first),
            later: later
                .iter()
                .map(|(number, byte)| (Epoch::new(*number).unwrap(), seed(*byte)))
                .collect(),
        }
    }

    fn sealed(direction: Direction, outbound: EpochSeeds, inbound: EpochSeeds) -> (Sealer, Opener) {
        ciphers(direction, outbound, inbound)
    }

    #[test]
    fn frames_are_sealed_with_the_last_epoch_and_opened_with_any() {
        let now = crate::clock::now();
        let (caller, callee) = (Direction::CallerToCallee, Direction::CalleeToCaller);
        let inbound = seeds(1, &[(1, 2), (2, 3)]);
        let (_, mut opener) = sealed(callee, seeds(9, &[]), inbound);
        let mut orders = Vec::new();
        for outbound in [seeds(1, &[]), seeds(1, &[(1, 2)]), seeds(1, &[(2, 3)])] {
            let (mut sealer, _) = sealed(caller, outbound, seeds(9, &[]));
            let mut frame = b"voice".to_vec();
            sealer.seal(&mut frame).unwrap();
            let opened = opener.open(now, &mut frame).unwrap();
            assert_eq!(&frame[opened.payload], b"voice");
            orders.push(opened.order >> 32);
        }
        assert_eq!(orders, [0, 1, 2]);
    }

    #[test]
    fn frames_of_every_size_are_sealed_with_the_same_overhead() {
        let now = crate::clock::now();
        let (caller, callee) = (Direction::CallerToCallee, Direction::CalleeToCaller);
        let (mut sealer, _) = sealed(caller, seeds(1, &[]), seeds(9, &[]));
        let (_, mut opener) = sealed(callee, seeds(9, &[]), seeds(1, &[]));
        for size in FrameSize::ALL {
            let contents = vec![7; size.bytes()];
            let mut frame = contents.clone();
            sealer.seal(&mut frame).unwrap();
            assert_eq!(frame.len(), size.bytes() + 21);
            let opened = opener.open(now, &mut frame).unwrap();
            assert_eq!((&frame[opened.payload], opened.epoch), (&contents[..], 0));
        }
    }

    #[test]
    fn each_direction_has_keys_of_its_own() {
        let now = crate::clock::now();
        let (mut sealer, mut opener) =
            sealed(Direction::CallerToCallee, seeds(1, &[]), seeds(1, &[]));
        let mut frame = b"voice".to_vec();
        sealer.seal(&mut frame).unwrap();
        assert_eq!(opener.open(now, &mut frame), Err(OpenError));
    }
}

//! Two people, and the session between them.

use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_crypto::{
    Direction, Encrypted, Established, FrameOpener, FrameSealer, IdentityKeyPair, IdentitySeed,
    Initiator, MediaSeed, Ratchet, Responder,
};

use web_time::Instant;

pub(crate) const PROLOGUE: &[u8] = b"securecall 1 call";

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Caller and callee, before anything was said.
pub(crate) struct People {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) caller: IdentityKeyPair,
    pub(crate) callee: IdentityKeyPair,
}

pub(crate) fn people(seed: u64) -> People {
    let mut rng = rng(seed);
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    People {
        rng,
        caller,
        callee,
    }
}

/// Both ends of a finished handshake.
pub(crate) struct Pair {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) caller: Established,
    pub(crate) callee: Established,
}

pub(crate) fn pair(seed: u64) -> Pair {
    let People {
        mut rng,
        caller,
        callee,
    } = people(seed);
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"offer");
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    let (callee, message_2) = received.write_message_2(&mut rng, b"ringing");
    let (caller, _) = awaiting.read_message_2(&message_2).unwrap();
    Pair {
        rng,
        caller,
        callee,
    }
}

/// The two ratchets of a session.
pub(crate) struct Ratchets {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) caller: Ratchet,
    pub(crate) callee: Ratchet,
}

pub(crate) fn ratchets(seed: u64) -> Ratchets {
    let Pair {
        rng,
        caller,
        callee,
    } = pair(seed);
    Ratchets {
        rng,
        caller: caller.ratchet,
        callee: callee.ratchet,
    }
}

impl Ratchets {
    pub(crate) fn call(&mut self, text: &[u8]) -> Encrypted {
        self.caller.encrypt(&mut self.rng, text)
    }

    pub(crate) fn answer(&mut self, text: &[u8]) -> Encrypted {
        self.callee.encrypt(&mut self.rng, text)
    }

    /// One whole step: the caller's new key, the callee's new key.
    pub(crate) fn step(&mut self) {
        self.caller.request_step();
        let rekey = self.call(b"rekey");
        self.callee.decrypt(&rekey.bytes).unwrap();
        let answer = self.answer(b"rekey");
        self.caller.decrypt(&answer.bytes).unwrap();
    }
}

/// Everything there is to see of a state.
pub(crate) fn snapshot(state: &impl std::fmt::Debug) -> String {
    format!("{state:?}")
}

pub(crate) const SEED: [u8; 32] = [7; 32];

/// Sealer and opener of one direction, in epoch 0.
pub(crate) fn frames() -> (FrameSealer, FrameOpener) {
    let direction = Direction::CallerToCallee;
    (
        FrameSealer::new(direction, MediaSeed::from_bytes(SEED)),
        FrameOpener::new(direction, MediaSeed::from_bytes(SEED)),
    )
}

pub(crate) fn sealed(sealer: &mut FrameSealer, payload: &[u8]) -> Vec<u8> {
    let mut frame = payload.to_vec();
    sealer.seal_in_place(&mut frame).unwrap();
    frame
}

/// Any moment to count from.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; tests count on from it"
)]
pub(crate) fn epoch_start() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}

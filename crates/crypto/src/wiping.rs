//! No secret is left behind in memory that is given back, however keys move, grow old and are dropped.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use securecall_freed_memory::{MAX_SECRETS, Watched, copies_left_by};

use crate::frame::{FrameOpener, FrameSealer};
use crate::handshake::{Established, Initiator, Responder};
use crate::identity::{IdentityKeyPair, IdentitySeed};
use crate::ratchet::MAX_SKIP;
use crate::words::WordsNonce;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Everything random in a session, and what comes out of it: found again in a second run of the same.
struct Secrets([[u8; 32]; MAX_SECRETS], usize);

impl Secrets {
    const fn new() -> Self {
        Self([[0; 32]; MAX_SECRETS], 0)
    }

    fn add(&mut self, secret: &[u8; 32]) {
        self.0[self.1] = *secret;
        self.1 += 1;
    }

    /// What the next draws of so many bytes will give, each 32 of them.
    fn add_drawn(&mut self, rng: &ChaCha20Rng, bytes: usize) {
        let mut rng = rng.clone();
        for _ in 0..bytes / 32 {
            let mut drawn = [0; 32];
            rng.fill_bytes(&mut drawn);
            self.add(&drawn);
        }
    }

    fn all(&self) -> &[[u8; 32]] {
        &self.0[..self.1]
    }
}

/// A handshake whose halves move into boxes and out again, as they do in a call.
fn handshake(rng: &mut ChaCha20Rng, secrets: &mut Secrets) -> (Established, Established) {
    secrets.add_drawn(rng, 64);
    let caller = Box::new(IdentityKeyPair::from_seed(&IdentitySeed::generate(rng)));
    let callee = Box::new(IdentityKeyPair::from_seed(&IdentitySeed::generate(rng)));
    secrets.add(caller.secret().as_bytes());
    secrets.add(callee.secret().as_bytes());
    // e, and d and z of the KEM.
    secrets.add_drawn(rng, 96);
    let initiator = Box::new(Initiator::new(&caller, callee.public(), b""));
    let (awaiting, message_1) = (*initiator).write_message_1(rng, b"invite");
    let awaiting = Box::new(awaiting);
    let received = Box::new(Responder::read_message_1(&callee, b"", &message_1).unwrap());
    // e, and m of the KEM.
    secrets.add_drawn(rng, 64);
    let (at_callee, message_2) = (*received).write_message_2(rng, b"ringing");
    let (at_caller, _) = awaiting.read_message_2(&message_2).unwrap();
    secrets.add(at_caller.outbound_media_seed.as_bytes());
    secrets.add(at_caller.inbound_media_seed.as_bytes());
    at_caller
        .ratchet
        .secrets_for_test(|secret| secrets.add(secret));
    at_callee
        .ratchet
        .secrets_for_test(|secret| secrets.add(secret));
    (at_caller, at_callee)
}

/// A conversation with messages that come late, over several steps; then everything is let go of.
fn conversation(secrets: &mut Secrets) {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let (at_caller, at_callee) = handshake(&mut rng, secrets);
    let mut caller = Box::new(at_caller.ratchet);
    let mut callee = Box::new(at_callee.ratchet);
    let mut late = VecDeque::new();
    for round in 0..6 {
        secrets.add_drawn(&rng, 32);
        caller.request_step();
        for number in 0..MAX_SKIP / 8 {
            let sealed = caller.encrypt(&mut rng, b"from the caller");
            // Every third arrives in its turn, the rest two steps later: the table of skipped keys grows and shrinks.
            if number % 3 == 0 {
                callee.decrypt(&sealed.bytes).unwrap();
            } else {
                late.push_back((round, sealed.bytes));
            }
        }
        callee.secrets_for_test(|secret| secrets.add(secret));
        secrets.add_drawn(&rng, 32);
        let answer = callee.encrypt(&mut rng, b"from the callee");
        caller.decrypt(&answer.bytes).unwrap();
        while late.front().is_some_and(|(sent, _)| sent + 2 <= round) {
            let (_, message) = late.pop_front().unwrap();
            callee.decrypt(&message).unwrap();
        }
    }
    assert!(callee.skipped_message_keys() > 0);
}

/// Voice under one epoch with a gap, then under the next; sealer and opener move through a queue as they do on their way to the media.
fn voice(secrets: &mut Secrets) {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let (at_caller, at_callee) = handshake(&mut rng, secrets);
    let direction = at_caller.ratchet.outbound();
    let mut queue = VecDeque::new();
    queue.push_back((
        FrameSealer::new(direction, at_caller.outbound_media_seed),
        FrameOpener::new(direction, at_callee.inbound_media_seed),
    ));
    queue.reserve(100);
    let (mut sealer, mut opener) = queue.pop_front().unwrap();
    drop(queue);
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs an origin, and any will do"
    )]
    let now = web_time::Instant::now();
    for number in 0..200 {
        let mut frame = vec![0; 80];
        sealer.seal_in_place(&mut frame).unwrap();
        if number % 50 < 25 {
            opener.open(now, &mut frame).unwrap();
        }
    }
}

/// Runs something twice: once to learn its secrets, once to look for them in what it gives back.
fn leaves_nothing_behind(work: fn(&mut Secrets)) {
    let mut secrets = Secrets::new();
    work(&mut secrets);
    assert!(secrets.all().len() > 10);
    let mut again = Secrets::new();
    let left = copies_left_by(secrets.all(), || work(&mut again));
    assert_eq!(left, 0, "copies of secrets in memory that was given back");
    assert_eq!(secrets.all(), again.all(), "it was the same session");
}

#[test]
fn no_key_of_a_conversation_is_left_behind() {
    leaves_nothing_behind(conversation);
}

#[test]
fn no_key_of_the_voice_is_left_behind() {
    leaves_nothing_behind(voice);
}

#[test]
fn no_phrase_password_or_nonce_is_left_behind() {
    let seed = [7; 32];
    let (phrase, password) = {
        let seed = IdentitySeed::from_bytes(seed);
        (seed.phrase(), seed.account_password("example.org"))
    };
    let part =
        |text: &str, from: usize| <[u8; 32]>::try_from(&text.as_bytes()[from..][..32]).unwrap();
    let secrets = [
        seed,
        part(&phrase, 0),
        part(&phrase, 60),
        part(&password, 4),
    ];
    let left = copies_left_by(&secrets, || {
        let seed = Box::new(IdentitySeed::from_bytes(seed));
        let nonces: Vec<_> = (0..10).map(|_| WordsNonce::from_bytes([7; 32])).collect();
        drop((seed.account_password("example.org"), nonces));
        drop(IdentitySeed::from_phrase(&seed.phrase()).unwrap());
    });
    assert_eq!(left, 0);
}

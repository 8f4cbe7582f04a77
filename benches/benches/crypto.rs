//! What the crypto engine costs.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_crypto::{
    Direction, Epoch, Established, FrameOpener, FrameSealer, IdentityKeyPair, IdentitySeed,
    Initiator, MediaSeed, OVERHEAD, Responder,
};
use web_time::Instant;

/// Bytes of Opus in a frame: 20 ms at 32 kbit/s.
const PAYLOAD: usize = 80;

struct People {
    rng: ChaCha20Rng,
    caller: IdentityKeyPair,
    callee: IdentityKeyPair,
}

fn people() -> People {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    People {
        rng,
        caller,
        callee,
    }
}

fn shake_hands(people: &mut People) -> (Established, Established) {
    let People {
        rng,
        caller,
        callee,
    } = people;
    let (awaiting, message_1) =
        Initiator::new(caller, callee.public(), b"prologue").write_message_1(rng, &[0; 1024]);
    let received = Responder::read_message_1(callee, b"prologue", &message_1).unwrap();
    let (callee, message_2) = received.write_message_2(rng, b"ringing");
    let (caller, _) = awaiting.read_message_2(&message_2).unwrap();
    (caller, callee)
}

fn handshake(c: &mut Criterion) {
    let mut people = people();
    c.bench_function("handshake, both sides together", |b| {
        b.iter(|| black_box(shake_hands(&mut people)));
    });
}

fn ratchet(c: &mut Criterion) {
    let mut people = people();
    let (caller, callee) = shake_hands(&mut people);
    let (mut caller, mut callee) = (caller.ratchet, callee.ratchet);
    let rng = &mut people.rng;
    c.bench_function("ratchet: encrypt + decrypt of 256 bytes", |b| {
        b.iter(|| {
            let message = caller.encrypt(rng, &[0; 256]);
            black_box(callee.decrypt(&message.bytes).unwrap());
        });
    });
    c.bench_function("ratchet: a step of both sides", |b| {
        b.iter(|| {
            let answer = callee.encrypt(rng, b"rekey");
            caller.decrypt(&answer.bytes).unwrap();
            caller.request_step();
            let call = caller.encrypt(rng, b"rekey");
            black_box(callee.decrypt(&call.bytes).unwrap());
        });
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock"
)]
fn frames(c: &mut Criterion) {
    let now = Instant::now();
    let direction = Direction::CallerToCallee;
    let seed = || MediaSeed::from_bytes([7; 32]);
    let mut sealer = FrameSealer::new(direction, seed());
    let mut opener = FrameOpener::new(direction, seed());
    let (mut sealed, mut epoch) = (0_u32, 0);
    let mut frame = [0; PAYLOAD + OVERHEAD];
    c.bench_function("frame: seal + open of 80 bytes, keys included", |b| {
        b.iter(|| {
            sealed += 1;
            if sealed == 65_000 {
                sealed = 0;
                epoch += 1;
                sealer
                    .install_epoch(Epoch::new(epoch).unwrap(), seed())
                    .unwrap();
                opener
                    .add_epoch(Epoch::new(epoch).unwrap(), seed())
                    .unwrap();
            }
            sealer.seal(&mut frame).unwrap();
            black_box(opener.open(now, &mut frame).unwrap());
        });
    });

    let mut sealer = FrameSealer::new(direction, seed());
    let mut last = frame;
    for _ in 0..=securecall_crypto::FORWARD_WINDOW {
        sealer.seal(&mut last).unwrap();
    }
    c.bench_function("frame: open at the end of the forward window", |b| {
        b.iter_batched_ref(
            || (FrameOpener::new(direction, seed()), last),
            |(opener, frame)| {
                black_box(opener.open(now, frame).unwrap());
            },
            BatchSize::SmallInput,
        );
    });
    let mut forged = last;
    forged[50] ^= 1;
    let mut opener = FrameOpener::new(direction, seed());
    c.bench_function("frame: a forgery at the end of the forward window", |b| {
        b.iter(|| black_box(opener.open(now, &mut forged).unwrap_err()));
    });
}

criterion_group!(benches, handshake, ratchet, frames);
criterion_main!(benches);

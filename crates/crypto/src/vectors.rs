//! Our own test vectors, in `testing/vectors/`. Each test makes its vectors anew from fixed inputs and compares them with the
//! file; with `SECURECALL_WRITE_VECTORS=1` it writes the file instead.

use std::convert::Infallible;
use std::path::Path;

use data_encoding::HEXLOWER;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};
use web_time::Instant;

use crate::identity::{IdentityKeyPair, IdentitySeed};
use crate::ratchet::{ChainKey, Ratchet, RootKey};
use crate::transcript::Transcript;
use crate::{Direction, Epoch, FrameOpener, FrameSealer, MediaSeed, WordsNonce, safety_words};

/// Compares `vectors` with the file `name`, or writes it.
pub(crate) fn check(name: &str, vectors: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testing/vectors")
        .join(name);
    if std::env::var_os("SECURECALL_WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{vectors:#}\n")).unwrap();
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        &file, vectors,
        "{name} does not hold; SECURECALL_WRITE_VECTORS=1 writes it anew"
    );
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// 32 bytes that say what they are for and are easy to spot.
pub(crate) fn fixed(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

/// Hands out the given bytes and nothing more.
pub(crate) struct Fixed(pub(crate) Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(dst.len());
        dst.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

#[test]
fn identities_hold() {
    let vectors: Vec<_> = [[0; 32], [0xff; 32], fixed(1), fixed(0x80)]
        .into_iter()
        .map(|bytes| {
            let seed = IdentitySeed::from_bytes(bytes);
            json!({
                "seed": hex(&bytes),
                "phrase": *seed.phrase(),
                "public_key": hex(IdentityKeyPair::from_seed(&seed).public().as_bytes()),
                "server_name": "stealthx.tech",
                "account_password": *seed.account_password("stealthx.tech"),
            })
        })
        .collect();
    check("identity.json", &json!({ "identities": vectors }));
}

#[test]
fn safety_words_hold() {
    let vectors: Vec<_> = [
        ([0; 32], [0; 32]),
        (fixed(1), fixed(2)),
        ([0xff; 32], fixed(9)),
    ]
    .into_iter()
    .map(|(nonce, transcript)| {
        let nonce = WordsNonce::from_bytes(nonce);
        json!({
            "nonce": hex(nonce.as_bytes()),
            "transcript": hex(&transcript),
            "commitment": hex(nonce.commitment().as_bytes()),
            "words": safety_words(&nonce, &Transcript::new(transcript)).words(),
        })
    })
    .collect();
    check("words.json", &json!({ "safety_words": vectors }));
}

#[test]
fn a_ratchet_conversation_holds() {
    let (root, chain, transcript, ephemeral) = (fixed(0x10), fixed(0x20), fixed(0x30), fixed(0x40));
    let secret = Box::new(x25519_dalek::StaticSecret::from(ephemeral));
    let remote_key = crate::dh::public(&secret);
    let transcript = Transcript::new(transcript);
    let mut caller = Ratchet::caller(
        RootKey::new(&root),
        ChainKey::new(&chain),
        remote_key,
        transcript,
    );
    let mut callee = Ratchet::callee(
        RootKey::new(&root),
        ChainKey::new(&chain),
        secret,
        transcript,
    );

    // Who speaks, how, and whether the message is held back until the end.
    let script = [
        ("callee", "the callee sends first", false, false),
        ("callee", "and again, but this comes late", false, true),
        ("caller", "the caller's first step", false, false),
        ("callee", "the callee's first step", false, false),
        ("caller", "on the same chain", false, false),
        ("caller", "held back over a step", false, true),
        ("caller", "the caller's second step", true, false),
        ("callee", "the callee's second step", false, false),
        ("callee", "", false, false),
    ];
    let (mut messages, mut late) = (Vec::new(), Vec::new());
    for (number, (from, text, step, held_back)) in script.into_iter().enumerate() {
        let random = fixed(0x50 + number as u8);
        let mut rng = Fixed(random.to_vec());
        let (sender, receiver) = match from {
            "caller" => (&mut caller, &mut callee),
            _ => (&mut callee, &mut caller),
        };
        assert!(!step || sender.request_step());
        let encrypted = sender.encrypt(&mut rng, text.as_bytes());
        let random = (rng.0.is_empty()).then(|| hex(&random));
        let seed = encrypted
            .media_seed
            .as_ref()
            .map(|(_, seed)| hex(seed.as_bytes()));
        if held_back {
            late.push((from, text, encrypted.bytes.clone()));
        } else {
            let decrypted = receiver.decrypt(&encrypted.bytes).unwrap();
            assert_eq!(decrypted.plaintext.as_slice(), text.as_bytes());
            assert_eq!(
                decrypted.media_seed.map(|(_, seed)| hex(seed.as_bytes())),
                seed
            );
        }
        messages.push(json!({
            "from": from,
            "request_step": step,
            "step_secret": random,
            "plaintext": text,
            "step": encrypted.id.step,
            "number": encrypted.id.number,
            "message": hex(&encrypted.bytes),
            "media_seed": seed,
            "arrives_last": held_back,
        }));
    }
    for (from, text, bytes) in late {
        let receiver = if from == "caller" {
            &mut callee
        } else {
            &mut caller
        };
        assert_eq!(
            receiver.decrypt(&bytes).unwrap().plaintext.as_slice(),
            text.as_bytes()
        );
    }
    check(
        "ratchet.json",
        &json!({
            "root_key": hex(&root),
            "callee_first_chain": hex(&chain),
            "transcript": hex(transcript.as_bytes()),
            "callee_ephemeral_secret": hex(&ephemeral),
            "messages": messages,
        }),
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; none passes here"
)]
fn a_frame_sequence_over_several_epochs_holds() {
    let now = Instant::now();
    let mut sequences = Vec::new();
    for direction in [Direction::CallerToCallee, Direction::CalleeToCaller] {
        let seed = |epoch: u16| MediaSeed::from_bytes(fixed(0xa0 + epoch as u8));
        let mut sealer = FrameSealer::new(direction, seed(0));
        let mut opener = FrameOpener::new(direction, seed(0));
        let mut epochs = Vec::new();
        for (number, length) in [(0, 3), (1, 2), (2, 260), (7, 2)] {
            if number > 0 {
                let epoch = Epoch::new(number).unwrap();
                sealer.install_epoch(epoch, seed(number)).unwrap();
                opener.add_epoch(epoch, seed(number)).unwrap();
            }
            let mut frames = Vec::new();
            for index in 0..length {
                let payload: Vec<u8> = (0..80)
                    .map(|at| (index as u8).wrapping_mul(3).wrapping_add(at))
                    .collect();
                let mut frame = payload.clone();
                sealer.seal_in_place(&mut frame).unwrap();
                if index < 2 || index + 1 == length {
                    frames.push(
                        json!({ "index": index, "payload": hex(&payload), "frame": hex(&frame) }),
                    );
                }
                assert_eq!(opener.open(now, &mut frame).unwrap().payload, payload);
            }
            epochs.push(json!({ "epoch": number, "media_seed": hex(seed(number).as_bytes()), "frames": frames }));
        }
        sequences.push(json!({ "direction": direction.byte(), "epochs": epochs }));
    }
    check("frames.json", &json!({ "sequences": sequences }));
}

//! The plain pattern `Noise_IK_25519_ChaChaPoly_SHA256` against `snow`, an independent implementation, in both roles. It
//! shares every line with the hybrid pattern but the KEM tokens.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::initiator::Initiator;
use super::pattern::Pattern;
use super::responder::Responder;
use crate::identity::{IdentityKeyPair, IdentitySeed};

const PROLOGUE: &[u8] = b"both sides know this";

struct Parties {
    rng: ChaCha20Rng,
    caller: IdentityKeyPair,
    callee: IdentityKeyPair,
}

fn parties(seed: u64) -> Parties {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
    Parties {
        rng,
        caller,
        callee,
    }
}

fn snow(own: &[u8; 32], ephemeral: &[u8; 32], remote: Option<&[u8; 32]>) -> snow::HandshakeState {
    let pattern = Pattern::Ik.protocol_name().parse().unwrap();
    let builder = snow::Builder::new(pattern)
        .local_private_key(own)
        .unwrap()
        .fixed_ephemeral_key_for_testing_only(ephemeral)
        .prologue(PROLOGUE)
        .unwrap();
    match remote {
        Some(remote) => builder
            .remote_public_key(remote)
            .unwrap()
            .build_initiator()
            .unwrap(),
        None => builder.build_responder().unwrap(),
    }
}

#[test]
fn as_initiator_we_write_what_snow_writes_and_read_what_it_answers() {
    for seed in 0..8 {
        let Parties {
            mut rng,
            caller,
            callee,
        } = parties(seed);
        let mut ephemerals = [[0; 32]; 2];
        rng.clone().fill_bytes(ephemerals.as_flattened_mut());
        let mut snow_initiator = snow(
            caller.secret().as_bytes(),
            &ephemerals[0],
            Some(callee.public().as_bytes()),
        );
        let mut snow_responder = snow(callee.secret().as_bytes(), &ephemerals[1], None);
        let (mut buffer, mut payload) = ([0; 1024], [0; 1024]);

        let initiator = Initiator::with_pattern(Pattern::Ik, &caller, callee.public(), PROLOGUE);
        let (awaiting, message_1) = initiator.write_message_1(&mut rng, b"offer");
        let len = snow_initiator.write_message(b"offer", &mut buffer).unwrap();
        assert_eq!(message_1, buffer[..len]);
        let len = snow_responder
            .read_message(&message_1, &mut payload)
            .unwrap();
        assert_eq!(&payload[..len], b"offer");
        assert_eq!(
            snow_responder.get_remote_static().unwrap(),
            caller.public().as_bytes()
        );

        let len = snow_responder
            .write_message(b"ringing", &mut buffer)
            .unwrap();
        let (symmetric, _, opened) = awaiting.process(&buffer[..len]).unwrap();
        assert_eq!(opened.as_slice(), b"ringing");
        assert_eq!(symmetric.hash(), snow_responder.get_handshake_hash());
    }
}

#[test]
fn as_responder_we_read_what_snow_writes_and_answer_as_it_would() {
    for seed in 0..8 {
        let Parties {
            mut rng,
            caller,
            callee,
        } = parties(seed);
        let mut ephemerals = [[0; 32]; 2];
        rng.clone().fill_bytes(ephemerals.as_flattened_mut());
        let mut snow_initiator = snow(
            caller.secret().as_bytes(),
            &ephemerals[1],
            Some(callee.public().as_bytes()),
        );
        let mut snow_responder = snow(callee.secret().as_bytes(), &ephemerals[0], None);
        let (mut message_1, mut buffer, mut payload) = ([0; 1024], [0; 1024], [0; 1024]);

        let len = snow_initiator
            .write_message(b"offer", &mut message_1)
            .unwrap();
        let message_1 = &message_1[..len];
        let received =
            Responder::read_with_pattern(Pattern::Ik, &callee, PROLOGUE, message_1).unwrap();
        assert_eq!(
            (received.payload(), received.remote_identity()),
            (&b"offer"[..], caller.public())
        );

        let (symmetric, _, message_2) = received.process(&mut rng, b"ringing");
        snow_responder
            .read_message(message_1, &mut payload)
            .unwrap();
        let len = snow_responder
            .write_message(b"ringing", &mut buffer)
            .unwrap();
        assert_eq!(message_2, buffer[..len]);
        let len = snow_initiator
            .read_message(&message_2, &mut payload)
            .unwrap();
        assert_eq!(&payload[..len], b"ringing");
        assert_eq!(symmetric.hash(), snow_initiator.get_handshake_hash());
    }
}

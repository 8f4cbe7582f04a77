use proptest::prelude::*;
use securecall_crypto::{
    HandshakeError, Initiator, MAX_HANDSHAKE_MESSAGE, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD,
    Responder,
};

use crate::pair::{PROLOGUE, Pair, People, pair, people};

#[test]
fn both_sides_agree_on_everything() {
    let Pair {
        mut rng,
        mut caller,
        mut callee,
    } = pair(1);
    assert_eq!(caller.transcript, callee.transcript);
    let message = caller.ratchet.encrypt(&mut rng, b"hello");
    assert_eq!(
        callee
            .ratchet
            .decrypt(&message.bytes)
            .unwrap()
            .plaintext
            .as_slice(),
        b"hello"
    );
}

#[test]
fn payloads_and_identities_arrive() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(2);
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"offer");
    assert_eq!(message_1.len(), MESSAGE_1_OVERHEAD + 5);
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    assert_eq!(received.payload(), b"offer");
    assert_eq!(received.remote_identity(), caller.public());
    assert_eq!(received.ephemeral(), message_1[..32]);
    let (established, message_2) = received.write_message_2(&mut rng, b"ringing");
    assert_eq!(message_2.len(), MESSAGE_2_OVERHEAD + 7);
    assert_eq!(established.remote_identity, caller.public());
    let (established, payload) = awaiting.read_message_2(&message_2).unwrap();
    assert_eq!(payload.as_slice(), b"ringing");
    assert_eq!(established.remote_identity, callee.public());
}

#[test]
fn another_prologue_is_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(3);
    let (_, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let other = Responder::read_message_1(&callee, b"another device", &message_1);
    assert_eq!(other.err(), Some(HandshakeError::OpenFailed));
}

#[test]
fn a_message_for_somebody_else_is_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(4);
    let stranger = people(5).callee;
    let (_, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let other = Responder::read_message_1(&stranger, PROLOGUE, &message_1);
    assert_eq!(other.err(), Some(HandshakeError::OpenFailed));
}

#[test]
fn a_reflected_message_1_is_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(6);
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    assert_eq!(
        Responder::read_message_1(&caller, PROLOGUE, &message_1).err(),
        Some(HandshakeError::OpenFailed)
    );
    assert_eq!(
        awaiting.read_message_2(&message_1).err(),
        Some(HandshakeError::OpenFailed)
    );
}

#[test]
fn a_forged_message_2_leaves_the_handshake_usable() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(7);
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    let (_, message_2) = received.write_message_2(&mut rng, b"busy");
    let mut forged = message_2.clone();
    forged[40] ^= 1;
    assert_eq!(
        awaiting.read_message_2(&forged).err(),
        Some(HandshakeError::OpenFailed)
    );
    assert!(awaiting.read_message_2(&message_2).is_ok());
}

#[test]
fn message_2_of_another_device_is_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(8);
    let initiator = || Initiator::new(&caller, callee.public(), PROLOGUE);
    let (first, _) = initiator().write_message_1(&mut rng, b"");
    let (_, message_1) = initiator().write_message_1(&mut rng, b"");
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    let (_, message_2) = received.write_message_2(&mut rng, b"");
    assert_eq!(
        first.read_message_2(&message_2).err(),
        Some(HandshakeError::OpenFailed)
    );
}

#[test]
fn ephemeral_keys_of_low_order_are_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(9);
    let (awaiting, mut message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let mut message_2 = vec![0; MESSAGE_2_OVERHEAD];
    for first in [0, 1] {
        message_1[..32].fill(0);
        message_1[0] = first;
        assert_eq!(
            Responder::read_message_1(&callee, PROLOGUE, &message_1).err(),
            Some(HandshakeError::LowOrder)
        );
        message_2[0] = first;
        assert_eq!(
            awaiting.read_message_2(&message_2).err(),
            Some(HandshakeError::LowOrder)
        );
    }
}

#[test]
fn a_message_of_excessive_length_is_refused() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(10);
    let (awaiting, _) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let long = vec![9; MAX_HANDSHAKE_MESSAGE + 1];
    assert_eq!(
        Responder::read_message_1(&callee, PROLOGUE, &long).err(),
        Some(HandshakeError::TooLong)
    );
    assert_eq!(
        awaiting.read_message_2(&long).err(),
        Some(HandshakeError::TooLong)
    );
}

#[test]
fn the_longest_payload_arrives() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(11);
    let payload = vec![1; MAX_HANDSHAKE_MESSAGE - MESSAGE_1_OVERHEAD];
    let (_, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, &payload);
    assert_eq!(
        Responder::read_message_1(&callee, PROLOGUE, &message_1)
            .unwrap()
            .payload(),
        payload
    );

    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"");
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    let payload = vec![2; MAX_HANDSHAKE_MESSAGE - MESSAGE_2_OVERHEAD];
    let (_, message_2) = received.write_message_2(&mut rng, &payload);
    assert_eq!(message_2.len(), MAX_HANDSHAKE_MESSAGE);
    let (_, arrived) = awaiting.read_message_2(&message_2).unwrap();
    assert_eq!(*arrived, payload);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_byte_passes(place in 0..MESSAGE_1_OVERHEAD + 5, bit in 0..8_u32) {
        let People { mut rng, caller, callee } = people(20);
        let (awaiting, message_1) = Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"offer");
        let mut changed = message_1.clone();
        changed[place] ^= 1_u8 << bit;
        // X25519 ignores the top bit of a key, but the hash does not.
        prop_assert!(Responder::read_message_1(&callee, PROLOGUE, &changed).is_err());
        let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
        let (_, message_2) = received.write_message_2(&mut rng, b"ringing");
        let mut changed = message_2.clone();
        let place = place % message_2.len();
        changed[place] ^= 1_u8 << bit;
        prop_assert!(awaiting.read_message_2(&changed).is_err());
        prop_assert!(awaiting.read_message_2(&message_2).is_ok());
    }

    #[test]
    fn no_truncated_message_passes(cut in 1..MESSAGE_1_OVERHEAD) {
        let People { mut rng, caller, callee } = people(21);
        let (awaiting, message_1) = Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"offer");
        prop_assert!(Responder::read_message_1(&callee, PROLOGUE, &message_1[..message_1.len() - cut]).is_err());
        let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
        let (_, message_2) = received.write_message_2(&mut rng, b"ringing");
        let cut = cut % message_2.len() + 1;
        prop_assert!(awaiting.read_message_2(&message_2[..message_2.len() - cut]).is_err());
    }

    #[test]
    fn junk_is_refused(junk in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let People { mut rng, caller, callee } = people(22);
        let (awaiting, _) = Initiator::new(&caller, callee.public(), PROLOGUE).write_message_1(&mut rng, b"offer");
        prop_assert!(Responder::read_message_1(&callee, PROLOGUE, &junk).is_err());
        prop_assert!(awaiting.read_message_2(&junk).is_err());
    }
}

//! The vector of a whole handshake.

use serde_json::json;

use super::established::Secrets;
use super::{Initiator, PROTOCOL_NAME, Responder};
use crate::identity::{IdentityKeyPair, IdentitySeed};
use crate::vectors::{Fixed, check, fixed, hex};

#[test]
fn a_whole_handshake_holds() {
    let prologue = b"\x00\x0asecurecall\x00\x01\x01";
    let [caller_seed, callee_seed] = [fixed(1), fixed(2)];
    let [caller, callee] = [caller_seed, callee_seed]
        .map(|seed| IdentityKeyPair::from_seed(&IdentitySeed::from_bytes(seed)));
    let caller_random: Vec<u8> = (0..96).collect();
    let callee_random: Vec<u8> = (100..164).collect();

    let (awaiting, message_1) = Initiator::new(&caller, callee.public(), prologue)
        .write_message_1(&mut Fixed(caller_random.clone()), b"payload of message 1");
    let received = Responder::read_message_1(&callee, prologue, &message_1).unwrap();
    assert_eq!(received.payload(), b"payload of message 1");
    let (symmetric, _, message_2) =
        received.process(&mut Fixed(callee_random.clone()), b"payload of message 2");
    let (initiators, _, payload) = awaiting.process(&message_2).unwrap();
    assert_eq!(payload.as_slice(), b"payload of message 2");
    assert_eq!(
        (initiators.hash(), initiators.chaining_key()),
        (symmetric.hash(), symmetric.chaining_key())
    );

    let secrets = Secrets::derive(&symmetric);
    check(
        "handshake.json",
        &json!({
            "protocol": PROTOCOL_NAME,
            "prologue": hex(prologue),
            "caller_seed": hex(&caller_seed),
            "callee_seed": hex(&callee_seed),
            "caller_public_key": hex(caller.public().as_bytes()),
            "callee_public_key": hex(callee.public().as_bytes()),
            "caller_ephemeral_secret": hex(&caller_random[..32]),
            "caller_kem_seed": hex(&caller_random[32..]),
            "callee_ephemeral_secret": hex(&callee_random[..32]),
            "callee_kem_randomness": hex(&callee_random[32..]),
            "payload_1": hex(b"payload of message 1"),
            "message_1": hex(&message_1),
            "payload_2": hex(b"payload of message 2"),
            "message_2": hex(&message_2),
            "chaining_key": hex(symmetric.chaining_key()),
            "transcript": hex(secrets.transcript.as_bytes()),
            "root_key": hex(secrets.root.as_bytes()),
            "callee_first_chain": hex(secrets.chain.as_bytes()),
            "media_seed_caller_to_callee": hex(secrets.caller_seed.as_bytes()),
            "media_seed_callee_to_caller": hex(secrets.callee_seed.as_bytes()),
        }),
    );
}

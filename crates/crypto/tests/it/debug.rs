//! What `Debug` shows, word for word: a new field has to be decided about here.

use securecall_crypto::{
    IdentityKeyPair, IdentitySeed, Initiator, MediaSeed, Responder, WordsNonce, safety_words,
};

use crate::pair::{
    PROLOGUE, Pair, People, epoch_start, frames, pair, people, ratchets, sealed, snapshot,
};

#[test]
fn secrets_show_nothing() {
    let seed = IdentitySeed::from_bytes([0xab; 32]);
    assert_eq!(snapshot(&seed), "IdentitySeed(..)");
    assert_eq!(
        snapshot(&WordsNonce::from_bytes([0xab; 32])),
        "WordsNonce(..)"
    );
    assert_eq!(
        snapshot(&MediaSeed::from_bytes([0xab; 32])),
        "MediaSeed(..)"
    );
    let nonce = WordsNonce::from_bytes([1; 32]);
    assert_eq!(
        snapshot(&safety_words(&nonce, &pair(1).caller.transcript)),
        "SafetyWords(..)"
    );
}

#[test]
fn an_identity_shows_two_bytes_of_its_public_key() {
    let pair = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]));
    let [first, second, ..] = *pair.public().as_bytes();
    let key = format!("IdentityKey({first:02x}{second:02x}..)");
    assert_eq!(snapshot(&pair.public()), key);
    assert_eq!(
        snapshot(&pair),
        format!("IdentityKeyPair {{ public: {key}, .. }}")
    );
}

#[test]
fn the_handshake_shows_the_peer_only() {
    let People {
        mut rng,
        caller,
        callee,
    } = people(1);
    let (caller_key, callee_key) = (snapshot(&caller.public()), snapshot(&callee.public()));
    let initiator = Initiator::new(&caller, callee.public(), PROLOGUE);
    assert_eq!(
        snapshot(&initiator),
        format!("Initiator {{ pattern: IkHfs, remote: {callee_key}, .. }}")
    );
    let (awaiting, message_1) = initiator.write_message_1(&mut rng, b"offer");
    assert_eq!(
        snapshot(&awaiting),
        format!("InitiatorAwaiting {{ remote: {callee_key}, .. }}")
    );
    let received = Responder::read_message_1(&callee, PROLOGUE, &message_1).unwrap();
    assert_eq!(
        snapshot(&received),
        format!("ReceivedMessage1 {{ remote: {caller_key}, .. }}")
    );
    let (established, _) = received.write_message_2(&mut rng, b"");
    let ratchet = "Ratchet { outbound: CalleeToCaller, own_step: 0, step_requested: false, remote_step: 0, receiving: [], .. }";
    assert_eq!(
        snapshot(&established),
        format!("Established {{ remote_identity: {caller_key}, ratchet: {ratchet}, .. }}")
    );
}

#[test]
fn the_ratchet_shows_counts() {
    let mut ratchets = ratchets(1);
    ratchets.answer(b"lost");
    let message = ratchets.answer(b"secret text");
    assert_eq!(snapshot(&message.id), "MessageId { step: 0, number: 1 }");
    let decrypted = ratchets.caller.decrypt(&message.bytes).unwrap();
    assert_eq!(
        snapshot(&decrypted),
        "Decrypted { id: MessageId { step: 0, number: 1 }, media_seed: None, .. }"
    );
    assert_eq!(
        snapshot(&ratchets.caller),
        "Ratchet { outbound: CallerToCallee, own_step: 0, step_requested: true, remote_step: 0, receiving: \
         [ReceivingChain { step: 0, finished: false, next: 2, skipped_message_keys: 1, .. }], .. }"
    );
    let Pair {
        mut rng,
        mut caller,
        ..
    } = pair(1);
    let (epoch, seed) = caller.ratchet.encrypt(&mut rng, b"").media_seed.unwrap();
    assert_eq!(snapshot(&(epoch, seed)), "(Epoch(1), MediaSeed(..))");
}

#[test]
fn frame_ciphers_show_counts() {
    let (mut sealer, mut opener) = frames();
    let mut frame = sealed(&mut sealer, &[0; 80]);
    assert_eq!(
        snapshot(&sealer),
        "FrameSealer { direction: CallerToCallee, epoch: Epoch(0), index: 1, .. }"
    );
    opener.open(epoch_start(), &mut frame).unwrap();
    assert_eq!(
        snapshot(&opener),
        "FrameOpener { direction: CallerToCallee, epochs: [ReceiveEpoch { epoch: Epoch(0), deadline: None, next: 1, .. }], \
         newest: Epoch(0) }"
    );
}

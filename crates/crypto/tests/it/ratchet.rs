use securecall_crypto::{
    Epoch, KEPT_CHAINS, MAX_MESSAGE, MAX_SKIP, MESSAGE_OVERHEAD, MessageId, RatchetError,
};

use crate::pair::{Ratchets, ratchets, snapshot};

const fn id(step: u32, number: u32) -> MessageId {
    MessageId { step, number }
}

#[test]
fn the_callee_may_speak_first() {
    let mut r = ratchets(1);
    let first = r.answer(b"ringing");
    assert_eq!((first.id, first.media_seed.is_none()), (id(0, 0), true));
    let opened = r.caller.decrypt(&first.bytes).unwrap();
    assert_eq!(
        (opened.id, opened.plaintext.as_slice()),
        (id(0, 0), &b"ringing"[..])
    );
}

#[test]
fn the_callers_first_message_makes_a_step() {
    let mut r = ratchets(2);
    let message = r.call(b"nonce");
    assert_eq!(message.id, id(1, 0));
    let (epoch, ours) = message.media_seed.unwrap();
    let (theirs_epoch, theirs) = r
        .callee
        .decrypt(&message.bytes)
        .unwrap()
        .media_seed
        .unwrap();
    assert_eq!((epoch, theirs_epoch), (Epoch::new(1).unwrap(), epoch));
    assert!(same_seed(ours, theirs));
}

#[test]
fn both_sides_seeds_of_every_epoch_agree() {
    let mut r = ratchets(3);
    for step in 1..=20 {
        assert_eq!(r.callee.remote_step(), u32::from(step) - 1);
        assert!(r.caller.request_step());
        let call = r.call(b"rekey");
        let (call_epoch, call_seed) = call.media_seed.unwrap();
        let (epoch, seed) = r.callee.decrypt(&call.bytes).unwrap().media_seed.unwrap();
        assert_eq!((epoch.number(), epoch), (step, call_epoch));
        assert!(same_seed(call_seed, seed));
        let answer = r.answer(b"rekey");
        let (answer_epoch, answer_seed) = answer.media_seed.unwrap();
        let (epoch, seed) = r.caller.decrypt(&answer.bytes).unwrap().media_seed.unwrap();
        assert_eq!((epoch.number(), epoch), (step, answer_epoch));
        assert!(same_seed(answer_seed, seed));
    }
}

#[test]
fn steps_alternate_strictly() {
    let mut r = ratchets(4);
    let first = r.call(b"one");
    assert!(!r.caller.can_step());
    assert!(!r.caller.request_step());
    assert_eq!(r.call(b"two").id, id(1, 1));
    r.callee.decrypt(&first.bytes).unwrap();
    assert!(r.callee.can_step());
    let answer = r.answer(b"three");
    assert_eq!(answer.id, id(1, 0));
    assert_eq!(r.answer(b"four").id, id(1, 1));
    r.caller.decrypt(&answer.bytes).unwrap();
    assert_eq!(r.call(b"five").id, id(1, 2));
    assert!(r.caller.request_step());
    assert_eq!(r.call(b"six").id, id(2, 0));
    assert_eq!((r.caller.own_step(), r.caller.remote_step()), (2, 1));
}

#[test]
fn the_callee_cannot_be_asked_for_a_step() {
    let mut r = ratchets(5);
    assert!(!r.callee.request_step());
    let first = r.call(b"one");
    r.callee.decrypt(&first.bytes).unwrap();
    assert!(!r.callee.request_step());
}

#[test]
fn messages_may_come_in_any_order_across_steps() {
    let mut r = ratchets(6);
    let early: Vec<_> = (0..3).map(|n| r.answer(&[0, n])).collect();
    let first = r.call(b"1");
    let second = r.call(b"2");
    r.callee.decrypt(&second.bytes).unwrap();
    let late: Vec<_> = (0..3).map(|n| r.answer(&[1, n])).collect();
    for message in late.iter().rev().chain(early.iter().rev()) {
        assert_eq!(r.caller.decrypt(&message.bytes).unwrap().id, message.id);
    }
    r.callee.decrypt(&first.bytes).unwrap();
    assert_eq!(
        (
            r.caller.skipped_message_keys(),
            r.callee.skipped_message_keys()
        ),
        (0, 0)
    );
}

#[test]
fn a_media_seed_comes_with_the_first_opened_message_of_a_step_whichever_that_is() {
    let mut r = ratchets(7);
    let first = r.call(b"lost for now");
    let second = r.call(b"here");
    assert!(
        r.callee
            .decrypt(&second.bytes)
            .unwrap()
            .media_seed
            .is_some()
    );
    assert!(r.callee.decrypt(&first.bytes).unwrap().media_seed.is_none());
}

#[test]
fn a_repeated_message_is_named_as_a_duplicate() {
    let mut r = ratchets(8);
    let message = r.call(b"once");
    r.callee.decrypt(&message.bytes).unwrap();
    let before = snapshot(&r.callee);
    assert_eq!(
        r.callee.decrypt(&message.bytes).err(),
        Some(RatchetError::Duplicate { id: id(1, 0) })
    );
    r.answer(b"a step of our own changes nothing about that");
    assert_eq!(
        r.callee.decrypt(&message.bytes).err(),
        Some(RatchetError::Duplicate { id: id(1, 0) })
    );
    assert_ne!(before, snapshot(&r.callee));
}

#[test]
fn a_reflected_message_is_refused() {
    let mut r = ratchets(9);
    let call = r.call(b"hello");
    let answer = r.answer(b"hello");
    assert_eq!(
        r.caller.decrypt(&call.bytes).err(),
        Some(RatchetError::WrongDirection)
    );
    assert_eq!(
        r.callee.decrypt(&answer.bytes).err(),
        Some(RatchetError::WrongDirection)
    );
    let mut turned = call.bytes.clone();
    turned[1] = 2;
    assert!(r.caller.decrypt(&turned).is_err());
}

#[test]
fn a_message_of_another_session_is_refused() {
    let (mut r, mut other) = (ratchets(10), ratchets(11));
    let foreign = other.call(b"hello");
    let before = snapshot(&r.callee);
    assert_eq!(
        r.callee.decrypt(&foreign.bytes).err(),
        Some(RatchetError::OpenFailed)
    );
    assert_eq!(snapshot(&r.callee), before);
}

#[test]
fn a_step_out_of_turn_is_refused() {
    let mut r = ratchets(12);
    let mut message = r.call(b"hello").bytes;
    message[5] = 2;
    assert_eq!(
        r.callee.decrypt(&message).err(),
        Some(RatchetError::UnexpectedStep { id: id(2, 0) })
    );
    message[2..6].fill(0xff);
    assert!(matches!(
        r.callee.decrypt(&message),
        Err(RatchetError::UnexpectedStep { .. })
    ));
}

#[test]
fn a_ratchet_key_of_low_order_is_refused() {
    let mut r = ratchets(13);
    let mut message = r.call(b"hello").bytes;
    message[14..46].fill(0);
    assert_eq!(
        r.callee.decrypt(&message).err(),
        Some(RatchetError::LowOrder)
    );
}

#[test]
fn as_many_messages_as_stated_may_be_missing_and_no_more() {
    let mut r = ratchets(14);
    let messages: Vec<_> = (0..MAX_SKIP + 2).map(|_| r.call(b"control")).collect();
    let beyond = &messages[MAX_SKIP as usize + 1];
    assert_eq!(
        r.callee.decrypt(&beyond.bytes).err(),
        Some(RatchetError::TooManySkipped)
    );
    r.callee
        .decrypt(&messages[MAX_SKIP as usize].bytes)
        .unwrap();
    assert_eq!(r.callee.skipped_message_keys(), MAX_SKIP as usize);
    for message in messages[..MAX_SKIP as usize].iter().chain([beyond]) {
        r.callee.decrypt(&message.bytes).unwrap();
    }
    assert_eq!(r.callee.skipped_message_keys(), 0);
}

#[test]
fn keys_of_messages_that_never_came_are_gone_after_some_steps() {
    let mut r = ratchets(15);
    let lost = r.call(b"lost");
    let known = r.call(b"known");
    r.callee.decrypt(&known.bytes).unwrap();
    let answer = r.answer(b"answer");
    r.caller.decrypt(&answer.bytes).unwrap();
    for _ in 1..KEPT_CHAINS {
        assert_eq!(r.callee.skipped_message_keys(), 1);
        r.step();
    }
    assert_eq!(r.callee.skipped_message_keys(), 1);
    r.step();
    assert_eq!(r.callee.skipped_message_keys(), 0);
    assert_eq!(
        r.callee.decrypt(&lost.bytes).err(),
        Some(RatchetError::Expired { id: id(1, 0) })
    );
}

#[test]
fn a_finished_chain_opens_nothing_beyond_its_length() {
    let mut r = ratchets(16);
    r.step();
    let mut beyond = r.call(b"on the old chain").bytes;
    r.step();
    beyond[9] = 200;
    assert_eq!(
        r.callee.decrypt(&beyond).err(),
        Some(RatchetError::OpenFailed)
    );
}

#[test]
fn the_longest_message_arrives_and_a_longer_one_is_refused() {
    let mut r = ratchets(17);
    let message = r.call(&vec![1; MAX_MESSAGE - MESSAGE_OVERHEAD]);
    assert_eq!(message.bytes.len(), MAX_MESSAGE);
    r.callee.decrypt(&message.bytes).unwrap();
    assert_eq!(
        r.callee.decrypt(&vec![1; MAX_MESSAGE + 1]).err(),
        Some(RatchetError::TooLong)
    );
}

/// Seeds do not compare; their frames do.
fn same_seed(one: securecall_crypto::MediaSeed, other: securecall_crypto::MediaSeed) -> bool {
    use securecall_crypto::{Direction, FrameSealer};

    let [one, other] = [one, other].map(|seed| {
        let mut frame = vec![0; 80];
        FrameSealer::new(Direction::CallerToCallee, seed)
            .seal_in_place(&mut frame)
            .unwrap();
        frame
    });
    one == other
}

#[test]
fn same_seed_tells_seeds_apart() {
    let Ratchets {
        mut rng,
        mut caller,
        ..
    } = ratchets(18);
    let (_, seed) = caller.encrypt(&mut rng, b"").media_seed.unwrap();
    assert!(!same_seed(
        seed,
        securecall_crypto::MediaSeed::from_bytes([0; 32])
    ));
}

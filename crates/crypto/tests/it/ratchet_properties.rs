use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use securecall_crypto::{MESSAGE_OVERHEAD, RatchetError};

use crate::pair::{ratchets, snapshot};

/// What can happen to a conversation.
#[derive(Clone, Debug)]
enum Act {
    CallerSends,
    CalleeSends,
    CallerAsksForStep,
    /// A message under way to the callee arrives; it may arrive again.
    ToCallee(Index),
    ToCaller(Index),
    /// One that is changed on the way.
    ForgedToCallee(Index, Index, u8),
    ForgedToCaller(Index, Index, u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::CallerSends),
        2 => Just(Act::CalleeSends),
        1 => Just(Act::CallerAsksForStep),
        3 => any::<Index>().prop_map(Act::ToCallee),
        3 => any::<Index>().prop_map(Act::ToCaller),
        1 => (any::<Index>(), any::<Index>(), 1..=255_u8).prop_map(|(m, b, x)| Act::ForgedToCallee(m, b, x)),
        1 => (any::<Index>(), any::<Index>(), 1..=255_u8).prop_map(|(m, b, x)| Act::ForgedToCaller(m, b, x)),
    ]
}

/// A message with its text, and whether it was opened.
struct Sent {
    bytes: Vec<u8>,
    text: Vec<u8>,
    opened: bool,
}

fn deliver(
    ratchet: &mut securecall_crypto::Ratchet,
    sent: &mut [Sent],
    which: Index,
) -> Result<(), TestCaseError> {
    if sent.is_empty() {
        return Ok(());
    }
    let message = which.get(sent).bytes.clone();
    let sent = &mut sent[which.index(sent.len())];
    let before = snapshot(ratchet);
    match ratchet.decrypt(&message) {
        Ok(decrypted) => {
            prop_assert!(!sent.opened, "opened twice");
            prop_assert_eq!(decrypted.plaintext.as_slice(), sent.text.as_slice());
            sent.opened = true;
        }
        Err(RatchetError::Duplicate { .. }) => {
            prop_assert!(sent.opened, "called a duplicate, but was never opened");
            prop_assert_eq!(snapshot(ratchet), before);
        }
        Err(RatchetError::Expired { .. }) => prop_assert_eq!(snapshot(ratchet), before),
        Err(error) => prop_assert!(false, "an honest message was refused: {}", error),
    }
    Ok(())
}

fn forge(
    ratchet: &mut securecall_crypto::Ratchet,
    sent: &[Sent],
    which: (Index, Index, u8),
) -> Result<(), TestCaseError> {
    let (message, byte, change) = which;
    if sent.is_empty() {
        return Ok(());
    }
    let mut bytes = message.get(sent).bytes.clone();
    let place = byte.index(bytes.len());
    bytes[place] ^= change;
    let before = snapshot(ratchet);
    prop_assert!(ratchet.decrypt(&bytes).is_err());
    prop_assert_eq!(snapshot(ratchet), before);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_loss_repetition_and_forgery_leave_honest_messages_openable(acts in vec(act(), 1..120)) {
        let mut r = ratchets(100);
        let (mut to_callee, mut to_caller) = (Vec::new(), Vec::new());
        for (number, act) in acts.into_iter().enumerate() {
            let text = number.to_be_bytes().to_vec();
            match act {
                Act::CallerSends => {
                    let bytes = r.call(&text).bytes;
                    to_callee.push(Sent { bytes, text, opened: false });
                }
                Act::CalleeSends => {
                    let bytes = r.answer(&text).bytes;
                    to_caller.push(Sent { bytes, text, opened: false });
                }
                Act::CallerAsksForStep => {
                    r.caller.request_step();
                }
                Act::ToCallee(which) => deliver(&mut r.callee, &mut to_callee, which)?,
                Act::ToCaller(which) => deliver(&mut r.caller, &mut to_caller, which)?,
                Act::ForgedToCallee(m, b, x) => forge(&mut r.callee, &to_callee, (m, b, x))?,
                Act::ForgedToCaller(m, b, x) => forge(&mut r.caller, &to_caller, (m, b, x))?,
            }
        }
    }

    #[test]
    fn no_truncated_message_passes(cut in 1..MESSAGE_OVERHEAD + 7) {
        let mut r = ratchets(101);
        let message = r.call(b"control");
        let before = snapshot(&r.callee);
        prop_assert!(r.callee.decrypt(&message.bytes[..message.bytes.len() - cut]).is_err());
        prop_assert_eq!(snapshot(&r.callee), before);
        prop_assert!(r.callee.decrypt(&message.bytes).is_ok());
    }

    #[test]
    fn junk_is_refused(junk in vec(any::<u8>(), 0..300)) {
        let mut r = ratchets(102);
        prop_assert!(r.callee.decrypt(&junk).is_err());
        prop_assert!(r.caller.decrypt(&junk).is_err());
    }

    #[test]
    fn no_two_messages_are_sealed_alike(steps in 1..6_usize, each in 1..6_usize) {
        let mut r = ratchets(103);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..steps {
            for _ in 0..each {
                let (call, answer) = (r.call(&[0; 16]).bytes, r.answer(&[0; 16]).bytes);
                prop_assert!(seen.insert(call[46..].to_vec()), "the same key stream twice");
                prop_assert!(seen.insert(answer[46..].to_vec()), "the same key stream twice");
            }
            r.step();
        }
    }
}

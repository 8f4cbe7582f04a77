//! A call as it should be.

use std::time::Duration;

use securecall_session::{AnswerPolicy, EndReason, Event};
use securecall_testkit::{DeviceOptions, Universe, connected_pair, ringing_pair};

#[test]
fn it_rings_and_the_caller_sees_that_it_rings() {
    let pair = ringing_pair();
    assert!(
        pair.universe.devices[pair.caller].told(|event| matches!(event, Event::Ringing { .. }))
    );
    assert!(pair.universe.devices[pair.callee].told(
        |event| matches!(event, Event::Incoming { peer, .. } if peer.name.as_deref() == Some("Ada"))
    ));
}

#[test]
fn both_connect_with_the_same_words_and_hang_up() {
    let mut pair = connected_pair();
    let words = |device: usize| {
        let found = pair.universe.devices[device]
            .events
            .iter()
            .find_map(|event| match event {
                Event::Connected { safety_words, .. } => *safety_words,
                _ => None,
            });
        found.unwrap()
    };
    assert_eq!(words(pair.caller), words(pair.callee));
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(60));
    pair.universe.hang_up(pair.caller, call);
    pair.universe.run_for(Duration::from_secs(3));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::LocalHangup)
    );
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::RemoteHangup)
    );
    assert!(pair.all_empty());
    let media = &pair.universe.devices[pair.callee].media[&call];
    assert!(media.received > 500 && media.refused == 0);
    assert_eq!(media.frame_sizes, [101]);
    assert!(media.send_epochs.len() >= 6, "{:?}", media.send_epochs);
}

#[test]
fn an_automatic_answer_takes_three_messages_over_matrix() {
    let mut universe = Universe::new(1);
    let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let caller = universe.add_device(ada, DeviceOptions::default());
    let callee = universe.add_device(
        bob,
        DeviceOptions {
            answer: AnswerPolicy::Auto,
            ..DeviceOptions::default()
        },
    );
    universe.befriend(ada, bob);
    universe.call(caller, bob).unwrap();
    assert!(universe.run_until(
        Duration::from_secs(5),
        |universe| universe.connected(caller) && universe.connected(callee)
    ));
    assert!(
        universe.elapsed() < Duration::from_millis(280),
        "{:?}",
        universe.elapsed()
    );
    universe.run_for(Duration::from_secs(30));
    assert_eq!(
        universe
            .homeserver
            .sent
            .iter()
            .map(securecall_testkit::Envelope::kind)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

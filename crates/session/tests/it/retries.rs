//! When what was not acknowledged is sent again.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_session::RequestError;
use securecall_testkit::{DeviceOptions, Pair, pair};

use crate::delivery::pair_with_a_dead_channel;

/// The seconds between the sends over Matrix in this time.
fn pauses(pair: &mut Pair, time: Duration) -> Vec<u64> {
    let end = pair.universe.elapsed() + time;
    let mut sends = Vec::new();
    while pair.universe.elapsed() < end {
        let before = pair.universe.homeserver.send_requests;
        pair.universe.run_for(Duration::from_millis(20));
        if pair.universe.homeserver.send_requests > before {
            sends.push(pair.universe.elapsed());
        }
    }
    let pauses = sends.windows(2).map(|two| (two[1] - two[0]).as_secs());
    pauses.collect()
}

#[test]
fn what_nobody_acknowledges_is_sent_again_after_four_seconds_and_after_eight() {
    for error in [None, Some(RequestError::Failed)] {
        let mut pair = pair();
        pair.universe.set_online(pair.callee, false);
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.homeserver.fails = error;
        assert_eq!(pauses(&mut pair, Duration::from_secs(80)), [4, 8]);
    }
}

#[test]
fn a_homeserver_that_cannot_be_reached_is_tried_less_and_less_often() {
    let mut pair = pair();
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    let pauses = pauses(&mut pair, Duration::from_secs(80));
    assert_eq!(pauses[..6], [1, 2, 4, 8, 8, 8]);
}

#[test]
fn what_came_over_matrix_for_the_data_channel_is_dead_is_acknowledged_over_matrix() {
    let mut pair = pair_with_a_dead_channel();
    let before = pair.universe.homeserver.sent.len();
    pair.universe.run_for(Duration::from_secs(60));
    let sent = &pair.universe.homeserver.sent[before..];
    // A repetition has the same bytes.
    let different: BTreeSet<_> = sent.iter().map(|it| &it.content).collect();
    assert!(sent.len() >= 15, "six steps of the keys");
    assert_eq!(different.len(), sent.len(), "nothing had to be repeated");
}

#[test]
fn each_of_several_devices_gets_its_three_copies() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    for device in [pair.callee, second] {
        pair.universe.set_online(device, false);
    }
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(80));
    let sent = &pair.universe.homeserver.sent;
    let copies = [pair.callee, second].map(|to| sent.iter().filter(|it| it.to == to).count());
    assert_eq!(copies, [3, 3]);
}

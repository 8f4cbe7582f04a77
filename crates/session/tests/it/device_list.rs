//! A homeserver that lies about who has which devices.

use std::time::Duration;

use securecall_contact::{Device, DeviceId, OlmKey};
use securecall_testkit::{DeviceOptions, Pair, Universe, pair};

/// The call comes about although the device list is what it is.
fn rings_and_connects(pair: &mut Pair) {
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.incoming(pair.callee), Some(call));
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
    pair.universe.hang_up(pair.caller, call);
    pair.universe.run_for(Duration::from_secs(400));
    assert!(pair.all_empty());
}

#[test]
fn devices_that_are_said_to_have_the_same_olm_key_do_not_keep_the_real_one_from_ringing() {
    let mut pair = pair();
    pair.universe.homeserver.device_script = Box::new(|_, devices| {
        let olm_key = devices[0].olm_key;
        for device_id in ["AAA", "ZZZ"] {
            let device_id = device_id.parse().unwrap();
            devices.insert(0, Device { device_id, olm_key });
        }
    });
    rings_and_connects(&mut pair);
}

#[test]
fn a_device_that_is_listed_twice_is_called_once() {
    let mut pair = pair();
    pair.universe.homeserver.device_script =
        Box::new(|_, devices| devices.push(devices[0].clone()));
    rings_and_connects(&mut pair);
    let invites = pair.universe.homeserver.sent.iter();
    assert_eq!(invites.filter(|it| it.kind() == 1).count(), 1);
}

#[test]
fn our_own_device_in_the_peers_list_changes_nothing() {
    let mut pair = pair();
    let own = pair.universe.devices[pair.caller].own.clone();
    pair.universe.homeserver.device_script = Box::new(move |_, devices| {
        devices.insert(0, own.clone());
    });
    rings_and_connects(&mut pair);
}

#[test]
fn no_more_than_thirty_two_devices_are_called() {
    let mut pair = pair();
    for _ in 0..34 {
        pair.universe
            .add_device(pair.callee_user, DeviceOptions::default());
    }
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_millis(200));
    let invites = pair.universe.homeserver.sent.iter();
    assert_eq!(invites.filter(|it| it.kind() == 1).count(), 32);
}

/// How many devices are called if the list holds these as well, none of which is there.
fn called(pair: &mut Pair, more: &[&str]) -> usize {
    pair.universe.set_online(pair.callee, false);
    let more: Vec<DeviceId> = more.iter().map(|it| it.parse().unwrap()).collect();
    pair.universe.homeserver.device_script = Box::new(move |_, devices| {
        let olm_key = OlmKey::from_bytes([9; 32]);
        let more = more.iter().cloned();
        devices.extend(more.map(|device_id| Device { device_id, olm_key }));
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_millis(200));
    pair.universe.homeserver.send_requests
}

#[test]
fn a_device_with_the_longest_id_there_is_is_called() {
    assert_eq!(called(&mut pair(), &[&"A".repeat(DeviceId::MAX_LENGTH)]), 2);
}

#[test]
fn a_device_of_the_peer_that_has_the_id_of_ours_is_called_all_the_same() {
    assert_eq!(called(&mut pair(), &["DEVICE0"]), 2);
}

#[test]
fn of_an_account_that_two_people_share_only_the_other_device_is_called() {
    let mut universe = Universe::new(3);
    let users = ["Ada", "Bob"].map(|name| universe.add_user(name));
    for user in users {
        universe.set_matrix_id(user, "@both:example.org");
    }
    let [caller, callee] = users.map(|user| universe.add_device(user, DeviceOptions::default()));
    universe.befriend(users[0], users[1]);
    universe.set_online(callee, false);
    universe.call(caller, users[1]).unwrap();
    universe.run_for(Duration::from_millis(200));
    let called: Vec<_> = universe.homeserver.sent.iter().map(|it| it.to).collect();
    assert_eq!(called, [callee]);
}

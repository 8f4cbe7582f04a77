//! A homeserver that lies about who has which devices.

use std::time::Duration;

use securecall_contact::Device;
use securecall_testkit::{DeviceOptions, Pair, pair};

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

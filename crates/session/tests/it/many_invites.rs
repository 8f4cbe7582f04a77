//! Many invites at once, invites that collide, and a memory that is full: contacts still ring, and every call ends.

use std::time::Duration;

use securecall_session::{
    CallError, CallOptions, Contact, Contacts, EndReason, Event, MissedReason, RefusedReason,
    Route, SignalRefused,
};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceId, DeviceOptions, connected_pair, pair, ringing_pair};

use crate::hand_made_caller::HandMade;

pub(crate) fn call_number(number: u8) -> CallId {
    CallId::from_random([number; 16])
}

fn rang(caller: &HandMade, call: CallId) -> bool {
    let rings =
        |event: &Event| matches!(event, Event::Incoming { call: it, .. } if it.id == call.into());
    caller.universe.devices[caller.callee].told(rings)
}

/// A callee without contacts that takes direct calls of strangers.
fn open_to_strangers() -> HandMade {
    let mut caller = HandMade::good();
    caller.universe.devices[caller.callee].options.inbound = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    caller.universe.restart(caller.callee);
    caller.universe.devices[caller.callee]
        .endpoint
        .set_contacts(Contacts::default());
    caller
}

pub(crate) fn add_caller(caller: &mut HandMade, name: &str) -> DeviceId {
    let user = caller.universe.add_user(name);
    caller.universe.add_device(user, DeviceOptions::default())
}

/// Makes the owner of a device the callee's one contact.
pub(crate) fn make_contact(caller: &mut HandMade, device: DeviceId) {
    make_contacts(caller, &[device]);
}

/// Makes the owners of devices the callee's contacts, and nobody else.
fn make_contacts(caller: &mut HandMade, devices: &[DeviceId]) {
    let contact = |(number, device): (usize, &DeviceId)| {
        let user = caller.universe.devices[*device].user;
        Contact {
            name: format!("Ada {number}"),
            identity: caller.universe.identity(user).public(),
            matrix_id: caller.universe.matrix_id(user).clone(),
        }
    };
    let contacts = Contacts::new(devices.iter().enumerate().map(contact));
    caller.universe.devices[caller.callee]
        .endpoint
        .set_contacts(contacts);
}

#[test]
fn no_contact_takes_the_place_of_another() {
    let mut caller = open_to_strangers();
    caller.universe.devices[caller.callee].sync_unfinished = true;
    let contacts: Vec<_> = (0..5).map(|_| add_caller(&mut caller, "Ada")).collect();
    make_contacts(&mut caller, &contacts);
    for (contact, device) in contacts[..4].iter().enumerate() {
        for number in 0..4 {
            caller.invite_from(*device, call_number(contact as u8 * 4 + number));
        }
    }
    assert_eq!(caller.refused(), []);
    caller.invite_from(contacts[4], call_number(100));
    assert_eq!(caller.refused(), [SignalRefused::TooManyInvites]);
}

#[test]
fn a_second_invite_of_the_same_call_id_does_not_touch_the_first() {
    let mut caller = HandMade::good();
    caller.universe.restart(caller.callee);
    caller.universe.devices[caller.callee].sync_unfinished = true;
    caller.invite_from(caller.caller, call_number(1));
    caller.invite_from(caller.caller, call_number(1));
    assert_eq!(caller.refused(), [SignalRefused::OutOfPlace]);
    caller.universe.finish_sync(caller.callee);
    assert!(rang(&caller, call_number(1)));
    caller.universe.answer(caller.callee, call_number(1));
}

#[test]
fn one_identity_brings_no_more_than_four_invites_in_one_sync_response() {
    let mut caller = HandMade::good();
    caller.universe.devices[caller.callee].sync_unfinished = true;
    for number in 0..20 {
        caller.invite_from(caller.caller, call_number(number));
    }
    let too_many = |why: &&SignalRefused| **why == SignalRefused::TooManyInvites;
    assert_eq!(caller.refused().iter().filter(too_many).count(), 16);
}

#[test]
fn what_was_taken_is_stored_once_in_a_sync_response_and_before_it_rings() {
    let mut caller = HandMade::good();
    caller.universe.restart(caller.callee);
    caller.universe.devices[caller.callee].sync_unfinished = true;
    for number in 0..3 {
        caller.invite_from(caller.caller, call_number(number));
    }
    assert_eq!(caller.universe.devices[caller.callee].times_persisted, 0);
    assert!(caller.universe.incoming(caller.callee).is_none());
    caller.universe.finish_sync(caller.callee);
    assert_eq!(caller.universe.devices[caller.callee].times_persisted, 1);
    caller.universe.finish_sync(caller.callee);
    assert_eq!(caller.universe.devices[caller.callee].times_persisted, 1);
}

#[test]
fn a_contact_takes_the_place_of_a_stranger_when_there_are_too_many_invites() {
    let mut caller = open_to_strangers();
    caller.universe.devices[caller.callee].sync_unfinished = true;
    for stranger in 0..4 {
        let device = add_caller(&mut caller, "Stranger");
        for number in 0..4 {
            caller.invite_from(device, call_number(stranger * 4 + number));
        }
    }
    let another = add_caller(&mut caller, "Another stranger");
    caller.invite_from(another, call_number(100));
    assert_eq!(caller.refused(), [SignalRefused::TooManyInvites]);
    let contact = add_caller(&mut caller, "Ada");
    make_contact(&mut caller, contact);
    caller.invite_from(contact, call_number(101));
    assert_eq!(caller.refused().len(), 1);
    caller.universe.finish_sync(caller.callee);
    // What else one caller wanted is told after a minute, with the last of its calls.
    caller.universe.run_for(Duration::from_secs(61));
    // The stranger that was first rings, so the contact learns that we are busy; the last stranger is gone.
    let missed = |call: CallId| {
        caller.universe.devices[caller.callee]
            .told(|event| matches!(event, Event::Missed { call: it, .. } if it.id == call.into()))
    };
    assert!(missed(call_number(101)) && missed(call_number(14)));
    assert!(!missed(call_number(15)) && !rang(&caller, call_number(15)));
}

#[test]
fn a_full_replay_memory_still_lets_contacts_ring_but_no_strangers() {
    let mut caller = open_to_strangers();
    let until = caller.universe.wallclock_ms(caller.callee) + 600_000;
    let mut memory = vec![1];
    for number in 0..3072_u64 {
        memory.extend_from_slice(&[0; 24]);
        memory.extend_from_slice(&number.to_be_bytes());
        memory.extend_from_slice(&until.to_be_bytes());
    }
    caller.universe.devices[caller.callee].persisted = Some(memory);
    caller.universe.restart(caller.callee);
    let (stranger, contact) = (
        add_caller(&mut caller, "Stranger"),
        add_caller(&mut caller, "Ada"),
    );
    make_contact(&mut caller, contact);
    caller.invite_from(stranger, call_number(1));
    let full = SignalRefused::Rules(RefusedReason::ReplayMemoryFull);
    assert_eq!(caller.refused(), [full]);
    assert!(!rang(&caller, call_number(1)));
    caller.invite_from(contact, call_number(2));
    assert!(rang(&caller, call_number(2)));
}

#[test]
fn an_invite_that_proves_our_own_identity_is_refused() {
    let mut caller = HandMade::good();
    let bob = caller.universe.devices[caller.callee].user;
    let second = caller.universe.add_device(bob, DeviceOptions::default());
    caller.universe.restart(caller.callee);
    caller.invite_from(second, call_number(1));
    let mismatch = SignalRefused::Rules(RefusedReason::IdentityMismatch);
    assert_eq!(caller.refused(), [mismatch]);
    assert!(!rang(&caller, call_number(1)));
}

#[test]
fn a_call_that_was_promised_and_does_not_come_about_ends() {
    for busy in [true, false] {
        let mut pair = pair();
        let carol = pair.universe.add_user("Carol");
        pair.universe.add_device(carol, DeviceOptions::default());
        pair.universe.befriend(carol, pair.callee_user);
        pair.universe.devices[pair.callee].sync_unfinished = true;
        let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(1));
        let promised = pair.universe.call(pair.callee, pair.caller_user);
        assert_eq!(promised, Ok(call));
        let reason = if busy {
            pair.universe.call(pair.callee, carol).unwrap();
            assert_eq!(
                pair.universe.call(pair.callee, pair.caller_user),
                Err(CallError::InAnotherCall)
            );
            EndReason::Busy
        } else {
            pair.universe.run_for(Duration::from_secs(95));
            EndReason::NoAnswer
        };
        pair.universe.finish_sync(pair.callee);
        let ends = |event: &Event| matches!(event, Event::Ended { call: it, reason: why, .. } if it.id == call.into() && *why == reason);
        assert!(
            pair.universe.devices[pair.callee].told(ends),
            "{:?}",
            pair.universe.devices[pair.callee].events
        );
    }
}

#[test]
fn a_call_that_was_promised_can_be_hung_up_before_it_rings() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let promised = pair.universe.call(pair.callee, pair.caller_user);
    assert_eq!(promised, Ok(call));
    pair.universe.hang_up(pair.callee, call);
    pair.universe.finish_sync(pair.callee);
    pair.universe.run_for(Duration::from_secs(3));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::LocalReject)
    );
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Declined));
    assert!(pair.universe.devices[pair.callee].media.is_empty());
}

#[test]
fn a_flood_of_callers_who_are_told_busy_pushes_out_no_call_that_was_real() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(1));
    let (callee, universe) = (pair.callee, pair.universe);
    let mut flood = HandMade::against(universe, callee);
    let strangers: Vec<_> = (0..8).map(|_| add_caller(&mut flood, "Mallory")).collect();
    for (number, stranger) in (0..40).zip(strangers.iter().cycle()) {
        make_contact(&mut flood, *stranger);
        flood.invite_from(*stranger, call_number(number));
    }
    flood.universe.network.set_up(false);
    flood.universe.hang_up(callee, call);
    for (number, stranger) in (40..44).zip(&strangers) {
        make_contact(&mut flood, *stranger);
        flood.invite_from(*stranger, call_number(number));
    }
    let commands = &flood.universe.devices[callee].media[&call].commands;
    assert_eq!(
        commands.last().unwrap(),
        "StopAudio",
        "it still says goodbye"
    );
    flood.universe.run_for(Duration::from_secs(600));
    let commands = &flood.universe.devices[callee].media[&call].commands;
    assert_eq!(commands.last().unwrap(), "Close");
    assert!(flood.universe.devices[callee].endpoint.is_empty());
}

#[test]
fn a_caller_that_crashed_and_calls_again_rings_at_once() {
    let mut pair = ringing_pair();
    let first = pair.call();
    pair.universe.restart(pair.caller);
    let second = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let events = &pair.universe.devices[pair.callee];
    assert!(events.told(|event| matches!(event, Event::Ended { call, reason: EndReason::CallerCancelled, .. } if call.id == first.into())));
    assert!(events.told(|event| matches!(event, Event::Missed { call, why: MissedReason::CallerCancelled, .. } if call.id == first.into())));
    assert_eq!(pair.universe.incoming(pair.callee), Some(second));
    pair.universe.answer(pair.callee, second);
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
    pair.universe.hang_up(pair.caller, second);
    pair.universe.run_for(Duration::from_secs(400));
    assert!(pair.all_empty());
}

#[test]
fn another_device_of_the_same_caller_is_told_that_we_are_busy() {
    let mut pair = ringing_pair();
    let second = pair
        .universe
        .add_device(pair.caller_user, DeviceOptions::default());
    pair.universe.call(second, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(second), Some(EndReason::Busy));
    assert!(pair.universe.ended(pair.callee).is_none());
}

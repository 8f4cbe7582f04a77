//! Who calls whom, how often, and when a 1:1 call is over.

use std::time::Duration;

use securecall_contact::DeviceId;
use securecall_signaling::group_room::{
    EndCall, GroupRoom, GroupRoomOutput as Output, MAX_RETRIES, Participant, RETRY_AFTER,
    STEADY_AFTER, Secrecy, SignalRefused, WhyOut,
};

use super::events::{CALL, call_content, device};
use super::{
    BEGIN, HOUR, NOW, RIGHT, SECOND, b_says, call, candidates, enters, from, hangup, has_joined,
    heard, in_call, in_call_with, invite, outputs, own, start_call, user, wire_id,
};
use crate::calls::origin;

#[test]
fn of_two_the_lesser_user_calls_and_of_one_users_devices_the_lesser_device() {
    let ours = own("m", "M5");
    for (name, device_id, calls) in [
        ("a", "Z", false),
        ("z", "A", true),
        ("M", "A", false),
        ("m", "M4", false),
        ("m", "M6", true),
    ] {
        let now = origin();
        let mut room = GroupRoom::new(now, RIGHT, ours.clone());
        start_call(&mut room, now, CALL, BEGIN, &call_content());
        room.join(now, &call(), Secrecy::Encrypted).unwrap();
        enters(&mut room, now, name, device_id, "s");
        let places = outputs(&mut room)
            .iter()
            .any(|it| matches!(it, Output::PlaceCall { .. }));
        assert_eq!(places, calls, "{name} {device_id}");
    }
}

#[test]
fn this_device_does_not_call_itself() {
    let now = origin();
    let mut room = in_call(now);
    enters(&mut room, now, "m", "M1", "earlier");
    assert!(outputs(&mut room).is_empty());
}

#[test]
fn a_device_that_begins_anew_is_called_anew() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "X1");
    room.leg_placed(leg, wire_id("c1"));
    room.leg_connected(now, leg);
    // The same again, as renewals are.
    has_joined(
        &mut room,
        now,
        "x",
        &[device("X1", "s1", BEGIN + 2 * HOUR)],
        NOW,
    );
    assert!(outputs(&mut room).is_empty());
    enters(&mut room, now, "x", "X1", "s2");
    let outputs = outputs(&mut room);
    let why = EndCall::NewSession;
    assert_eq!(
        outputs[..2],
        [Output::EndCall { leg, why }, Output::Left { leg }]
    );
    let Output::Joined {
        leg: next,
        participant,
    } = &outputs[2]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(participant.session_id.as_str(), "s2");
    assert_eq!(outputs[3], Output::PlaceCall { leg: *next });

    // The old run is told that its call is over, the new one gets its own.
    let mut envelope = room.envelope(leg).unwrap();
    let last = envelope.address(hangup("c1")).signal.route;
    assert_eq!(
        (last.to_session.as_str(), last.sequence_number),
        ("s1", Some(0))
    );
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    assert!(room.envelope(leg).is_none());
}

#[test]
fn who_cannot_be_reached_is_called_three_times_more() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "X1");
    let mut at = now;
    for n in 0..MAX_RETRIES {
        let id = wire_id(&format!("c{n}"));
        room.leg_placed(leg, id.clone());
        room.leg_ended(at, leg, Some(&id));
        assert_eq!(room.poll_timeout(), Some(at + RETRY_AFTER));
        room.handle_timeout(at + RETRY_AFTER - Duration::from_nanos(1));
        assert!(outputs(&mut room).is_empty());
        at += RETRY_AFTER;
        room.handle_timeout(at);
        assert_eq!(outputs(&mut room), [Output::PlaceCall { leg }]);
    }
    // One that could not even be placed counts too.
    room.leg_ended(at, leg, None);
    assert_eq!(outputs(&mut room), [Output::GaveUp { leg }]);
    room.handle_timeout(at + SECOND * 60);
    assert!(outputs(&mut room).is_empty());
}

#[test]
fn a_call_that_held_may_fail_as_often_again_and_one_that_did_not_may_not() {
    let now = origin();
    for (lasted, calls) in [(STEADY_AFTER, 20), (STEADY_AFTER - SECOND, 3)] {
        let (mut room, leg) = in_call_with(now, "x", "X1");
        let mut at = now;
        let mut placed = 0;
        for n in 0..20 {
            let id = wire_id(&format!("c{n}"));
            room.leg_placed(leg, id.clone());
            room.leg_connected(at, leg);
            at += lasted;
            room.leg_ended(at, leg, Some(&id));
            at += RETRY_AFTER;
            room.handle_timeout(at);
            if outputs(&mut room) != [Output::PlaceCall { leg }] {
                break;
            }
            placed += 1;
        }
        assert_eq!(placed, calls, "{lasted:?}");
    }
}

#[test]
fn the_end_of_a_call_that_was_replaced_is_not_the_end_of_the_one_there_is() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 0, invite("c1")).unwrap();
    assert_eq!(heard(&mut room), ["m.call.invite"]);
    b_says(&mut room, now, 0, invite("c2")).unwrap();
    let replaced = outputs(&mut room);
    assert_eq!(
        replaced[0],
        Output::EndCall {
            leg,
            why: EndCall::Replaced
        }
    );
    assert!(
        matches!(&replaced[1], Output::Signal { signal, .. } if signal.call_id == wire_id("c2"))
    );
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    assert!(room.envelope(leg).is_some());
    assert_eq!(
        b_says(&mut room, now, 1, candidates("c1")),
        Err(SignalRefused::Over)
    );
}

#[test]
fn who_gave_up_on_a_device_takes_its_call() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "B1");
    let mut at = now;
    while !outputs(&mut room).contains(&Output::GaveUp { leg }) {
        room.leg_ended(at, leg, None);
        at += RETRY_AFTER;
        room.handle_timeout(at);
    }
    let device: DeviceId = "B1".parse().unwrap();
    let signal = from("B1", "s1", Some(0), invite("c1"));
    assert_eq!(
        room.handle_signal(at, &user("x"), Some(&device), signal),
        Ok(())
    );
    assert_eq!(heard(&mut room), ["m.call.invite"]);
}

#[test]
fn leaving_ends_all_and_leaves_nothing_behind() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "X1");
    room.leg_placed(leg, wire_id("c1"));
    b_says(&mut room, now, 0, invite("early")).unwrap();
    room.leave();
    let why = EndCall::WeLeft;
    assert_eq!(
        outputs(&mut room),
        [
            Output::EndCall { leg, why },
            Output::Left { leg },
            Output::Out(WhyOut::Left)
        ]
    );
    assert_eq!(
        room.participant(leg)
            .map(|it: &Participant| it.device_id.as_str()),
        Some("X1")
    );
    assert!(room.envelope(leg).is_some());
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    assert!(room.participant(leg).is_none());
    room.leave();
    assert!(outputs(&mut room).is_empty());
}

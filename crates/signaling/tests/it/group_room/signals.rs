//! What is said from device to device: in which order it is heard, when it is refused, and what ours has.

use std::time::Duration;

use securecall_contact::DeviceId;
use securecall_signaling::DescriptionKind;
use securecall_signaling::group_room::{
    EARLY_PATIENCE, GAP_PATIENCE, GroupRoom, MAX_EARLY_DEVICES, MAX_EARLY_SIGNALS, MAX_HELD,
    RETRY_AFTER, Secrecy, SignalRefused,
};
use securecall_signaling::wire::group_room::{GroupCallId, Route, SessionId};
use securecall_signaling::wire::room::RoomContent;

use super::events::{CALL, call_content, device};
use super::{
    BEGIN, HOUR, NOW, RIGHT, SECOND, b_says, call, candidates, enters, from, hangup, has_joined,
    heard, in_call, in_call_with, invite, own, said, sdp, start_call, user, wire_id,
};
use crate::calls::origin;

#[test]
fn what_is_said_is_heard_in_its_order() {
    let now = origin();
    let (mut room, _) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 2, hangup("c1")).unwrap();
    b_says(&mut room, now, 1, candidates("c1")).unwrap();
    assert!(heard(&mut room).is_empty());
    b_says(&mut room, now, 0, invite("c1")).unwrap();
    assert_eq!(
        heard(&mut room),
        ["m.call.invite", "m.call.candidates", "m.call.hangup"]
    );
    for number in 0..3 {
        b_says(&mut room, now, number, candidates("c1")).unwrap();
    }
    assert!(heard(&mut room).is_empty(), "all of it was said before");
    assert_eq!(room.poll_timeout(), Some(now + Duration::from_millis(HOUR)));
}

#[test]
fn what_does_not_come_is_waited_for_three_seconds() {
    let now = origin();
    let (mut room, _) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 0, invite("c1")).unwrap();
    b_says(&mut room, now, 2, candidates("c1")).unwrap();
    b_says(&mut room, now + SECOND, 3, hangup("c1")).unwrap();
    assert_eq!(heard(&mut room), ["m.call.invite"]);
    let at = now + GAP_PATIENCE;
    assert_eq!(room.poll_timeout(), Some(at));
    room.handle_timeout(at - Duration::from_nanos(1));
    assert!(heard(&mut room).is_empty());
    room.handle_timeout(at);
    assert_eq!(heard(&mut room), ["m.call.candidates", "m.call.hangup"]);
    b_says(&mut room, at, 1, candidates("c1")).unwrap();
    assert!(heard(&mut room).is_empty(), "too late");
}

#[test]
fn a_gap_holds_back_no_more_than_a_few() {
    let now = origin();
    let (mut room, _) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 0, invite("c1")).unwrap();
    for number in 0..MAX_HELD as u32 {
        b_says(&mut room, now, 2 + number, candidates("c1")).unwrap();
    }
    assert_eq!(heard(&mut room), ["m.call.invite"]);
    b_says(&mut room, now, u32::MAX, hangup("c1")).unwrap();
    assert_eq!(heard(&mut room).len(), MAX_HELD);
    room.handle_timeout(now + GAP_PATIENCE);
    assert_eq!(heard(&mut room), ["m.call.hangup"]);
    b_says(&mut room, now, u32::MAX, hangup("c1")).unwrap();
    assert!(heard(&mut room).is_empty(), "there is no greater number");
}

#[test]
fn who_counts_on_from_call_to_call_or_not_at_all_is_heard_too() {
    let now = origin();
    let (mut room, _) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 7, invite("c1")).unwrap();
    b_says(&mut room, now, 8, candidates("c1")).unwrap();
    let device: DeviceId = "B1".parse().unwrap();
    let uncounted = from("B1", "s1", None, hangup("c1"));
    room.handle_signal(now, &user("b"), Some(&device), uncounted)
        .unwrap();
    assert_eq!(
        heard(&mut room),
        ["m.call.invite", "m.call.candidates", "m.call.hangup"]
    );
}

#[test]
fn a_call_without_an_invite_is_none() {
    let now = origin();
    let (mut room, _) = in_call_with(now, "b", "B1");
    b_says(&mut room, now, 1, candidates("c1")).unwrap();
    room.handle_timeout(now + GAP_PATIENCE);
    b_says(&mut room, now, 0, hangup("c2")).unwrap();
    assert!(heard(&mut room).is_empty());
}

#[test]
fn what_comes_before_the_member_event_waits_for_it() {
    let now = origin();
    for (after, is_heard) in [(EARLY_PATIENCE - SECOND, true), (EARLY_PATIENCE, false)] {
        let mut room = in_call(now);
        b_says(&mut room, now, 1, candidates("c1")).unwrap();
        b_says(&mut room, now, 0, invite("c1")).unwrap();
        assert_eq!(room.poll_timeout(), Some(now + EARLY_PATIENCE));
        room.handle_timeout(now + after);
        assert!(heard(&mut room).is_empty());
        has_joined(
            &mut room,
            now + after,
            "b",
            &[device("B1", "s1", BEGIN + HOUR)],
            NOW,
        );
        assert_eq!(!heard(&mut room).is_empty(), is_heard, "{after:?}");
    }
    // Of another run of the device it is not.
    let mut room = in_call(now);
    b_says(&mut room, now, 0, invite("c1")).unwrap();
    enters(&mut room, now, "b", "B1", "s2");
    assert!(heard(&mut room).is_empty());
}

#[test]
fn strangers_have_no_room_to_fill() {
    let now = origin();
    let mut room = in_call(now);
    let says = |room: &mut GroupRoom, name: &str| {
        let device: DeviceId = "D".parse().unwrap();
        room.handle_signal(
            now,
            &user(name),
            Some(&device),
            from("D", "s", Some(0), invite("c")),
        )
    };
    for n in 0..MAX_EARLY_DEVICES {
        assert_eq!(says(&mut room, &format!("x{n}")), Ok(()));
    }
    assert_eq!(says(&mut room, "y"), Err(SignalRefused::NotIn));
    for _ in 1..MAX_EARLY_SIGNALS {
        assert_eq!(says(&mut room, "x0"), Ok(()));
    }
    assert_eq!(says(&mut room, "x0"), Err(SignalRefused::NotIn));
}

#[test]
fn each_reason_to_refuse_what_is_said() {
    let now = origin();
    let device: DeviceId = "B1".parse().unwrap();
    let good = || from("B1", "s1", Some(0), invite("c1"));
    let refused = |room: &mut GroupRoom, name: &str, proven: Option<&DeviceId>, signal| {
        let before = format!("{room:?}");
        let refused = room
            .handle_signal(now, &user(name), proven, signal)
            .unwrap_err();
        assert_eq!(format!("{room:?}"), before, "{refused} changed something");
        refused
    };
    let mut outside = GroupRoom::new(now, RIGHT, own("m", "M1"));
    assert_eq!(
        refused(&mut outside, "b", Some(&device), good()),
        SignalRefused::AnotherCall
    );

    let (mut room, _) = in_call_with(now, "b", "B1");
    let mut signal = good();
    signal.route.group_call_id = GroupCallId::parse("another").unwrap();
    assert_eq!(
        refused(&mut room, "b", Some(&device), signal),
        SignalRefused::AnotherCall
    );
    let mut signal = good();
    signal.route.to_session = SessionId::parse("earlier").unwrap();
    assert_eq!(
        refused(&mut room, "b", Some(&device), signal),
        SignalRefused::AnotherSession
    );
    assert_eq!(
        refused(&mut room, "b", None, good()),
        SignalRefused::InClear
    );
    let lies = from("B2", "s1", Some(0), invite("c1"));
    assert_eq!(
        refused(&mut room, "b", Some(&device), lies),
        SignalRefused::AnotherDevice
    );
    let ours: DeviceId = "M1".parse().unwrap();
    let echo = from("M1", "m-M1", Some(0), invite("c1"));
    assert_eq!(
        refused(&mut room, "m", Some(&ours), echo),
        SignalRefused::Ours
    );

    // It is for us to call X, and not for X.
    let (mut room, leg) = in_call_with(now, "x", "B1");
    room.leg_placed(leg, wire_id("ours"));
    assert_eq!(
        refused(&mut room, "x", Some(&device), good()),
        SignalRefused::OutOfTurn
    );
    // X's answer to our call is another thing.
    let answer = RoomContent::Answer {
        answer: sdp(DescriptionKind::Answer),
        streams: None,
    };
    let answer = from("B1", "s1", Some(0), said("ours", answer));
    assert_eq!(
        room.handle_signal(now, &user("x"), Some(&device), answer),
        Ok(())
    );
    assert_eq!(heard(&mut room), ["m.call.answer"]);
}

#[test]
fn what_comes_in_clear_counts_only_where_the_user_allows_it() {
    let now = origin();
    let mut room = GroupRoom::new(now, RIGHT, own("m", "M1"));
    start_call(&mut room, now, CALL, BEGIN, &call_content());
    room.join(now, &call(), Secrecy::InClearToo).unwrap();
    enters(&mut room, now, "b", "B1", "s1");
    let mut nameless = from("B1", "s1", Some(0), invite("c1"));
    nameless.route.device_id = None;
    let refused = room.handle_signal(now, &user("b"), None, nameless);
    assert_eq!(refused, Err(SignalRefused::NoDevice));
    let named = from("B1", "s1", Some(0), invite("c1"));
    assert_eq!(room.handle_signal(now, &user("b"), None, named), Ok(()));
    assert_eq!(heard(&mut room), ["m.call.invite"]);
}

#[test]
fn what_we_say_has_all_that_matrix_js_sdk_looks_at() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "X1");
    room.leg_placed(leg, wire_id("c1"));
    let mut envelope = room.envelope(leg).unwrap();
    for number in 0..3 {
        let to = envelope.address(candidates("c1"));
        assert_eq!((to.user, to.device_id.as_str()), (user("x"), "X1"));
        let Route {
            group_call_id,
            device_id,
            from_session,
            to_session,
            sequence_number,
        } = to.signal.route;
        assert_eq!(group_call_id, call());
        assert_eq!(device_id.unwrap().as_str(), "M1");
        assert_eq!(from_session.unwrap().as_str(), "m-M1");
        assert_eq!((to_session.as_str(), sequence_number), ("s1", Some(number)));
    }
    // The next call counts from 0: matrix-js-sdk waits for that.
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    room.handle_timeout(now + RETRY_AFTER);
    room.leg_placed(leg, wire_id("c2"));
    let to = room.envelope(leg).unwrap().address(invite("c2"));
    assert_eq!(to.signal.route.sequence_number, Some(0));
}

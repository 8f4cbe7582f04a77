//! Which call of a room counts, who is in it, who calls whom, in which order things are said, as `docs/protocol/group-rooms.md` has it; on
//! virtual time.

use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId};
use securecall_signaling::group_room::{
    Clocks, EARLY_PATIENCE, EndCall, GAP_PATIENCE, GroupRoom, GroupRoomOutput as Output,
    JoinRefused, LegId, MAX_CALLS_OF_ROOM, MAX_EARLY_DEVICES, MAX_EARLY_SIGNALS, MAX_HELD,
    MAX_LEGS, MAX_MEMBERS, MAX_MEMBERSHIP, MAX_RETRIES, Own, Participant, RETRY_AFTER,
    STEADY_AFTER, Secrecy, Sent, SignalRefused, WhyOut,
};
use securecall_signaling::wire::group_room::{GroupCallId, GroupSignal, Route, SessionId};
use securecall_signaling::wire::room::{RoomContent, RoomInvite, RoomReason, RoomSignal};
use securecall_signaling::{Description, DescriptionKind, HangupReason, PartyId, WireCallId};
use serde_json::{Value, json};
use web_time::Instant;

use crate::group_events::{CALL, call_content, device, member_content};

/// The homeserver's time when a test begins, in Unix ms.
pub(crate) const BEGIN: u64 = 1_795_892_916_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const SECOND: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; the tests count on from it"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn user(name: &str) -> MatrixId {
    format!("@{name}:homeserver.test").parse().unwrap()
}

pub(crate) fn own(name: &str, device: &str) -> Own {
    Own {
        user: user(name),
        device_id: device.parse().unwrap(),
        session_id: SessionId::parse(&format!("{name}-{device}")).unwrap(),
    }
}

pub(crate) fn call() -> GroupCallId {
    GroupCallId::parse(CALL).unwrap()
}

const RIGHT: Clocks = Clocks {
    wallclock_ms: BEGIN,
    homeserver_ms: Some(BEGIN),
};

/// Sent just now.
pub(crate) const NOW: Sent = Sent {
    at_ms: BEGIN,
    age_ms: Some(0),
};

pub(crate) fn outputs(room: &mut GroupRoom) -> Vec<Output> {
    std::iter::from_fn(|| room.poll_output())
        .filter(|output| !matches!(output, Output::Request { .. }))
        .collect()
}

pub(crate) fn start_call(
    room: &mut GroupRoom,
    now: Instant,
    id: &str,
    sent_ms: u64,
    content: &Value,
) {
    let id = GroupCallId::parse(id).unwrap();
    let _ = room.handle_call_event(now, id, sent_ms, content.to_string().as_bytes());
}

fn has_joined(room: &mut GroupRoom, now: Instant, name: &str, devices: &[Value], sent: Sent) {
    let content = member_content(CALL, devices).to_string();
    room.handle_member_event(now, &user(name), sent, content.as_bytes(), true)
        .unwrap();
}

/// A room with a call in it that M's device joined.
fn in_call(now: Instant) -> GroupRoom {
    in_call_by(now, RIGHT)
}

fn in_call_by(now: Instant, clocks: Clocks) -> GroupRoom {
    let mut room = GroupRoom::new(now, clocks, own("m", "M1"));
    start_call(&mut room, now, CALL, BEGIN, &call_content());
    room.join(now, &call(), Secrecy::Encrypted).unwrap();
    outputs(&mut room);
    room
}

/// The same with a device of somebody in it.
fn in_call_with(now: Instant, name: &str, device_id: &str) -> (GroupRoom, LegId) {
    let mut room = in_call(now);
    has_joined(
        &mut room,
        now,
        name,
        &[device(device_id, "s1", BEGIN + HOUR)],
        NOW,
    );
    let leg = outputs(&mut room)
        .into_iter()
        .find_map(|output| match output {
            Output::Joined { leg, .. } => Some(leg),
            _ => None,
        });
    (room, leg.unwrap())
}

fn wire_id(id: &str) -> WireCallId {
    WireCallId::parse(id).unwrap()
}

fn sdp(kind: DescriptionKind) -> Description {
    Description {
        kind,
        sdp: "v=0".to_owned(),
    }
}

pub(crate) fn said(call_id: &str, content: RoomContent) -> RoomSignal {
    let party = PartyId::parse("P").unwrap();
    RoomSignal::new(wire_id(call_id), party, content)
}

pub(crate) fn invite(call_id: &str) -> RoomSignal {
    let invite = RoomInvite {
        offer: sdp(DescriptionKind::Offer),
        lifetime: SECOND * 60,
        invitee: None,
        streams: None,
    };
    said(call_id, RoomContent::Invite(invite))
}

/// Number `n` of what is said, told apart by its candidates.
fn candidates(call_id: &str) -> RoomSignal {
    said(
        call_id,
        RoomContent::Candidates {
            candidates: Vec::new(),
        },
    )
}

fn hangup(call_id: &str) -> RoomSignal {
    let reason = RoomReason::from(HangupReason::UserHangup);
    said(call_id, RoomContent::Hangup { reason })
}

fn from(device: &str, session: &str, number: Option<u32>, signal: RoomSignal) -> GroupSignal {
    GroupSignal {
        route: Route {
            group_call_id: call(),
            device_id: Some(device.parse().unwrap()),
            from_session: Some(SessionId::parse(session).unwrap()),
            to_session: SessionId::parse("m-M1").unwrap(),
            sequence_number: number,
        },
        signal,
    }
}

/// B's device says something.
fn b_says(
    room: &mut GroupRoom,
    now: Instant,
    number: u32,
    signal: RoomSignal,
) -> Result<(), SignalRefused> {
    let device: DeviceId = "B1".parse().unwrap();
    room.handle_signal(
        now,
        &user("b"),
        Some(&device),
        from("B1", "s1", Some(number), signal),
    )
}

fn heard(room: &mut GroupRoom) -> Vec<&'static str> {
    let all = outputs(room).into_iter();
    all.filter_map(|output| match output {
        Output::Signal { signal, .. } => Some(signal.content.event_type()),
        _ => None,
    })
    .collect()
}

fn devices(room: &GroupRoom, now: Instant) -> Vec<String> {
    let call = call();
    let all = room.participants(&call, now);
    all.map(|it| it.device_id.to_string()).collect()
}

#[test]
fn the_newest_call_that_is_not_over_counts() {
    let now = origin();
    let mut room = GroupRoom::new(now, RIGHT, own("m", "M1"));
    assert!(room.counting().is_none());
    start_call(&mut room, now, "a", 10, &call_content());
    start_call(&mut room, now, "b", 30, &call_content());
    start_call(&mut room, now, "c", 20, &call_content());
    let counting = |room: &GroupRoom| room.counting().map(|(id, _)| id.to_string());
    assert_eq!(counting(&room).as_deref(), Some("b"));
    assert_eq!(outputs(&mut room).len(), 2, "a, then b; c changes nothing");

    let mut over = call_content();
    over["m.terminated"] = "call_ended".into();
    start_call(&mut room, now, "b", 40, &over);
    assert_eq!(counting(&room).as_deref(), Some("c"));
    // Unreadable, and redacted.
    start_call(
        &mut room,
        now,
        "c",
        50,
        &json!({"m.type": "m.smoke", "m.intent": "m.ring"}),
    );
    assert_eq!(counting(&room).as_deref(), Some("a"));
    start_call(&mut room, now, "a", 60, &json!({}));
    assert_eq!(counting(&room), None);
    assert_eq!(outputs(&mut room).last(), Some(&Output::CallChanged(None)));
}

#[test]
fn of_calls_without_number_the_newest_are_remembered() {
    let now = origin();
    let mut room = GroupRoom::new(now, RIGHT, own("m", "M1"));
    for n in 0..3 * MAX_CALLS_OF_ROOM as u64 {
        start_call(&mut room, now, &format!("c{n}"), n, &call_content());
    }
    let mut remembered = 0;
    while let Some(id) = room.counting().map(|(id, _)| id.to_string()) {
        start_call(&mut room, now, &id, 0, &json!({}));
        remembered += 1;
    }
    assert_eq!(remembered, MAX_CALLS_OF_ROOM);
}

#[test]
fn only_the_call_that_counts_is_joined_and_one_at_a_time() {
    let now = origin();
    let mut room = GroupRoom::new(now, RIGHT, own("m", "M1"));
    let join = |room: &mut GroupRoom, id: &str| {
        room.join(now, &GroupCallId::parse(id).unwrap(), Secrecy::Encrypted)
    };
    assert_eq!(join(&mut room, "a"), Err(JoinRefused::NoSuchCall));
    start_call(&mut room, now, "a", 1, &call_content());
    let mut on_a_server = call_content();
    on_a_server["io.element.livekit_service_url"] = "https://livekit.test".into();
    start_call(&mut room, now, "b", 2, &on_a_server);
    assert_eq!(join(&mut room, "a"), Err(JoinRefused::AnotherCounts));
    assert_eq!(join(&mut room, "b"), Err(JoinRefused::MediaServer));
    start_call(&mut room, now, "b", 3, &json!({}));
    assert_eq!(join(&mut room, "a"), Ok(()));
    assert_eq!(join(&mut room, "a"), Err(JoinRefused::AlreadyIn));
}

#[test]
fn whoever_has_not_joined_the_room_or_whose_time_is_over_is_not_in() {
    let now = origin();
    let mut room = in_call(now);
    let late = device("LATE", "s", BEGIN - 1);
    has_joined(
        &mut room,
        now,
        "x",
        &[late, device("X1", "s", BEGIN + 60_000)],
        NOW,
    );
    assert_eq!(devices(&room, now), ["X1"]);
    room.handle_room_membership(now, &user("x"), false);
    assert!(devices(&room, now).is_empty());
    let left = outputs(&mut room);
    assert!(
        left.iter().any(|it| matches!(
            it,
            Output::EndCall {
                why: EndCall::Left,
                ..
            }
        )),
        "{left:?}"
    );
    room.handle_room_membership(now, &user("x"), true);
    assert!(matches!(outputs(&mut room)[0], Output::Joined { .. }));

    let over = now + SECOND * 60;
    assert_eq!(room.poll_timeout(), Some(over));
    room.handle_timeout(over);
    assert!(devices(&room, over).is_empty());
    assert!(
        outputs(&mut room)
            .iter()
            .any(|it| matches!(it, Output::Left { .. }))
    );
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn clocks_may_be_days_apart() {
    let now = origin();
    let until = |clocks: Clocks, sent: Sent, expires_ms: u64| {
        let mut room = in_call_by(now, clocks);
        has_joined(&mut room, now, "x", &[device("X1", "s", expires_ms)], sent);
        let left = (0..=MAX_MEMBERSHIP.as_secs()).rev();
        let mut left = left.map(Duration::from_secs);
        left.find(|left| !devices(&room, now + *left).is_empty())
            .map(|last| last.as_secs() + 1)
    };
    let clocks = |own: u64, homeserver: Option<u64>| Clocks {
        wallclock_ms: own,
        homeserver_ms: homeserver,
    };
    // Ours is wrong, the homeserver's is right.
    for own in [BEGIN - 3 * DAY, BEGIN + 3 * DAY, 0, u64::MAX] {
        let left = until(clocks(own, Some(BEGIN)), NOW, BEGIN + HOUR);
        let longest = if own < BEGIN { 5400 } else { 3600 };
        assert_eq!(left, Some(longest), "{own}");
    }
    // The homeserver's is wrong, or not known, and ours is right.
    for homeserver in [Some(BEGIN + 3 * DAY), Some(u64::MAX), None] {
        assert_eq!(
            until(clocks(BEGIN, homeserver), NOW, BEGIN + HOUR),
            Some(3600)
        );
    }
    // It is over by all clocks.
    assert_eq!(until(RIGHT, NOW, BEGIN), None);
    // Whatever it says, it does not count for ever, and its age counts.
    assert_eq!(until(RIGHT, NOW, u64::MAX), Some(5400));
    let old = |age_ms| Sent {
        at_ms: BEGIN - 2 * HOUR,
        age_ms,
    };
    assert_eq!(until(RIGHT, old(Some(HOUR as i64)), u64::MAX), Some(1800));
    assert_eq!(until(RIGHT, old(Some(i64::MIN)), BEGIN + HOUR), Some(3600));
    assert_eq!(until(RIGHT, old(Some(i64::MAX)), u64::MAX), None);
    // Where there is no age, the homeserver's clock says it.
    assert_eq!(until(RIGHT, old(None), u64::MAX), None);
}

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
        has_joined(
            &mut room,
            now,
            name,
            &[device(device_id, "s", BEGIN + HOUR)],
            NOW,
        );
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
    has_joined(
        &mut room,
        now,
        "m",
        &[device("M1", "earlier", BEGIN + HOUR)],
        NOW,
    );
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
    has_joined(
        &mut room,
        now,
        "x",
        &[device("X1", "s2", BEGIN + HOUR)],
        NOW,
    );
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
    let last = room.address(leg, hangup("c1")).unwrap().signal.route;
    assert_eq!(
        (last.to_session.as_str(), last.sequence_number),
        ("s1", Some(0))
    );
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    assert!(room.address(leg, hangup("c1")).is_none());
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
    assert!(room.address(leg, hangup("c2")).is_some());
    assert_eq!(
        b_says(&mut room, now, 1, candidates("c1")),
        Err(SignalRefused::Over)
    );
}

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
    has_joined(
        &mut room,
        now,
        "b",
        &[device("B1", "s2", BEGIN + HOUR)],
        NOW,
    );
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
    has_joined(
        &mut room,
        now,
        "b",
        &[device("B1", "s1", BEGIN + HOUR)],
        NOW,
    );
    let mut nameless = from("B1", "s1", Some(0), invite("c1"));
    nameless.route.device_id = None;
    let refused = room.handle_signal(now, &user("b"), None, nameless);
    assert_eq!(refused, Err(SignalRefused::NoDevice));
    let named = from("B1", "s1", Some(0), invite("c1"));
    assert_eq!(room.handle_signal(now, &user("b"), None, named), Ok(()));
    assert_eq!(heard(&mut room), ["m.call.invite"]);
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
fn what_we_say_has_all_that_matrix_js_sdk_looks_at() {
    let now = origin();
    let (mut room, leg) = in_call_with(now, "x", "X1");
    assert!(
        room.address(leg, invite("c1")).is_none(),
        "there is no call yet"
    );
    room.leg_placed(leg, wire_id("c1"));
    for number in 0..3 {
        let to = room.address(leg, candidates("c1")).unwrap();
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
    let to = room.address(leg, invite("c2")).unwrap();
    assert_eq!(to.signal.route.sequence_number, Some(0));
}

/// The localpart of an address that holds a SecureCall ID.
const SEALED: &str = "sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

#[test]
fn whoever_can_be_called_sealed_is_not_called_here() {
    let now = origin();
    let mut room = in_call(now);
    has_joined(
        &mut room,
        now,
        SEALED,
        &[device("B1", "s1", BEGIN + HOUR)],
        NOW,
    );
    assert_eq!(outputs(&mut room), [Output::Sealed { user: user(SEALED) }]);
    let device_id: DeviceId = "B1".parse().unwrap();
    let signal = from("B1", "s1", Some(0), invite("c1"));
    let refused = room.handle_signal(now, &user(SEALED), Some(&device_id), signal);
    assert_eq!(refused, Err(SignalRefused::SealedOnly));
    // Once is enough, until they come again.
    has_joined(
        &mut room,
        now,
        SEALED,
        &[device("B1", "s1", BEGIN + 2 * HOUR)],
        NOW,
    );
    assert!(outputs(&mut room).is_empty());
    has_joined(&mut room, now, SEALED, &[], NOW);
    has_joined(
        &mut room,
        now,
        SEALED,
        &[device("B1", "s2", BEGIN + HOUR)],
        NOW,
    );
    assert_eq!(outputs(&mut room), [Output::Sealed { user: user(SEALED) }]);

    // A contact with a known ID is the same; one found out in the call too.
    let (mut room, leg) = in_call_with(now, "x", "X1");
    room.handle_contact(now, user("x"));
    let why = EndCall::Left;
    assert_eq!(
        outputs(&mut room),
        [
            Output::Sealed { user: user("x") },
            Output::EndCall { leg, why },
            Output::Left { leg }
        ]
    );
}

#[test]
fn a_room_of_hundreds_with_thousands_of_devices_is_bounded() {
    let now = origin();
    let mut room = in_call(now);
    let many: Vec<_> = (0..100)
        .map(|n| device(&format!("D{n}"), "s", BEGIN + HOUR))
        .collect();
    for n in 0..MAX_MEMBERS + 100 {
        has_joined(&mut room, now, &format!("x{n:03}"), &many, NOW);
    }
    let outputs = outputs(&mut room);
    let count = |is: fn(&Output) -> bool| outputs.iter().filter(|it| is(it)).count();
    assert_eq!(count(|it| matches!(it, Output::Joined { .. })), MAX_LEGS);
    assert_eq!(count(|it| matches!(it, Output::PlaceCall { .. })), MAX_LEGS);
    let users: std::collections::BTreeSet<_> =
        room.participants(&call(), now).map(|it| it.user).collect();
    assert_eq!(users.len(), MAX_MEMBERS);
    // Whose time is over makes room.
    let later = now + Duration::from_millis(HOUR);
    has_joined(
        &mut room,
        later,
        "y",
        &[device("Y1", "s", BEGIN + 2 * HOUR)],
        NOW,
    );
    assert_eq!(devices(&room, later), ["Y1"]);
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
    assert!(room.address(leg, hangup("c1")).is_some());
    room.leg_ended(now, leg, Some(&wire_id("c1")));
    assert!(room.participant(leg).is_none());
    room.leave();
    assert!(outputs(&mut room).is_empty());
}

#[test]
fn a_call_that_is_over_for_all_is_over_for_us_and_so_is_a_room_that_we_left() {
    let now = origin();
    let mut room = in_call(now);
    start_call(&mut room, now, "newer", BEGIN + 5, &call_content());
    assert!(
        !outputs(&mut room)
            .iter()
            .any(|it| matches!(it, Output::Out(_))),
        "we stay in ours"
    );
    let mut over = call_content();
    over["m.terminated"] = "call_ended".into();
    start_call(&mut room, now, CALL, BEGIN + 9, &over);
    assert_eq!(outputs(&mut room), [Output::Out(WhyOut::Terminated)]);

    let mut room = in_call(now);
    room.handle_room_membership(now, &user("m"), false);
    assert_eq!(outputs(&mut room), [Output::Out(WhyOut::NotAllowed)]);
}

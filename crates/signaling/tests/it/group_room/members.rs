//! Who is in a call, by whose clock, and who is not called because a sealed call reaches them.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_contact::DeviceId;
use securecall_signaling::group_room::{
    Clocks, EndCall, GroupRoomOutput as Output, MAX_LEGS, MAX_MEMBERS, MAX_MEMBERSHIP, Sent,
    SignalRefused,
};

use super::events::device;
use super::{
    BEGIN, HOUR, NOW, RIGHT, SECOND, call, devices, enters, from, has_joined, in_call, in_call_by,
    in_call_with, invite, outputs, user,
};
use crate::calls::origin;

const DAY: u64 = 24 * HOUR;

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

/// The localpart of an address that holds a SecureCall ID.
const SEALED: &str = "sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

#[test]
fn whoever_can_be_called_sealed_is_not_called_here() {
    let now = origin();
    let mut room = in_call(now);
    enters(&mut room, now, SEALED, "B1", "s1");
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
    enters(&mut room, now, SEALED, "B1", "s2");
    let user_left = Output::SealedLeft { user: user(SEALED) };
    assert_eq!(
        outputs(&mut room),
        [user_left.clone(), Output::Sealed { user: user(SEALED) }]
    );
    assert!(room.is_with_us(&user(SEALED), now));
    // Before we are out, that nobody is left over.
    room.leave();
    assert_eq!(
        outputs(&mut room)
            .iter()
            .filter(|it| **it == user_left)
            .count(),
        1
    );
    assert!(!room.is_with_us(&user(SEALED), now));

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
    // And is called as the others are when the ID is not known any more.
    room.forget_contact(now, &user("x"));
    let again = outputs(&mut room);
    assert!(matches!(
        again[..],
        [
            Output::SealedLeft { .. },
            Output::Joined { .. },
            Output::PlaceCall { .. }
        ]
    ));
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
    let users: BTreeSet<_> = room.participants(&call(), now).map(|it| it.user).collect();
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

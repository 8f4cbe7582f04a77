//! Which call of a room counts, and which can be joined.

use securecall_signaling::group_room::{
    GroupRoom, GroupRoomOutput as Output, JoinRefused, MAX_CALLS_OF_ROOM, Secrecy, WhyOut,
};
use securecall_signaling::wire::group_room::GroupCallId;
use serde_json::json;

use super::events::{CALL, call_content};
use super::{BEGIN, RIGHT, in_call, outputs, own, start_call, user};
use crate::calls::origin;

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

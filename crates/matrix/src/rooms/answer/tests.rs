//! Answers as no honest homeserver gives them.

use super::*;
use crate::{
    rooms::{
        event::{Membership, RoomEventContent},
        filter::SyncScope,
        group_room::{GroupRoomEvent, GroupRoomEventType},
        raw_event::RawBody,
    },
    sync_answer::SyncReader,
    sync_scanner::MAX_EVENT,
};

const OWN: &str = "@own:homeserver.test";

fn read(rooms: &str) -> RoomsAnswer {
    read_followed(rooms, true, &[])
}

fn read_followed(rooms: &str, calls: bool, followed: &[&str]) -> RoomsAnswer {
    let text = format!(r#"{{"rooms":{rooms},"next_batch":"s1"}}"#);
    let scope = RoomScope {
        own: OWN.try_into().unwrap(),
        calls,
        followed: &followed.iter().map(|room| room.parse().unwrap()).collect(),
    };
    let mut reader = SyncReader::new(SyncScope::Rooms(scope));
    for piece in text.as_bytes().chunks(1_000) {
        reader.read(piece).unwrap();
    }
    reader.finish().unwrap().rooms
}

fn event(event_type: &str, more: &str) -> String {
    format!(r#"{{"type":"{event_type}","sender":"@a:b.test","event_id":"$e",{more}}}"#)
}

fn joined(room: &str, events: &[String]) -> String {
    format!(
        r#""{room}":{{"timeline":{{"events":[{}]}}}}"#,
        events.join(",")
    )
}

fn in_rooms(rooms: &[String]) -> RoomsAnswer {
    read(&format!(r#"{{"join":{{{}}}}}"#, rooms.join(",")))
}

fn in_one(events: &[String]) -> RoomsAnswer {
    in_rooms(&[joined("!r:b.test", events)])
}

fn refused(answer: RoomsAnswer) -> Vec<(RoomRefusal, usize)> {
    answer.refused.into_counts().collect()
}

#[test]
fn what_calls_need_is_kept_in_order_and_nothing_else() {
    let state = |event_type: &str, key: &str, content: &str| {
        event(
            event_type,
            &format!(r#""state_key":"{key}","content":{content}"#),
        )
    };
    let answer = in_one(&[
        event(
            "m.call.invite",
            r#""content":{"call_id":"c"},"unsigned":{"age":1500,"transaction_id":"t"}"#,
        ),
        event("m.room.message", r#""content":{"body":"m.call.invite"}"#),
        state("m.room.member", "@c:d.test", r#"{"membership":"leave"}"#),
        state("m.room.encryption", "", "{}"),
        state("m.room.join_rules", "", r#"{"join_rule":"public"}"#),
        // As a state event it is of no call.
        state("m.call.invite", "", "{}"),
        state("m.room.encryption", "x", "{}"),
        event(
            "m.call.invite",
            r#""content":{},"unsigned":{"redacted_because":{}}"#,
        ),
    ]);
    let contents: Vec<_> = answer
        .events
        .iter()
        .map(|event| match &event.body {
            RawBody::Plain(content) => content,
            RawBody::Encrypted(_) => panic!("{event:?}"),
        })
        .collect();
    let [RoomEventContent::Call(call), member, encrypted, rule] = contents.as_slice() else {
        panic!("{contents:?}");
    };
    assert_eq!(
        (call.event_type.as_str(), call.content.as_str()),
        ("m.call.invite", r#"{"call_id":"c"}"#)
    );
    assert_eq!(
        answer.events[0].age,
        Some(std::time::Duration::from_millis(1_500))
    );
    assert_eq!(answer.events[0].transaction.as_deref(), Some("t"));
    let user = "@c:d.test".parse().unwrap();
    assert_eq!(
        **member,
        RoomEventContent::Member {
            user,
            membership: Membership::Left
        }
    );
    assert_eq!(**encrypted, RoomEventContent::Encrypted);
    assert!(matches!(rule, RoomEventContent::JoinRule(_)));
    assert_eq!(refused(answer), []);
}

#[test]
fn forged_fields_are_refused_with_a_reason() {
    use RoomRefusal::{Malformed, Undecryptable, UnusableUser};
    let megolm = |more: &str| {
        let content = format!(r#""content":{{"algorithm":"m.megolm.v1.aes-sha2"{more}}}"#);
        event("m.room.encrypted", &content)
    };
    for (bad, reason) in [
        ("1".to_owned(), Malformed),
        ("{}".to_owned(), Malformed),
        (
            r#"{"type":"m.call.invite","sender":"@a:b.test","content":{}}"#.to_owned(),
            Malformed,
        ),
        (
            r#"{"type":"m.call.invite","sender":"@a:b.test","event_id":"e","content":{}}"#
                .to_owned(),
            Malformed,
        ),
        (
            r#"{"type":"m.call.invite","sender":"@a:b.test","event_id":"$\u001b[2J","content":{}}"#
                .to_owned(),
            Malformed,
        ),
        (
            r#"{"type":"m.call.invite","sender":["@a:b.test"],"event_id":"$e","content":{}}"#
                .to_owned(),
            Malformed,
        ),
        (
            r#"{"type":"m.call.invite","sender":"nobody","event_id":"$e","content":{}}"#.to_owned(),
            UnusableUser,
        ),
        (
            r#"{"type":"m.call.invite","sender":"@sc_x:b.test","event_id":"$e","content":{}}"#
                .to_owned(),
            UnusableUser,
        ),
        (event("m.call.invite", r#""content":[]"#), Malformed),
        (event("m.call.invite", r#""content":"{""#), Malformed),
        (event("m.call.in vite", r#""content":{}"#), Malformed),
        (
            event("m.call.invite", r#""content":{},"unsigned":7"#),
            Malformed,
        ),
        (
            event(
                "m.room.member",
                r#""state_key":"@c:d.test","content":{"membership":7}"#,
            ),
            Malformed,
        ),
        (
            event(
                "m.room.member",
                r#""state_key":"c","content":{"membership":"join"}"#,
            ),
            UnusableUser,
        ),
        (
            event("m.room.join_rules", r#""state_key":"","content":{}"#),
            Malformed,
        ),
        (event("m.room.encrypted", r#""content":{}"#), Undecryptable),
        (
            event(
                "m.room.encrypted",
                r#""content":{"algorithm":"m.olm.v1.curve25519-aes-sha2"}"#,
            ),
            Undecryptable,
        ),
        (megolm(""), Malformed),
        (megolm(r#","session_id":"s","ciphertext":{}"#), Malformed),
        (
            megolm(r#","session_id":"s","ciphertext":"%%%""#),
            Undecryptable,
        ),
        (
            megolm(r#","session_id":"s","ciphertext":"AwgA""#),
            Undecryptable,
        ),
    ] {
        let good = event("m.call.hangup", r#""content":{}"#);
        let answer = in_one(&[bad.clone(), good]);
        assert_eq!(answer.events.len(), 1, "{bad}");
        assert_eq!(refused(answer), [(reason, 1)], "{bad}");
    }
}

#[test]
fn numbers_that_no_event_has_are_none_or_bounded() {
    for (age, expected) in [
        ("-1", Some(0)),
        ("-1.0", None),
        ("1.5", None),
        (r#""1""#, None),
        ("null", None),
        ("18446744073709551615", Some(10 * 365 * 24 * 3_600)),
    ] {
        let unsigned = format!(r#""content":{{}},"unsigned":{{"age":{age}}}"#);
        let answer = in_one(&[event("m.call.invite", &unsigned)]);
        let read = answer.events[0].age.map(|age| age.as_secs());
        assert_eq!(read, expected, "{age}");
    }
    let long = "t".repeat(256);
    for transaction in [format!(r#""{long}""#), "7".to_owned()] {
        let unsigned = format!(r#""content":{{}},"unsigned":{{"transaction_id":{transaction}}}"#);
        assert_eq!(
            in_one(&[event("m.call.invite", &unsigned)]).events[0].transaction,
            None
        );
    }
}

#[test]
fn an_event_that_is_too_long_is_dropped_and_the_next_is_read() {
    let call = |filler: usize| {
        let content = format!(r#""content":{{"x":"{}"}}"#, "y".repeat(filler));
        event("m.call.invite", &content)
    };
    let fits = MAX_EVENT - call(0).len();
    for (filler, expected) in [(fits, 0), (fits + 1, 1), (20 * MAX_EVENT, 1)] {
        let answer = in_one(&[call(filler), call(0)]);
        assert_eq!(answer.events.len() + expected, 2);
        let expected: &[_] = &[(RoomRefusal::TooLong, expected)][..expected];
        assert_eq!(refused(answer), expected);
    }
}

#[test]
fn neither_one_room_nor_all_of_them_take_more_than_their_share() {
    let call = event("m.call.hangup", r#""content":{}"#);
    let loud = joined("!loud", &vec![call.clone(); 1_000]);
    let quiet = joined("!quiet", std::slice::from_ref(&call));
    let answer = in_rooms(&[loud, quiet]);
    assert_eq!(answer.events.len(), MAX_EVENTS_OF_ROOM + 1);
    assert_eq!(answer.events.last().unwrap().room.as_str(), "!quiet");
    assert_eq!(
        refused(answer),
        [(RoomRefusal::TooMany, 1_000 - MAX_EVENTS_OF_ROOM)]
    );

    let rooms: Vec<_> = (0..10_000)
        .map(|n| joined(&format!("!{n}"), std::slice::from_ref(&call)))
        .collect();
    let answer = in_rooms(&rooms);
    assert_eq!(answer.events.len(), MAX_EVENTS);
    assert_eq!(
        refused(answer),
        [(RoomRefusal::TooMany, 10_000 - MAX_EVENTS)]
    );

    let large = event(
        "m.call.invite",
        &format!(r#""content":{{"x":"{}"}}"#, "y".repeat(60_000)),
    );
    let rooms: Vec<_> = (0..300)
        .map(|n| joined(&format!("!{n}"), std::slice::from_ref(&large)))
        .collect();
    let answer = in_rooms(&rooms);
    assert!(answer.events.len() * 60_000 <= MAX_EVENTS_SIZE && answer.events.len() > 50);
    let kept = answer.events.len();
    assert_eq!(refused(answer), [(RoomRefusal::TooMany, 300 - kept)]);
}

#[test]
fn invitations_are_bounded_and_each_stands_for_itself() {
    let invite = |room: &str, inviter: &str| {
        format!(
            r#""{room}":{{"invite_state":{{"events":[{{"type":"m.room.member","state_key":"{OWN}","sender":"{inviter}","content":{{"membership":"invite"}}}}]}}}}"#
        )
    };
    let empty = r#""!empty":{}"#.to_owned();
    let nobody = invite("!nobody", "@sc_x:b.test");
    let rooms = [
        invite("!1", "@a:b.test"),
        empty,
        nobody,
        invite("!2", "@c:d.test"),
    ];
    let answer = read(&format!(r#"{{"invite":{{{}}}}}"#, rooms.join(",")));
    let inviters: Vec<_> = answer
        .invites
        .iter()
        .map(|it| (it.room.as_str(), it.inviter.as_str()))
        .collect();
    assert_eq!(inviters, [("!1", "@a:b.test"), ("!2", "@c:d.test")]);
    assert_eq!(
        refused(answer),
        [(RoomRefusal::UnusableUser, 1), (RoomRefusal::NoInviter, 1)]
    );

    let many: Vec<_> = (0..10_000)
        .map(|n| invite(&format!("!{n}"), "@a:b.test"))
        .collect();
    let answer = read(&format!(r#"{{"invite":{{{}}}}}"#, many.join(",")));
    assert_eq!(answer.invites.len(), MAX_INVITES);
    assert_eq!(
        refused(answer),
        [(RoomRefusal::TooMany, 10_000 - MAX_INVITES)]
    );
}

#[test]
fn a_room_without_a_usable_id_is_refused_and_its_events_go_to_no_other() {
    let call = event("m.call.hangup", r#""content":{}"#);
    for id in [
        "",
        "r",
        "!",
        "!a b",
        "!\\u001b[2J",
        "!\\ud800",
        &format!("!{}", "x".repeat(255)),
    ] {
        let good = joined("!good", &[]);
        let answer = in_rooms(&[good, joined(id, std::slice::from_ref(&call))]);
        assert_eq!(answer.events.len(), 0, "{id}");
        assert_eq!(refused(answer), [(RoomRefusal::UnusableRoom, 1)], "{id}");
    }
    // The same ID, written otherwise.
    let answer = in_rooms(&[joined("!\\u0061", &[call])]);
    assert_eq!(answer.events[0].room.as_str(), "!a");
}

#[test]
fn rooms_that_we_have_left_or_missed_something_of_are_named() {
    let answer = read(
        r#"{"join":{"!gap":{"timeline":{"limited":true,"events":[]}},"!whole":{"timeline":{"limited":false}},"!odd":{"timeline":{"limited":[true]}}},"leave":{"!left":{}}}"#,
    );
    let names =
        |rooms: &[RoomId]| -> Vec<String> { rooms.iter().map(ToString::to_string).collect() };
    assert_eq!(names(&answer.gaps), ["!gap"]);
    assert_eq!(names(&answer.left), ["!left"]);

    let many: Vec<_> = (0..1_000)
        .map(|n| format!(r#""!{n}":{{"timeline":{{"limited":true}}}}"#))
        .collect();
    let many = many.join(",");
    let answer = read(&format!(r#"{{"join":{{{many}}},"leave":{{{many}}}}}"#));
    assert_eq!(
        (answer.gaps.len(), answer.left.len()),
        (MAX_ROOMS_TOLD, MAX_ROOMS_TOLD)
    );
    assert_eq!(
        refused(answer),
        [(RoomRefusal::TooMany, 1_000 - MAX_ROOMS_TOLD)]
    );
}

/// A state event of a group call, as `sender` is said to have sent it.
fn group(event_type: GroupRoomEventType, key: &str, sender: &str, content: &str) -> String {
    format!(
        r#"{{"type":"{}","state_key":"{key}","sender":"{sender}","event_id":"$e","origin_server_ts":7,"content":{content},"unsigned":{{"age":-3}}}}"#,
        event_type.as_str()
    )
}

fn in_followed(rooms: &[String], calls: bool) -> RoomsAnswer {
    let rooms = format!(r#"{{"join":{{{}}}}}"#, rooms.join(","));
    read_followed(&rooms, calls, &["!r:b.test"])
}

const CALL: GroupRoomEventType = GroupRoomEventType::Call;
const MEMBER: GroupRoomEventType = GroupRoomEventType::Member;

#[test]
fn group_calls_are_kept_of_followed_rooms_and_of_no_others() {
    let user = "@a:b.test";
    let events = [
        group(CALL, "c1", user, r#"{"m.type":"m.voice"}"#),
        group(MEMBER, user, user, "{}"),
        event(
            "m.room.member",
            r#""state_key":"@c:d.test","content":{"membership":"join"}"#,
        ),
        // What came before they did, and before we did.
        event(
            "m.room.member",
            r#""state_key":"@c:d.test","content":{"membership":"invite"}"#,
        ),
        event(
            "m.room.member",
            &format!(r#""state_key":"{OWN}","content":{{"membership":"invite"}}"#),
        ),
        event("m.call.hangup", r#""content":{}"#),
    ];
    let rooms = [joined("!r:b.test", &events), joined("!other", &events)];
    let room: RoomId = "!r:b.test".parse().unwrap();
    let expected = |event_type, state_key: &str, content: &str| {
        Incoming::GroupRoom(GroupRoomEvent {
            room: room.clone(),
            sender: user.parse().unwrap(),
            event_type,
            state_key: state_key.to_owned(),
            content: content.to_owned(),
            sent_ms: 7,
            age_ms: Some(-3),
        })
    };
    for (calls, others) in [(true, 8), (false, 0)] {
        let answer = in_followed(&rooms, calls);
        assert_eq!(
            answer.followed,
            [
                expected(CALL, "c1", r#"{"m.type":"m.voice"}"#),
                expected(MEMBER, user, "{}"),
                Incoming::GroupRoomMembership {
                    room: room.clone(),
                    user: "@c:d.test".parse().unwrap(),
                    is_in_room: true,
                },
            ]
        );
        // The members and the hangup, of both rooms.
        assert_eq!(answer.events.len(), others);
        assert_eq!(refused(answer), []);
    }
    assert_eq!(read(&format!("{{\"join\":{{{}}}}}", rooms[0])).followed, []);
}

#[test]
fn a_state_event_that_is_not_as_it_should_be_is_none() {
    let user = "@a:b.test";
    let long = "x".repeat(256);
    for bad in [
        // Only whose it is can send it.
        group(MEMBER, user, "@c:b.test", "{}"),
        group(MEMBER, "_@a:b.test_DEVICE", user, "{}"),
        group(MEMBER, "sc_x", "sc_x", "{}"),
        group(MEMBER, "@sc_nonsense:b.test", "@sc_nonsense:b.test", "{}"),
        group(CALL, "", user, "{}"),
        group(CALL, "c 1", user, "{}"),
        group(CALL, &long, user, "{}"),
        group(CALL, "c1", "nobody", "{}"),
        group(CALL, "c1", user, "[]"),
        group(CALL, "c1", user, "\"{\""),
        group(CALL, "c1", user, "{}").replace(":7,", ":-7,"),
        group(CALL, "c1", user, "{}").replace(":7,", ":\"7\","),
        group(CALL, "c1", user, "{}").replace("\"state_key\":\"c1\",", ""),
    ] {
        let answer = in_followed(&[joined("!r:b.test", std::slice::from_ref(&bad))], true);
        assert_eq!(answer.followed, [], "{bad}");
    }
    // What is beside the point may be anything.
    for unsigned in ["7", "null", "{}", r#"{"age":"old"}"#, r#"{"age":1e99}"#] {
        let odd = group(CALL, "c1", user, "{}").replace(r#"{"age":-3}"#, unsigned);
        let answer = in_followed(&[joined("!r:b.test", &[odd])], false);
        assert!(
            matches!(&answer.followed[..], [Incoming::GroupRoom(event)] if event.age_ms.is_none()),
            "{unsigned}"
        );
    }
}

#[test]
fn what_is_kept_of_followed_rooms_is_bounded_and_what_is_missing_is_a_gap() {
    let gap = Incoming::GroupRoomGap {
        room: "!r:b.test".parse().unwrap(),
    };
    let one = |filler: usize| {
        let content = format!(r#"{{"x":"{}"}}"#, "y".repeat(filler));
        group(CALL, "c1", "@a:b.test", &content)
    };
    let many = vec![one(0); 3_000];
    let large = vec![one(60 * 1024); 200];
    let too_long = [one(MAX_EVENT)];
    for (events, at_least, at_most) in [
        (&many[..], 512, 512),
        (&large, 50, 4 * 1024 / 60),
        (&too_long, 0, 0),
    ] {
        let answer = in_followed(&[joined("!r:b.test", events)], false);
        let (last, kept) = answer.followed.split_last().unwrap();
        assert_eq!(*last, gap);
        assert!((at_least..=at_most).contains(&kept.len()), "{}", kept.len());
        assert_eq!(refused(answer), []);
    }
    let limited = |room: &str| format!(r#""{room}":{{"timeline":{{"events":[],"limited":true}}}}"#);
    let answer = in_followed(&[limited("!r:b.test"), limited("!other")], false);
    assert_eq!(answer.followed, [gap]);
    assert_eq!(answer.gaps, []);
}

#[test]
fn who_is_put_out_of_a_followed_room_is_told() {
    let rooms = r#"{"leave":{"!r:b.test":{"timeline":{"events":[]}},"!other":{}}}"#;
    for calls in [false, true] {
        let answer = read_followed(rooms, calls, &["!r:b.test"]);
        let out = Incoming::GroupRoomMembership {
            room: "!r:b.test".parse().unwrap(),
            user: OWN.parse().unwrap(),
            is_in_room: false,
        };
        assert_eq!(answer.followed, [out]);
        assert_eq!(answer.left.len(), if calls { 2 } else { 0 });
    }
}

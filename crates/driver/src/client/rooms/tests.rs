use securecall_matrix::{JoinRule, Origin};

use super::*;
use crate::clock;

fn room(number: usize) -> RoomId {
    format!("!room{number}:example.org").parse().unwrap()
}

fn user(name: &str) -> MatrixId {
    format!("@{name}:example.org").parse().unwrap()
}

fn event(number: usize, content: RoomEventContent) -> RoomEvent {
    RoomEvent {
        room: room(number),
        event_id: "$event".parse().unwrap(),
        sender: user("bo"),
        age: Some(Duration::from_secs(1)),
        origin: Origin::Other,
        content,
    }
}

fn call(number: usize, event_type: &str) -> RoomEvent {
    let call = CallEvent {
        event_type: event_type.to_owned(),
        content: format!(r#"{{"call_id": "{event_type}"}}"#),
        protection: EventProtection::None,
    };
    event(number, RoomEventContent::Call(call))
}

fn member(number: usize, name: &str, membership: Membership) -> RoomEvent {
    let user = user(name);
    event(number, RoomEventContent::Member { user, membership })
}

fn of_two() -> RoomFacts {
    RoomFacts {
        members: vec![user("ada"), user("bo")],
        encrypted: false,
        join_rule: JoinRule::Invite,
    }
}

/// The types of the events of calls, in order.
fn types(step: &Step) -> Vec<&str> {
    let events = step.inputs.iter().filter_map(RoomInput::as_event);
    events.map(|event| event.event_type).collect()
}

#[test]
fn an_invite_waits_until_its_room_is_known_with_all_that_follows_in_its_order_and_older_by_that() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    let asked = rooms.take(now, call(1, "m.call.invite"), false);
    assert_eq!((asked.inputs.len(), asked.ask), (0, Some(room(1))));
    // Once is enough.
    let more = rooms.take(now, call(1, "m.call.candidates"), false);
    assert_eq!(more, Step::default());
    let hangup = rooms.take(now, call(1, "m.call.hangup"), false);
    assert_eq!(hangup, Step::default());
    let later = now + Duration::from_secs(2);
    let step = rooms.answered(later, room(1), Ok(of_two()));
    assert_eq!(
        types(&step),
        ["m.call.invite", "m.call.candidates", "m.call.hangup"]
    );
    let event = step.inputs[0].as_event().unwrap();
    assert_eq!(event.age, Some(Duration::from_secs(3)));
    assert_eq!(event.facts.joined_members, 2);
    // From now on nobody asks, until something changes, or it is long ago.
    let known = |rooms: &mut Rooms, at| {
        rooms
            .take(at, call(1, "m.call.invite"), false)
            .ask
            .is_none()
    };
    assert!(known(&mut rooms, later));
    assert!(!known(&mut rooms, later + KNOWN_FOR));
}

#[test]
fn whatever_changes_a_room_has_it_asked_about_again() {
    let encrypted = event(1, RoomEventContent::Encrypted);
    let public = event(1, RoomEventContent::JoinRule(JoinRule::Public));
    for change in [
        encrypted,
        public,
        member(1, "eve", Membership::Joined),
        member(1, "bo", Membership::Left),
        member(1, "eve", Membership::Invited),
    ] {
        let (now, mut rooms) = (clock::now(), Rooms::default());
        rooms.take(now, call(1, "m.call.invite"), false);
        rooms.answered(now, room(1), Ok(of_two()));
        rooms.take(now, change.clone(), false);
        let asked = rooms.take(now, call(1, "m.call.invite"), false);
        assert_eq!(asked.ask, Some(room(1)), "{change:?}");
    }
    let (now, mut rooms) = (clock::now(), Rooms::default());
    rooms.found(now, &user("bo"), &room(1), as_known(&of_two()));
    rooms.forget(&room(1));
    assert!(
        rooms
            .take(now, call(1, "m.call.invite"), false)
            .ask
            .is_some()
    );
}

#[test]
fn what_changes_while_it_is_asked_about_is_asked_again_and_not_without_end() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    rooms.take(now, call(1, "m.call.invite"), false);
    for _ in 1..MAX_QUESTIONS {
        let held = rooms.take(now, member(1, "eve", Membership::Joined), false);
        assert_eq!(held, Step::default());
        let again = rooms.answered(now, room(1), Ok(of_two()));
        assert_eq!((again.inputs.len(), again.ask), (0, Some(room(1))));
    }
    rooms.take(now, member(1, "eve", Membership::Left), false);
    let step = rooms.answered(now, room(1), Ok(of_two()));
    assert_eq!((types(&step), &step.ask), (vec!["m.call.invite"], &None));
    // In their order: she came, and went.
    let left = RoomInput::Left(room(1), user("eve"));
    assert_eq!(step.inputs.last(), Some(&left));
}

#[test]
fn events_of_calls_that_nobody_here_knows_cost_no_question() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    for event_type in ["m.call.hangup", "m.call.answer", "m.call.select_answer"] {
        assert_eq!(rooms.take(now, call(1, event_type), false), Step::default());
    }
    assert!(
        rooms
            .take(now, call(1, "m.call.hangup"), true)
            .ask
            .is_some()
    );
    // matrix-dart-sdk names candidates before it invites.
    assert!(
        rooms
            .take(now, call(2, "m.call.candidates"), false)
            .ask
            .is_some()
    );
}

#[test]
fn calls_in_a_thousand_rooms_are_a_few_questions_and_a_flood_in_one_is_bounded() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    let asked = (0..1000).filter(|number| {
        let step = rooms.take(now, call(*number, "m.call.invite"), false);
        step.ask.is_some()
    });
    assert_eq!(asked.count(), MAX_ASKED);
    for _ in 0..1000 {
        rooms.take(now, call(1, "m.call.candidates"), false);
    }
    let step = rooms.answered(now, room(1), Ok(of_two()));
    assert_eq!(step.inputs.len(), MAX_HELD);
    // The bytes of a few are as good as many.
    let mut rooms = Rooms::default();
    rooms.take(now, call(1, "m.call.invite"), false);
    for _ in 0..10 {
        let mut long = call(1, "m.call.candidates");
        if let RoomEventContent::Call(call) = &mut long.content {
            call.content = "x".repeat(MAX_HELD_BYTES / 4);
        }
        rooms.take(now, long, false);
    }
    let step = rooms.answered(now, room(1), Ok(of_two()));
    assert!(step.inputs.len() < 5, "{}", step.inputs.len());
    // What is known is bounded, too.
    for number in 0..1000 {
        let bo = user(&format!("bo{number}"));
        rooms.found(now, &bo, &room(number), as_known(&of_two()));
    }
    assert!(rooms.known.len() <= MAX_KNOWN && rooms.order.len() <= MAX_KNOWN);
    assert!(rooms.direct.len() <= MAX_KNOWN);
    for number in 0..1000 {
        rooms.take(now, member(number, "bo", Membership::Joined), false);
    }
    assert!(rooms.came.len() <= MAX_CAME);
}

#[test]
fn a_room_that_nothing_is_known_of_takes_no_call() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    rooms.take(now, call(1, "m.call.invite"), false);
    let step = rooms.answered(now, room(1), Err(RoomError::NotMember));
    assert_eq!(step, Step::default());
    // We were put out of it while it was asked about.
    rooms.take(now, call(2, "m.call.invite"), false);
    rooms.left(&room(2));
    assert_eq!(rooms.answered(now, room(2), Ok(of_two())), Step::default());
}

#[test]
fn a_room_of_two_is_used_again_while_it_is_one() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    let bo = user("bo");
    assert_eq!(rooms.direct(now, &bo), None);
    rooms.found(now, &bo, &room(1), as_known(&of_two()));
    assert_eq!(rooms.direct(now, &bo).unwrap().0, room(1));
    assert_eq!(rooms.direct(now + KNOWN_FOR, &bo), None);
    rooms.take(now, member(1, "eve", Membership::Joined), false);
    assert_eq!(rooms.direct(now, &bo), None);
    rooms.found(now, &bo, &room(1), as_known(&of_two()));
    rooms.left(&room(1));
    assert_eq!(rooms.direct(now, &bo), None);
}

#[test]
fn who_has_come_is_known_until_they_go() {
    let (now, mut rooms) = (clock::now(), Rooms::default());
    let bo = user("bo");
    assert!(!rooms.has_come(&room(1), &bo));
    let step = rooms.take(now, member(1, "bo", Membership::Joined), false);
    assert_eq!(step.inputs, [RoomInput::Joined(room(1), bo.clone())]);
    assert!(rooms.has_come(&room(1), &bo) && !rooms.has_come(&room(2), &bo));
    rooms.take(now, member(1, "bo", Membership::Left), false);
    assert!(!rooms.has_come(&room(1), &bo));
}

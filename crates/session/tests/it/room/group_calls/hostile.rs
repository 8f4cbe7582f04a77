//! Members, and servers, that mean no good.

use securecall_contact::SecureCallId;
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    ConferenceEvent, Contact, Contacts, GroupRoomError, GroupRoomEvent, GroupRoomEventKind,
    LeftReason, Require, Rule, SignalRefused,
};
use serde_json::{Value, json};

use super::calls::{all_in_call, begin_by_page, enter};
use super::world::{Sent, World, user};

const CALL: &str = "1795892916899iqRwYbBT1XHU0XKw";

fn member(world: &World, device: &str) -> Value {
    json!({ "m.calls": [{ "m.call_id": CALL, "m.devices": [{
        "device_id": device, "session_id": "s", "expires_ts": world.server_ms() + 3_600_000, "feeds": [],
    }] }] })
}

/// One of ours in the call of a page.
fn in_call(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let page = world.add_page("b");
    let ours = world.add("m");
    all_in_call(&mut world, &[page], &[ours]);
    (world, page, ours)
}

#[test]
fn of_five_hundred_members_few_are_called_and_nobody_hears_less_of_us() {
    let (mut world, page, ours) = in_call(1);
    for number in 0..500 {
        let content = member(&world, "X");
        let name = user(&format!("z{number}"));
        world.write(name.clone(), false, name.as_str(), &content);
    }
    world.seconds(300);
    let invites = world
        .sent
        .iter()
        .filter(|it| it.from == user("m") && it.event_type == "m.call.invite");
    // 32 legs, and each is tried four times.
    assert!(invites.count() <= 32 * 4 + 4);
    assert!(
        world
            .heard(ours)
            .contains(world.pages[&page].device_id.as_str())
    );
}

#[test]
fn who_is_sealed_is_not_called_and_the_user_told() {
    let sealed = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([77; 32])).public();
    let contacts = Contacts::new([Contact {
        name: "Xenia".to_owned(),
        identity: sealed,
        matrix_id: user("x"),
    }]);
    for knows_before in [true, false] {
        let mut world = World::new(2);
        let pages = [world.add_page("b"), world.add_page("x")];
        let known = if knows_before {
            contacts.clone()
        } else {
            Contacts::default()
        };
        let ours = world.add_with("m", known);
        begin_by_page(&mut world, pages[0], false);
        enter(&mut world, pages[1]);
        world.seconds(1);
        world.join(ours);
        world.seconds(10);
        if !knows_before {
            world.check_all_hear(&[pages[0], pages[1], ours]);
            let contacts = contacts.clone();
            world.with(ours, |endpoint, _, _| endpoint.set_contacts(contacts));
            world.seconds(30);
        }
        let told: Vec<_> = world
            .told(ours)
            .filter_map(|event| match event {
                ConferenceEvent::SealedInstead { peer } => Some((peer.id, peer.matrix_id.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(Some(SecureCallId::new(&sealed)), user("x"))]);
        let device = world.pages[&pages[0]].device_id.to_string();
        assert_eq!(world.heard(ours), [device].into());
    }
}

#[test]
fn who_is_blocked_is_neither_called_nor_taken_and_the_user_told_once() {
    for (blocked, require, why) in [
        (true, Require::Any, LeftReason::Blocked),
        (false, Require::SecureCall, LeftReason::NotAllowed),
    ] {
        let rules = ["b", "x"].map(|name| Rule {
            identity: None,
            matrix_id: user(name),
            blocked,
            require,
        });
        let mut world = World::new(3);
        let pages = [world.add_page("b"), world.add_page("x")];
        let ours = world.add_with("m", Contacts::default().with_rules(rules));
        begin_by_page(&mut world, pages[0], false);
        enter(&mut world, pages[1]);
        world.seconds(1);
        world.join(ours);
        world.seconds(120);
        assert!(world.sent.iter().all(|it| it.from != user("m")));
        let told = world
            .told(ours)
            .filter(|event| matches!(event, ConferenceEvent::Left { why: it, .. } if *it == why));
        assert_eq!(told.count(), 2);
        assert!(world.ours[&ours].commands.is_empty());
    }
}

#[test]
fn what_comes_in_clear_is_not_heard_unless_the_user_allows_it_and_told_once() {
    let mut world = World::new(4);
    let page = world.add_page("b");
    let ours = world.add("m");
    begin_by_page(&mut world, page, true);
    world.seconds(1);
    world.join(ours);
    world.seconds(30);
    let told = world
        .told(ours)
        .filter(|event| matches!(event, ConferenceEvent::InClearRefused { .. }));
    assert_eq!(told.count(), 1);
    assert!(world.heard(ours).is_empty());
    assert!(
        world
            .sent
            .iter()
            .all(|it| !(it.from == user("m") && it.in_clear))
    );
}

#[test]
fn forged_and_misdirected_events_change_nothing() {
    let (mut world, page, ours) = in_call(5);
    let good: Vec<Sent> = world
        .sent
        .iter()
        .filter(|it| it.to == user("m"))
        .cloned()
        .collect();
    let hangup = Sent {
        event_type: "m.call.hangup".to_owned(),
        ..good[0].clone()
    };
    let fields = ["conf_id", "dest_session_id", "sender_session_id", "call_id"];
    let before = world.ours[&ours].refused.len();
    for field in fields {
        let mut forged = hangup.clone();
        forged.content[field] = "another".into();
        forged.content["seq"] = 99.into();
        world.hand_in(ours, &forged);
    }
    // Of somebody else, of another device of the same user, and in clear.
    for change in [
        |it: &mut Sent| it.from = user("evil"),
        |it: &mut Sent| it.from_device = "EVIL".parse().unwrap(),
        |it: &mut Sent| it.in_clear = true,
    ] {
        let mut forged = hangup.clone();
        forged.content["seq"] = 99.into();
        change(&mut forged);
        world.hand_in(ours, &forged);
    }
    for content in [json!({}), json!([]), json!({ "conf_id": 1 })] {
        world.hand_in(
            ours,
            &Sent {
                content,
                ..hangup.clone()
            },
        );
    }
    world.seconds(20);
    assert!(world.ours[&ours].refused.len() > before);
    world.check_all_hear(&[page, ours]);
}

/// A leg goes from device to device. What stands in the room's timeline everybody in the room can write there, and it is no part of the leg.
#[test]
fn what_the_timeline_of_the_room_says_of_a_leg_changes_nothing() {
    let (mut world, page, ours) = in_call(12);
    let of_leg = |it: &&Sent| it.to == user("m") && it.event_type == "m.call.invite";
    let invite = world.sent.iter().find(of_leg).unwrap().content.clone();
    let hangup = json!({
        "call_id": invite["call_id"], "party_id": invite["party_id"], "version": "1", "reason": "user_hangup",
    });
    let hangup = hangup.to_string();
    for sender in ["b", "m"] {
        let heard = world.in_timeline_of(ours, &user(sender), "m.call.hangup", &hangup);
        assert_eq!(heard, Err(SignalRefused::UnknownCall));
        world.check_all_hear(&[page, ours]);
    }
}

#[test]
fn a_member_event_that_somebody_else_sent_counts_for_nobody() {
    let (mut world, page, ours) = in_call(6);
    let room = world.room.clone();
    let event = GroupRoomEvent {
        sender: user("evil"),
        kind: GroupRoomEventKind::Member,
        state_key: user("b").to_string(),
        content: member(&world, "EVIL").to_string(),
        sent_ms: world.server_ms(),
        age_ms: Some(0),
    };
    let before = world.told(ours).count();
    world.with(ours, |endpoint, now, rng| {
        endpoint.handle_group_room_event(now, rng, &room, &event);
    });
    world.seconds(30);
    world.check_all_hear(&[page, ours]);
    assert_eq!(world.told(ours).count(), before);
}

#[test]
fn who_is_not_in_the_room_is_not_in_its_call() {
    let mut world = World::new(7);
    let page = world.add_page("x");
    let ours = world.add("m");
    all_in_call(&mut world, &[page], &[ours]);
    let room = world.room.clone();
    world.with(ours, |endpoint, now, rng| {
        endpoint.handle_group_room_membership(now, rng, &room, &user("x"), false);
    });
    world.seconds(2);
    assert!(world.heard(ours).is_empty());
    // A state that names people who have left, and people who are there.
    let mut state = world.room_state();
    state.joined.clear();
    for is_there in [false, true] {
        if is_there {
            state = world.room_state();
        }
        world.with(ours, |endpoint, now, rng| {
            endpoint.handle_group_room_state(now, rng, &room, &state);
        });
        world.seconds(10);
        assert_eq!(world.heard(ours).len(), usize::from(is_there));
    }
    world.check_all_hear(&[page, ours]);
}

#[test]
fn a_device_that_hangs_up_at_once_is_not_called_for_ever() {
    let mut world = World::new(8);
    let page = world.add_page("x");
    let ours = world.add("m");
    begin_by_page(&mut world, page, false);
    world.seconds(1);
    world.join(ours);
    for _ in 0..120 {
        world.seconds(1);
        world.page(page, |page, _, _| page.hang_up_all());
    }
    let invites = world
        .sent
        .iter()
        .filter(|it| it.from == user("m") && it.event_type == "m.call.invite");
    assert!(invites.count() <= 8);
}

#[test]
fn a_call_over_a_media_server_is_not_joined() {
    let mut world = World::new(9);
    let ours = world.add("m");
    let content = json!({
        "m.type": "m.video", "m.intent": "m.room", "io.element.livekit_service_url": "https://sfu.example.org",
    });
    world.write(user("b"), true, CALL, &content);
    let refused = world.join_with(ours, world.order(false));
    assert_eq!(refused, Err(GroupRoomError::MediaServer));
    assert!(world.ours[&ours].endpoint.is_empty());
    assert_eq!(world.told(ours).count(), 0);
}

#[test]
fn an_invite_that_names_somebody_else_is_not_taken() {
    let mut world = World::new(10);
    let page = world.add_page("b");
    let ours = world.add("m");
    begin_by_page(&mut world, page, false);
    world.write(user("z"), false, user("z").as_str(), &json!({}));
    world.seconds(1);
    world.join(ours);
    world.run_ms(900);
    let invite = world.sent.iter().find(|it| it.to == user("m")).cloned();
    let mut invite = invite.unwrap();
    world.page(page, |page, _, _| page.hang_up_all());
    world.seconds(1);
    let before = world.ours[&ours].commands.len();
    invite.content["call_id"] = "another".into();
    invite.content["invitee"] = user("z").as_str().into();
    world.hand_in(ours, &invite);
    assert_eq!(world.ours[&ours].commands.len(), before);
    invite.content["call_id"] = "third".into();
    invite.content["invitee"] = user("m").as_str().into();
    world.hand_in(ours, &invite);
    assert_eq!(world.ours[&ours].commands.len(), before + 1);
}

#[test]
fn only_who_is_in_is_told_of_as_speaking_in_clear() {
    let (mut world, _, ours) = in_call(11);
    let sent = world.sent.iter().find(|it| it.to == user("m")).cloned();
    let mut sent = sent.unwrap();
    sent.in_clear = true;
    for number in 0..100 {
        sent.from = user(&format!("z{number}"));
        world.hand_in(ours, &sent);
    }
    let told = |world: &World| {
        let in_clear = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::InClearRefused { .. });
        world.told(ours).filter(in_clear).count()
    };
    assert_eq!(told(&world), 0);
    for number in 0..100 {
        let name = user(&format!("y{number}"));
        let content = member(&world, sent.content["device_id"].as_str().unwrap());
        world.write(name.clone(), false, name.as_str(), &content);
    }
    world.seconds(2);
    for number in 0..100 {
        sent.from = user(&format!("y{number}"));
        world.hand_in(ours, &sent);
        world.hand_in(ours, &sent);
    }
    assert_eq!(told(&world), 32);
}

//! What happens in a group call of a room.

use std::collections::BTreeSet;

use securecall_session::{
    CallError, CallOptions, Callee, CommandError, ConferenceEvent, EndReason, Event,
    GroupRoomError, GroupRoomEvent, GroupRoomEventKind, GroupRoomOrder, Require, Tier,
};
use serde_json::json;

use super::super::contents::js_invite;
use super::super::world::DIRECT;
use super::world::{World, user};

const CALL: &str = "1795892916899iqRwYbBT1XHU0XKw";

/// A call that a page has begun.
pub(super) fn begin_by_page(world: &mut World, page: usize, in_clear: bool) {
    let content = json!({ "m.type": "m.voice", "m.intent": "m.prompt" });
    let sender = world.pages[&page].user.clone();
    world.write(sender, true, CALL, &content);
    world.page(page, |page, now, ms| page.enter(now, ms, CALL, in_clear));
}

pub(super) fn enter(world: &mut World, page: usize) {
    world.page(page, |page, now, ms| page.enter(now, ms, CALL, false));
}

/// A call that the first of these pages has begun, with the others in it; then we join, and all hear all.
pub(super) fn all_in_call(world: &mut World, pages: &[usize], ours: &[usize]) {
    begin_by_page(world, pages[0], false);
    for page in &pages[1..] {
        enter(world, *page);
    }
    world.seconds(1);
    for who in ours {
        world.join(*who);
    }
    world.seconds(15);
    world.check_all_hear(&[pages, ours].concat());
}

pub(super) fn ended(world: &World, who: usize) -> Option<(EndReason, bool)> {
    match world.told(who).last()? {
        ConferenceEvent::Ended {
            reason,
            connected_for,
        } => Some((*reason, connected_for.is_some())),
        _ => None,
    }
}

#[test]
fn three_of_us_are_in_one_call_that_the_first_begins() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let all = ["a", "b", "c"].map(|name| world.add(name));
        let first = world.join(all[0]);
        world.seconds(3);
        let others = [world.join(all[1]), world.join(all[2])];
        assert!(others.iter().all(|it| it.id == first.id), "seed {seed}");
        world.seconds(10);
        world.check_all_hear(&all);
        // One microphone for all legs: all but the first are beside one that lives.
        for ours in world.ours.values() {
            let alone = |it: &&Vec<String>| it[0].ends_with("beside None");
            assert_eq!(ours.commands.values().filter(alone).count(), 1);
        }
        for who in all {
            world.leave(who);
            assert_eq!(ended(&world, who), Some((EndReason::LocalHangup, true)));
        }
        world.check_empty();
    }
}

#[test]
fn with_pages_of_matrix_js_sdk_each_hears_each_whoever_calls_whom() {
    for seed in 0..30 {
        for in_clear in [false, true] {
            let mut world = World::new(seed);
            // Of each two the lesser calls: pages before us, and behind.
            let pages = [world.add_page("a"), world.add_page("x")];
            let ours = [world.add("m"), world.add("n")];
            begin_by_page(&mut world, pages[0], in_clear);
            world.seconds(1);
            for who in ours {
                let order = world.order(in_clear);
                world.join_with(who, order).unwrap();
            }
            world.page(pages[1], |page, now, ms| {
                page.enter(now, ms, CALL, in_clear);
            });
            world.seconds(20);
            world.check_all_hear(&[pages[0], pages[1], ours[0], ours[1]]);
            assert!(world.sent.iter().all(|it| it.in_clear == in_clear));
            // Who leaves tells, and is gone for all at once.
            world.page(pages[0], |page, _, _| page.leave());
            world.seconds(2);
            world.check_all_hear(&[pages[1], ours[0], ours[1]]);
            world.leave(ours[0]);
            world.seconds(2);
            world.check_all_hear(&[pages[1], ours[1]]);
            world.page(pages[1], |page, _, _| page.leave());
            world.seconds(2);
            // Whoever is alone stays: others may come.
            assert_eq!(ended(&world, ours[1]), None);
            world.leave(ours[1]);
            world.check_empty();
        }
    }
}

#[test]
fn what_the_room_keeps_is_told_first_and_then_that_we_are_in() {
    let mut world = World::new(1);
    let [a, b] = ["a", "b"].map(|name| world.add(name));
    for (who, starts) in [(a, true), (b, false)] {
        world.join(who);
        assert!(!world.ours[&who].endpoint.is_idle());
        let told: Vec<_> = world.told(who).take(2).collect();
        let [
            ConferenceEvent::Keeps(keeps),
            ConferenceEvent::Began { call: None },
        ] = told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(keeps.starts, starts);
        assert_eq!((keeps.people, keeps.in_clear), (2, false));
        world.seconds(3);
    }
    let tiers = world.ours[&a]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Connected { tier, .. } => Some(*tier),
            _ => None,
        });
    assert_eq!(tiers.collect::<Vec<_>>(), [Tier::Matrix]);
}

/// Who has left and come back just before we read the room is there, and whatever the sync still brings from before.
#[test]
fn what_the_sync_brings_from_before_the_room_was_read_is_no_news() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let (page, ours) = (world.add_page("x"), world.add("m"));
        begin_by_page(&mut world, page, false);
        world.seconds(1);
        let entry = world.member(&user("x")).unwrap();
        let none = json!({ "m.calls": [] });
        for content in [&none, &entry, &none, &entry] {
            world.run_ms(1);
            world.write(user("x"), false, user("x").as_str(), content);
        }
        world.join(ours);
        world.seconds(10);
        world.check_all_hear(&[page, ours]);
        let told = world.told(ours);
        let left = told.filter(|it| matches!(it, ConferenceEvent::Left { .. }));
        assert_eq!(left.count(), 0, "seed {seed}");
        let invites = world.sent.iter();
        let invites = invites.filter(|it| it.event_type == "m.call.invite");
        assert_eq!(invites.count(), 1, "seed {seed}");
        // By and by what comes counts, whatever clock it has.
        world.seconds(30);
        let room = world.room.clone();
        let event = GroupRoomEvent {
            sender: user("x"),
            kind: GroupRoomEventKind::Member,
            state_key: user("x").to_string(),
            content: none.to_string(),
            sent_ms: 1,
            age_ms: Some(0),
        };
        world.with(ours, |endpoint, now, rng| {
            endpoint.handle_group_room_event(now, rng, &room, &event);
        });
        assert!(world.heard(ours).is_empty(), "seed {seed}");
    }
}

#[test]
fn two_who_begin_at_once_are_in_the_same_call() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        let all = [world.add("a"), world.add("b")];
        for who in all {
            world.join(who);
        }
        world.seconds(30);
        world.check_all_hear(&all);
        assert_eq!(world.open_calls(), 1, "seed {seed}");
        world.check_empty_without(&all);
    }
}

#[test]
fn two_devices_of_one_user_are_members_as_others_are() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let all = [world.add("m"), world.add("m"), world.add("b")];
        world.join(all[0]);
        world.seconds(3);
        world.join(all[1]);
        world.join(all[2]);
        world.seconds(15);
        world.check_all_hear(&all);
        let peers: BTreeSet<_> = world
            .told(all[2])
            .filter_map(|event| match event {
                ConferenceEvent::Joined { peer, .. } => Some(peer.device_id.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(peers.len(), 2);
        world.check_empty_without(&all);
    }
}

#[test]
fn the_last_who_leaves_ends_the_call_unless_the_room_has_it_for_ever() {
    for (intent, stays) in [("m.prompt", false), ("m.ring", false), ("m.room", true)] {
        let mut world = World::new(5);
        let page = world.add_page("x");
        // The first two are devices of one user.
        let all = ["a", "a", "b"].map(|name| world.add(name));
        let content = json!({ "m.type": "m.video", "m.intent": intent });
        world.write(user("x"), true, CALL, &content);
        enter(&mut world, page);
        world.seconds(1);
        for who in all {
            world.join(who);
        }
        world.seconds(15);
        world.check_all_hear(&[page, all[0], all[1], all[2]]);
        world.page(page, |page, _, _| page.leave());
        world.seconds(2);
        for who in all {
            assert_eq!(world.open_calls(), 1);
            world.leave(who);
            world.seconds(2);
        }
        assert_eq!(world.open_calls(), usize::from(stays), "{intent}");
        for who in all {
            assert_eq!(ended(&world, who), Some((EndReason::LocalHangup, true)));
        }
        world.check_empty();
    }
}

#[test]
fn a_muted_microphone_is_muted_in_all_legs_and_in_those_that_come() {
    // Who calls, and who is called.
    for name in ["a", "z"] {
        let mut world = World::new(3);
        let all = [name, "m", "n"].map(|name| world.add(name));
        let order = GroupRoomOrder {
            muted: true,
            ..world.order(false)
        };
        world.join_with(all[0], order).unwrap();
        assert_eq!(told_muted(&world, all[0]), [true]);
        world.seconds(3);
        world.join(all[1]);
        world.join(all[2]);
        world.seconds(10);
        for call in world.ours[&all[0]].commands.values() {
            assert!(call.contains(&"SetMuted(true)".to_owned()), "{call:?}");
        }
        for who in &all[1..] {
            let is_muted = |event: &Event| {
                matches!(
                    event,
                    Event::Muted {
                        local: false,
                        muted: true,
                        ..
                    }
                )
            };
            assert!(world.ours[who].events.iter().any(is_muted), "{who}");
        }
        let leg = *world.ours[&all[0]].commands.keys().next().unwrap();
        let unmuted = world.with(all[0], |endpoint, now, rng| {
            endpoint.set_muted(now, rng, leg, false)
        });
        unmuted.unwrap();
        for call in world.ours[&all[0]].commands.values() {
            assert_eq!(call.last().unwrap(), "SetMuted(false)");
        }
    }
}

/// Whether we are muted, as the group call itself has told it.
fn told_muted(world: &World, who: usize) -> Vec<bool> {
    let told = world.told(who);
    told.filter_map(|event| match event {
        ConferenceEvent::Muted { muted } => Some(*muted),
        _ => None,
    })
    .collect()
}

#[test]
fn who_is_alone_can_mute_and_is_told_of_it_and_who_comes_hears_nothing() {
    let mut world = World::new(3);
    let all = ["m", "a", "z"].map(|name| world.add(name));
    let conference = world.join(all[0]).handle;
    world.seconds(3);
    let mute = |world: &mut World, conference, muted| {
        world.with(all[0], |endpoint, now, rng| {
            endpoint.set_conference_muted(now, rng, conference, muted)
        })
    };
    for muted in [true, false, true] {
        mute(&mut world, conference, muted).unwrap();
    }
    assert_eq!(told_muted(&world, all[0]), [true, false, true]);
    world.join(all[1]);
    world.join(all[2]);
    world.seconds(10);
    for call in world.ours[&all[0]].commands.values() {
        assert!(call.contains(&"SetMuted(true)".to_owned()), "{call:?}");
    }
    mute(&mut world, conference, false).unwrap();
    for call in world.ours[&all[0]].commands.values() {
        assert_eq!(call.last().unwrap(), "SetMuted(false)");
    }
    // Each leg tells it where there are some.
    assert_eq!(told_muted(&world, all[0]).len(), 3);
    // Of one that is over nothing is muted.
    world.leave(all[0]);
    world.join(all[0]);
    let refused = mute(&mut world, conference, true);
    assert_eq!(refused, Err(CommandError::NoSuchConference));
}

#[test]
fn who_is_in_a_call_of_a_room_is_in_no_other() {
    let mut world = World::new(4);
    let [a, b] = ["a", "b"].map(|name| world.add(name));
    world.join(a);
    world.seconds(3);
    world.join(b);
    world.seconds(5);
    let again = world.join_with(a, world.order(false));
    let refused = GroupRoomError::Refused(CallError::InAnotherCall);
    assert_eq!(again, Err(refused));
    let callee = Callee {
        identity: None,
        matrix_id: user("z"),
    };
    let called = world.with(a, |endpoint, now, rng| {
        endpoint.call(now, 1, rng, callee, &DIRECT)
    });
    assert_eq!(called, Err(CallError::InAnotherCall));
}

#[test]
fn hanging_up_a_leg_leaves_the_call() {
    let mut world = World::new(5);
    let [a, b] = ["a", "b"].map(|name| world.add(name));
    world.join(a);
    world.seconds(3);
    world.join(b);
    world.seconds(5);
    let leg = *world.ours[&a].commands.keys().next().unwrap();
    world
        .with(a, |endpoint, now, rng| endpoint.hang_up(now, rng, leg))
        .unwrap();
    assert_eq!(ended(&world, a), Some((EndReason::LocalHangup, true)));
    world.leave(b);
    world.check_empty();
}

#[test]
fn what_the_user_asks_of_calls_holds_for_that_of_a_room() {
    let strict = CallOptions {
        require: Require::SecureCall,
        ..DIRECT
    };
    let hidden = CallOptions {
        route: None,
        ..DIRECT
    };
    for (options, refused) in [
        (strict, CallError::TierTooLow),
        (hidden, CallError::NoRelay),
    ] {
        let mut world = World::new(6);
        let who = world.add("a");
        let order = GroupRoomOrder {
            options,
            ..world.order(false)
        };
        let joined = world.join_with(who, order);
        assert_eq!(joined, Err(GroupRoomError::Refused(refused)));
        assert!(world.ours[&who].endpoint.is_empty());
        assert_eq!((world.told(who).count(), world.writes), (0, 0));
    }
}

#[test]
fn where_one_speaks_at_a_time_whoever_joins_is_silent() {
    let mut world = World::new(7);
    let page = world.add_page("x");
    let who = world.add("a");
    let content = json!({ "m.type": "m.voice", "m.intent": "m.prompt", "io.element.ptt": true });
    world.write(user("x"), true, CALL, &content);
    enter(&mut world, page);
    world.seconds(1);
    world.join(who);
    world.seconds(5);
    let ours = &world.ours[&who];
    assert_eq!(ours.commands.len(), 1);
    let muted = |call: &Vec<String>| call.contains(&"SetMuted(true)".to_owned());
    assert!(ours.commands.values().all(muted));
    assert_eq!(told_muted(&world, who), [true]);
}

#[test]
fn who_calls_us_in_a_room_meanwhile_hears_that_we_are_busy() {
    let mut world = World::new(8);
    // Alone in it, too.
    let who = world.add("a");
    world.join(who);
    world.seconds(3);
    let invite = js_invite("c1").to_string();
    world
        .in_timeline_of(who, &user("z"), "m.call.invite", &invite)
        .unwrap();
    world.seconds(1);
    assert_eq!(world.in_timeline, ["m.call.reject"]);
    let rang = |event: &Event| matches!(event, Event::Incoming { .. });
    assert!(!world.ours[&who].events.iter().any(rang));
}

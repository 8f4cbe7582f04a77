//! What goes wrong by itself.

use securecall_session::{ConferenceEvent, EndReason};
use serde_json::json;

use super::calls::{all_in_call, begin_by_page, ended, enter};
use super::world::{World, user};

#[test]
fn events_that_are_late_lost_or_doubled_keep_nobody_apart_for_long() {
    for seed in 0..30 {
        let mut world = World::new(100 + seed);
        world.one_lost_of = 20;
        world.longest_delay = std::time::Duration::from_secs(2);
        let all = ["a", "b", "c", "d"].map(|name| world.add(name));
        world.join(all[0]);
        world.seconds(6);
        for who in &all[1..] {
            world.join(*who);
        }
        world.seconds(30);
        world.one_lost_of = 0;
        world.seconds(150);
        world.check_all_hear(&all);
        world.check_empty_without(&all);
    }
}

#[test]
fn a_page_that_is_loaded_again_is_called_anew() {
    for seed in 0..10 {
        let mut world = World::new(200 + seed);
        let pages = [world.add_page("a"), world.add_page("x")];
        let ours = world.add("m");
        all_in_call(&mut world, &pages, &[ours]);
        for page in pages {
            world.page(page, |page, now, ms| page.reload(now, ms));
            world.seconds(20);
            world.check_all_hear(&[pages[0], pages[1], ours]);
        }
    }
}

#[test]
fn who_cannot_be_reached_is_named_and_the_others_hear_each_other() {
    let mut world = World::new(300);
    let all = ["a", "b", "c"].map(|name| world.add(name));
    world.cut.insert((all[0], all[1]));
    world.join(all[0]);
    world.seconds(3);
    world.join(all[1]);
    world.join(all[2]);
    world.seconds(200);
    for (who, other) in [(all[0], all[1]), (all[1], all[0])] {
        let unreached = world.told(who).filter_map(|event| match event {
            ConferenceEvent::NoPath { peer } => peer.device_id.clone(),
            _ => None,
        });
        let unreached: Vec<_> = unreached.collect();
        let other = &world.ours[&other].device_id;
        // After each of the calls that are tried.
        assert_eq!(unreached.len(), 4, "{who}");
        assert!(unreached.iter().all(|it| it == other), "{who}");
    }
    world.check_all_hear(&[all[0], all[2]].map(|it| it)[..0]);
    assert_eq!(world.heard(all[2]).len(), 2);
    world.check_empty_without(&all);
}

#[test]
fn who_is_in_and_never_calls_us_is_named() {
    let mut world = World::new(350);
    let page = world.add_page("a");
    let ours = world.add("m");
    begin_by_page(&mut world, page, false);
    world.seconds(1);
    let mut content = world.member(&user("a")).unwrap();
    content["m.calls"][0]["m.devices"][0]["device_id"] = "SILENT".into();
    let silent = user("b");
    world.write(silent.clone(), false, silent.as_str(), &content);
    world.seconds(1);
    world.join_in_room_of(ours, &silent);
    world.seconds(15);
    let unreached = |world: &World| {
        let no_path = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::NoPath { peer } if peer.matrix_id == silent);
        world.told(ours).filter(no_path).count()
    };
    assert_eq!(unreached(&world), 0);
    world.seconds(100);
    assert_eq!(unreached(&world), 1);
    assert_eq!(world.heard(ours).len(), 1);
}

#[test]
fn the_entry_of_who_crashes_goes_by_itself() {
    for (has_delayed_events, at_most) in [(true, 60), (false, 320)] {
        let mut world = World::new(400);
        world.has_delayed_events = has_delayed_events;
        let all = ["a", "b"].map(|name| world.add(name));
        world.join(all[0]);
        world.seconds(3);
        world.join(all[1]);
        world.seconds(20);
        world.check_all_hear(&all);
        world.ours.get_mut(&all[1]).unwrap().crashed = true;
        world.seconds(at_most);
        world.check_all_hear(&all[..1]);
        assert_eq!(ended(&world, all[0]), None);
        world.leave(all[0]);
        world.seconds(10);
        assert!(world.ours[&all[0]].endpoint.is_idle());
    }
}

#[test]
fn where_we_may_not_write_we_are_not_in_and_nothing_is_left() {
    for begun in [false, true] {
        let mut world = World::new(500);
        let page = world.add_page("a");
        let ours = world.add("m");
        if begun {
            begin_by_page(&mut world, page, false);
            world.seconds(1);
        }
        world.may_write = false;
        world.join(ours);
        world.seconds(10);
        assert_eq!(
            ended(&world, ours),
            Some((EndReason::HomeserverRefused, false))
        );
        assert!(world.ours[&ours].endpoint.is_idle());
        world.seconds(15);
        assert!(world.ours[&ours].endpoint.is_empty());
    }
}

#[test]
fn a_homeserver_that_is_away_for_a_while_is_asked_again() {
    let mut world = World::new(600);
    let all = ["a", "b"].map(|name| world.add(name));
    world.is_down = true;
    world.join(all[0]);
    world.seconds(4);
    world.is_down = false;
    world.seconds(20);
    world.join(all[1]);
    world.seconds(10);
    world.check_all_hear(&all);
}

#[test]
fn who_leaves_before_the_call_has_begun_leaves_none_behind() {
    for wait_ms in [0, 100, 200, 300, 500, 800] {
        let mut world = World::new(700 + wait_ms);
        let who = world.add("a");
        world.join(who);
        world.run_ms(wait_ms);
        world.leave(who);
        assert_eq!(ended(&world, who), Some((EndReason::Cancelled, false)));
        world.check_empty();
        // Nobody is to find a call that nobody was ever in.
        assert_eq!(world.open_calls(), 0, "{wait_ms}");
    }
}

#[test]
fn clocks_that_are_days_apart_keep_nobody_apart() {
    for skew in [-3_i64, 3] {
        let mut world = World::new(800);
        let page = world.add_page("b");
        let all = [world.add("a"), world.add("c")];
        for who in all {
            world.ours.get_mut(&who).unwrap().skew_ms = skew * 86_400_000;
        }
        all_in_call(&mut world, &[page], &all);
    }
}

#[test]
fn a_call_that_is_over_for_all_is_over() {
    let mut world = World::new(900);
    let page = world.add_page("b");
    let ours = world.add("a");
    all_in_call(&mut world, &[page], &[ours]);
    world.page(page, |page, _, _| page.leave());
    world.terminate();
    world.seconds(2);
    assert_eq!(ended(&world, ours), Some((EndReason::RemoteHangup, true)));
    world.check_empty();
}

/// What is sent again keeps its number: matrix-js-sdk waits for each, for ever.
#[test]
fn what_could_not_be_sent_is_sent_again_in_its_turn() {
    for seed in 0..10 {
        let mut world = World::new(1000 + seed);
        let pages = [world.add_page("a"), world.add_page("x")];
        let ours = world.add("m");
        begin_by_page(&mut world, pages[0], false);
        enter(&mut world, pages[1]);
        world.seconds(1);
        world.join(ours);
        for _ in 0..4 {
            world.run_ms(300);
            world.is_down = true;
            world.run_ms(500);
            world.is_down = false;
        }
        world.seconds(30);
        world.check_all_hear(&[pages[0], pages[1], ours]);
        world.leave(ours);
        world.seconds(3);
        world.check_all_hear(&pages);
    }
}

#[test]
fn a_homeserver_that_lets_no_call_begin_is_not_asked_for_ever() {
    let mut world = World::new(1100);
    let who = world.add("a");
    world.is_down = true;
    world.join(who);
    world.seconds(60);
    assert_eq!(
        ended(&world, who),
        Some((EndReason::HomeserverRefused, false))
    );
    world.is_down = false;
    world.check_empty();
}

#[test]
fn who_is_put_out_of_the_room_is_out_of_its_call() {
    for has_begun in [false, true] {
        let mut world = World::new(1200);
        let who = world.add("a");
        world.join(who);
        if has_begun {
            world.seconds(5);
        }
        let (room, user) = (world.room.clone(), world.ours[&who].user.clone());
        world.may_write = false;
        world.with(who, |endpoint, now, rng| {
            endpoint.handle_group_room_membership(now, rng, &room, &user, false);
        });
        let reason = EndReason::HomeserverRefused;
        assert_eq!(ended(&world, who), Some((reason, false)));
        world.seconds(400);
        assert!(world.ours[&who].endpoint.is_empty());
    }
}

#[test]
fn whoever_is_led_from_call_to_call_goes_once() {
    let mut world = World::new(1300);
    let who = world.add("a");
    world.join(who);
    world.seconds(5);
    let call = json!({ "m.type": "m.voice", "m.intent": "m.prompt" });
    for number in 0..20 {
        world.write(user("evil"), true, &format!("call{number}"), &call);
        world.seconds(10);
    }
    let content = world.member(&user("a")).unwrap();
    assert_eq!(content["m.calls"][0]["m.call_id"], "call0");
    assert_eq!(ended(&world, who), None);
    assert!(world.writes < 20 + 8, "{}", world.writes);
}

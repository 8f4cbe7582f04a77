//! Those of us whose keys are known, in the call of a room: sealed legs beside those of the others.

use std::collections::BTreeSet;

use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    Callee, ConferenceEvent, Contact, Contacts, EndReason, Event, GroupError, MissedReason,
    RelaysAvailable, Require, Rule, SignalRefused, Tier,
};
use serde_json::json;

use super::super::world::DIRECT;
use super::calls::{begin_by_page, ended, enter};
use super::world::{SECOND, World, address, user};

/// Two of us and two pages, who hear each other.
fn meeting(seed: u64) -> (World, [usize; 2], [usize; 2]) {
    let mut world = World::new(seed);
    let pages = [world.add_page("b"), world.add_page("x")];
    let ours = [world.add_sealed(), world.add_sealed()];
    begin_by_page(&mut world, pages[0], false);
    enter(&mut world, pages[1]);
    world.seconds(1);
    for who in ours {
        world.join(who);
        world.seconds(seed % 3);
    }
    world.seconds(20);
    world.check_all_hear(&[pages[0], pages[1], ours[0], ours[1]]);
    (world, pages, ours)
}

/// What was told of somebody, by word.
fn told_of(world: &World, who: usize, whom: usize) -> Vec<&'static str> {
    let address = world.ours[&whom].user.clone();
    let told = world.told(who).filter_map(|event| {
        let (peer, word) = match event {
            ConferenceEvent::SealedInstead { peer } => (peer, "sealed_instead"),
            ConferenceEvent::Leg { peer, .. } => (peer, "leg"),
            ConferenceEvent::Joined { peer, .. } => (peer, "joined"),
            ConferenceEvent::NoPath { peer } => (peer, "no_path"),
            ConferenceEvent::Left { peer, why } => (peer, why.as_str()),
            _ => return None,
        };
        (peer.matrix_id == address).then_some(word)
    });
    told.collect()
}

/// How many invites of sealed calls one has sent to another's devices: each begins a call.
fn sealed_to(world: &World, from: usize, to: usize) -> usize {
    let to = &world.ours[&to].user;
    let sent = world.sealed_sent.iter();
    sent.filter(|it| it.from == from && it.to == *to).count()
}

fn pages_names(world: &World, pages: &[usize]) -> BTreeSet<String> {
    let names = pages.iter().map(|it| world.pages[it].device_id.to_string());
    names.collect()
}

/// Whom one hears by a sealed leg.
fn heard_of_us(world: &World, who: usize) -> BTreeSet<String> {
    let all = world.heard(who).into_iter();
    all.filter(|it| it.starts_with('@')).collect()
}

/// Nothing of tier `matrix` has gone between two of us.
fn check_only_sealed(world: &World, ours: &[usize]) {
    let users: BTreeSet<_> = ours.iter().map(|it| &world.ours[it].user).collect();
    let between_us = |it: &&super::world::Sent| users.contains(&it.from) && users.contains(&it.to);
    assert_eq!(world.sent.iter().filter(between_us).count(), 0);
}

#[test]
fn of_two_of_us_and_two_pages_each_hears_each_and_we_two_sealed() {
    for seed in 0..20 {
        let (mut world, pages, ours) = meeting(seed);
        check_only_sealed(&world, &ours);
        for who in ours {
            let other = ours[usize::from(who == ours[0])];
            assert_eq!(
                told_of(&world, who, other),
                ["sealed_instead", "leg", "joined"]
            );
            let tiers: Vec<_> = world.ours[&who]
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::Connected {
                        tier, safety_words, ..
                    } => Some((*tier, safety_words.is_some())),
                    _ => None,
                })
                .collect();
            let of = |tier| tiers.iter().filter(|it| **it == tier).count();
            assert_eq!(of((Tier::SecureCall, true)), 1);
            assert_eq!(of((Tier::Matrix, false)), 2);
            // There are people without a key, so no words say who is there.
            let words = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::Words(_));
            assert_eq!(world.told(who).filter(words).count(), 0);
            // One microphone for legs of either kind.
            let commands = world.ours[&who].commands.values();
            let alone = commands.filter(|it| it[0].ends_with("beside None"));
            assert_eq!(alone.count(), 1);
        }
        // Who leaves is gone at once for all, and is not called again.
        world.leave(ours[0]);
        assert_eq!(ended(&world, ours[0]), Some((EndReason::LocalHangup, true)));
        let before = sealed_to(&world, ours[1], ours[0]);
        world.seconds(2);
        world.check_all_hear(&[pages[0], pages[1], ours[1]]);
        world.seconds(60);
        assert!(sealed_to(&world, ours[1], ours[0]) <= before + 2);
        assert_eq!(
            told_of(&world, ours[1], ours[0]),
            ["sealed_instead", "leg", "joined", "hung_up"]
        );
        for page in pages {
            world.page(page, |page, _, _| page.leave());
        }
        world.seconds(2);
        assert_eq!(ended(&world, ours[1]), None);
        world.leave(ours[1]);
        world.check_empty();
    }
}

#[test]
fn who_comes_late_or_again_is_heard_by_all() {
    for seed in 0..20 {
        let (mut world, pages, ours) = meeting(seed);
        let late = world.add_sealed();
        world.join(late);
        world.seconds(10);
        let all = [pages[0], pages[1], ours[0], ours[1], late];
        world.check_all_hear(&all);
        world.leave(ours[0]);
        world.seconds(1 + seed);
        world.join(ours[0]);
        world.seconds(10);
        world.check_all_hear(&all);
        check_only_sealed(&world, &[ours[0], ours[1], late]);
    }
}

#[test]
fn two_who_begin_a_call_at_once_meet_in_one_with_a_sealed_leg() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        let ours = [world.add_sealed(), world.add_sealed()];
        for who in ours {
            world.join(who);
        }
        world.seconds(20);
        world.check_all_hear(&ours);
        assert_eq!(world.open_calls(), 1);
        check_only_sealed(&world, &ours);
        world.check_empty_without(&ours);
    }
}

#[test]
fn who_vanishes_is_gone_after_fifteen_seconds_and_no_ghost_stays() {
    for seed in 0..10 {
        let (mut world, pages, ours) = meeting(seed);
        world.ours.get_mut(&ours[0]).unwrap().crashed = true;
        world.seconds(16);
        // Before the room says so.
        assert_eq!(heard_of_us(&world, ours[1]), BTreeSet::new());
        world.seconds(44);
        assert_eq!(world.heard(ours[1]), pages_names(&world, &pages));
        let told = told_of(&world, ours[1], ours[0]);
        assert!(told.contains(&"no_path"), "{told:?}");
        assert!(matches!(told.last(), Some(&("vanished" | "hung_up"))));
        let before = world.sealed_sent.len();
        world.seconds(300);
        assert_eq!(world.sealed_sent.len(), before);
    }
}

#[test]
fn where_there_is_no_path_both_are_told_and_nothing_else_is_tried_until_there_is_one() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        let ours = [world.add_sealed(), world.add_sealed()];
        world.cut.insert((ours[0], ours[1]));
        world.join(ours[0]);
        world.seconds(3);
        world.join(ours[1]);
        world.seconds(60);
        for (who, other) in [(ours[0], ours[1]), (ours[1], ours[0])] {
            assert!(told_of(&world, who, other).contains(&"no_path"));
            assert!(world.heard(who).is_empty());
        }
        check_only_sealed(&world, &ours);
        world.cut.clear();
        world.seconds(90);
        world.check_all_hear(&ours);
    }
}

#[test]
fn lost_doubled_and_late_events_keep_nobody_apart() {
    for seed in 0..30 {
        let mut world = World::new(seed);
        world.one_lost_of = 6;
        world.longest_delay = SECOND * 3;
        let ours = [0; 4].map(|_| world.add_sealed());
        world.join(ours[0]);
        world.seconds(4);
        for who in &ours[1..] {
            world.join(*who);
            world.seconds(seed % 5);
        }
        world.seconds(180);
        world.one_lost_of = 0;
        world.seconds(180);
        world.check_all_hear(&ours);
        check_only_sealed(&world, &ours);
        world.check_empty_without(&ours);
    }
}

#[test]
fn who_is_not_in_the_call_by_the_state_of_the_room_gets_no_word_whatever_they_know_of_it() {
    for seed in 0..10 {
        let (mut world, _, ours) = meeting(seed);
        // Theirs says that they are in; to nobody else.
        let hostile = world.add_sealed();
        world.unseen.insert(world.ours[&hostile].user.clone());
        world.join(hostile);
        world.seconds(60);
        for who in ours {
            assert!(sealed_to(&world, hostile, who) > 0, "it tries");
            assert_eq!(sealed_to(&world, who, hostile), 0);
            assert_eq!(told_of(&world, who, hostile), [""; 0]);
        }
        for (who, other) in [(ours[0], ours[1]), (ours[1], ours[0])] {
            let other = world.ours[&other].user.to_string();
            assert_eq!(heard_of_us(&world, who), [other].into());
        }
    }
}

#[test]
fn who_is_not_in_the_call_is_not_rung_and_says_nothing_though_a_server_says_they_are() {
    let (mut world, _, ours) = meeting(3);
    let absent = world.add_sealed();
    let other = world.add_sealed();
    world.join(other);
    world.seconds(5);
    let name = world.ours[&absent].user.clone();
    let mut forged = world.member(&world.ours[&other].user).unwrap();
    forged["m.calls"][0]["m.devices"][0]["device_id"] = "X".into();
    world.write(name.clone(), false, name.as_str(), &forged);
    world.seconds(600);
    assert!(world.ours[&absent].events.is_empty());
    let refused = &world.ours[&absent].refused;
    let unknown = |it: &&SignalRefused| matches!(it, SignalRefused::UnknownConference);
    assert!(!refused.is_empty() && refused.iter().all(|it| unknown(&it)));
    for who in [ours[0], ours[1], other] {
        assert_eq!(sealed_to(&world, absent, who), 0);
        let tries = told_of(&world, who, absent);
        assert_eq!(tries.iter().filter(|it| **it == "no_path").count(), 1);
        assert!(!tries.contains(&"joined"));
        let legs = tries.iter().filter(|it| **it == "leg");
        assert!(legs.count() <= 8);
    }
    // Their entry ends, and with it what is shown of them.
    world.write(name.clone(), false, name.as_str(), &json!({}));
    world.seconds(2);
    for who in [ours[0], ours[1], other] {
        assert_eq!(told_of(&world, who, absent).last(), Some(&"unreachable"));
    }
}

#[test]
fn the_end_of_somebodys_entry_ends_the_sealed_leg() {
    let (mut world, pages, ours) = meeting(4);
    let name = world.ours[&ours[0]].user.clone();
    // One who means well would write it again; this is what the others see.
    world.ours.get_mut(&ours[0]).unwrap().crashed = true;
    world.write(
        name.clone(),
        false,
        name.as_str(),
        &json!({ "m.calls": [] }),
    );
    world.seconds(2);
    assert_eq!(world.heard(ours[1]), pages_names(&world, &pages));
    assert_eq!(told_of(&world, ours[1], ours[0]).last(), Some(&"hung_up"));
}

#[test]
fn who_is_blocked_is_neither_called_nor_taken() {
    for blocks in 0..2 {
        let mut world = World::new(blocks);
        let whom = address(&world.next_identity());
        let first = world.add_sealed();
        let rule = Rule {
            identity: None,
            matrix_id: whom,
            blocked: true,
            require: Require::Any,
        };
        let second = world.add_sealed_with(Contacts::default().with_rules([rule]));
        for who in [first, second] {
            world.join(who);
            world.seconds(3);
        }
        world.seconds(120);
        assert_eq!(told_of(&world, second, first), ["blocked"]);
        assert_eq!(sealed_to(&world, second, first), 0);
        assert!(world.ours[&second].commands.is_empty());
        assert!(world.heard(first).is_empty() && world.heard(second).is_empty());
    }
}

#[test]
fn strangers_are_spoken_with_by_relay_and_contacts_directly() {
    for knows in [false, true] {
        let mut world = World::new(6);
        let identity = world.next_identity();
        let first = world.add_sealed();
        let contact = Contact {
            name: "Ada".to_owned(),
            identity: identity.public(),
            matrix_id: address(&identity),
        };
        let contacts = Contacts::new(knows.then_some(contact));
        let second = world.add_sealed_with(contacts);
        world.join(first);
        world.seconds(3);
        world.with(second, |endpoint, _, _| {
            endpoint.set_relays_available(RelaysAvailable {
                turn: true,
                ghostnet: false,
            });
        });
        let mut order = world.order(false);
        order.options.route = None;
        world.join_with(second, order).unwrap();
        world.seconds(20);
        world.check_all_hear(&[first, second]);
        let commands = &world.ours[&second].commands;
        let route = if knows { "(direct)" } else { "(relay)" };
        assert!(commands.values().all(|it| it[0].contains(route)));
    }
}

/// One of us who is called at an ordinary address.
fn contact_at(name: &str, identity: &IdentityKeyPair) -> Contacts {
    Contacts::new([Contact {
        name: name.to_owned(),
        identity: identity.public(),
        matrix_id: user(name),
    }])
}

#[test]
fn one_of_us_at_an_ordinary_address_has_a_sealed_leg_with_who_has_none_whether_known_or_not() {
    for seed in 0..20 {
        for knows in [false, true] {
            let mut world = World::new(seed);
            let page = world.add_page("x");
            let identity = world.next_identity();
            let ordinary = world.add("m");
            let contacts = match knows {
                true => contact_at("m", &identity),
                false => Contacts::default(),
            };
            let sealed = world.add_sealed_with(contacts);
            begin_by_page(&mut world, page, false);
            world.seconds(1);
            let mut ours = [ordinary, sealed];
            if seed % 2 == 0 {
                ours.reverse();
            }
            for who in ours {
                world.join(who);
                world.seconds(2);
            }
            world.seconds(40);
            let page = world.pages[&page].device_id.to_string();
            for (who, other) in [(ordinary, sealed), (sealed, ordinary)] {
                let others = [world.ours[&other].user.to_string(), page.clone()];
                assert_eq!(world.heard(who), others.into(), "{seed} {knows}");
            }
        }
    }
}

#[test]
fn a_member_asks_us_into_no_other_conference_and_nobody_is_asked_into_this_one() {
    let (mut world, pages, ours) = meeting(7);
    let all = [pages[0], pages[1], ours[0], ours[1]];
    let wallclock = world.server_ms();
    // One who is not in the call of the room calls a member of it into a conference of their own.
    let outside = world.add_sealed();
    let callee = |world: &World, who: usize| Callee {
        identity: None,
        matrix_id: world.ours[&who].user.clone(),
    };
    let whom = callee(&world, ours[0]);
    world.with(outside, |endpoint, now, rng| {
        let asked = endpoint.call_group(now, wallclock, rng, vec![whom], &DIRECT);
        asked.unwrap();
    });
    world.seconds(10);
    let busy = |it: &Event| matches!(it, Event::Missed { why, .. } if *why == MissedReason::Busy);
    assert!(world.ours[&ours[0]].events.iter().any(busy));
    let (reason, _) = ended(&world, outside).unwrap();
    assert_eq!(reason, EndReason::Busy);
    world.check_all_hear(&all);

    // Nobody is brought into the call of the room by a leg of it.
    let legs = world.ours[&ours[0]].commands.keys().copied();
    let legs: Vec<_> = legs.collect();
    let whom = callee(&world, outside);
    for leg in legs {
        let refused = world.with(ours[0], |endpoint, now, rng| {
            endpoint.add(now, wallclock, rng, leg, &whom, &DIRECT)
        });
        assert_eq!(refused, Err(GroupError::OfARoom));
    }
    world.seconds(5);
    world.check_all_hear(&all);
}

#[test]
fn whom_we_call_sealed_asks_us_into_another_conference_in_vain() {
    // Of the two conferences the lesser ID would survive, if ours were any: some of these are, some are not.
    for seed in 0..8 {
        let mut world = World::new(seed);
        let ours = world.add_sealed();
        let absent = world.add_sealed();
        let name = world.ours[&absent].user.clone();
        world.join(ours);
        world.seconds(5);
        let mut forged = world.member(&world.ours[&ours].user).unwrap();
        forged["m.calls"][0]["m.devices"][0]["device_id"] = "X".into();
        world.write(name.clone(), false, name.as_str(), &forged);
        // Our call to them is on its way.
        world.seconds(8);
        let callee = Callee {
            identity: None,
            matrix_id: world.ours[&ours].user.clone(),
        };
        let wallclock = world.server_ms();
        world.with(absent, |endpoint, now, rng| {
            endpoint
                .call_group(now, wallclock, rng, vec![callee], &DIRECT)
                .unwrap();
        });
        world.seconds(5);
        assert_eq!(ended(&world, ours), None);
        let replaced = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::Replaced { .. });
        assert_eq!(world.told(ours).filter(replaced).count(), 0);
        assert_eq!(ended(&world, absent).map(|it| it.0), Some(EndReason::Busy));
    }
}

#[test]
fn who_is_with_a_sealed_leg_in_the_call_they_began_stays_in_it() {
    let mut world = World::new(9);
    let ours = [world.add_sealed(), world.add_sealed()];
    for who in ours {
        world.join(who);
        world.seconds(10);
    }
    world.check_all_hear(&ours);
    let page = world.add_page("b");
    begin_by_page(&mut world, page, false);
    world.seconds(20);
    world.check_all_hear(&ours);
    assert_eq!(world.open_calls(), 2);
}

/// Entries of people who do not exist, in the call that somebody is in.
fn crowd(world: &mut World, who: usize, people: u8) {
    let mut forged = world.member(&world.ours[&who].user).unwrap();
    forged["m.calls"][0]["m.devices"][0]["device_id"] = "X".into();
    for number in 0..people {
        let seed = IdentitySeed::from_bytes([100 + number; 32]);
        let name = address(&IdentityKeyPair::from_seed(&seed));
        world.crowd.insert(name.clone());
        world.write(name.clone(), false, name.as_str(), &forged);
    }
}

#[test]
fn of_a_crowd_contacts_are_called_first_and_who_is_heard_stays_heard() {
    let mut world = World::new(10);
    let ours = world.add_sealed();
    // By their address they would stand behind the crowd.
    let identity = |seed: u8| IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([seed; 32]));
    let last = (170..250).max_by_key(|seed| address(&identity(*seed)));
    let last = last.unwrap();
    let heard = world.add_device(
        address(&identity(last)),
        identity(last),
        Contacts::default(),
    );
    for who in [ours, heard] {
        world.join(who);
        world.seconds(10);
    }
    crowd(&mut world, ours, 60);
    world.seconds(300);
    world.check_all_hear(&[ours, heard]);
    // Somebody comes, and knows one of them: that one is called before the others.
    let contact = Contact {
        name: "Ada".to_owned(),
        identity: identity(last).public(),
        matrix_id: world.ours[&heard].user.clone(),
    };
    let late = world.add_sealed_with(Contacts::new([contact]));
    world.join(late);
    world.seconds(60);
    for (who, whom) in [(late, heard), (heard, late), (ours, heard), (heard, ours)] {
        let whom = world.ours[&whom].user.as_str();
        assert!(world.heard(who).contains(whom), "{who} {whom}");
    }
}

#[test]
fn a_key_that_somebody_shows_is_theirs_while_they_are_in_and_another_is_refused() {
    let mut world = World::new(11);
    let sealed = world.add_sealed();
    // Two devices of one account, each with a key of its own, of which nobody knows.
    let first = world.add("m");
    world.join(sealed);
    world.seconds(5);
    world.join(first);
    world.seconds(20);
    let heard = |world: &World| heard_of_us(world, sealed);
    assert_eq!(heard(&world), [user("m").to_string()].into());
    let id = |world: &World| {
        world
            .told(sealed)
            .filter_map(|event| match event {
                ConferenceEvent::Joined { peer, .. } => peer.id,
                _ => None,
            })
            .collect::<BTreeSet<_>>()
    };
    let before = id(&world);
    assert_eq!(before.len(), 1);
    let second = world.add("m");
    world.join(second);
    world.seconds(60);
    assert!(sealed_to(&world, second, sealed) > 0);
    assert_eq!(id(&world), before);
    assert!(heard_of_us(&world, second).is_empty());
    // When the user is out and comes again, it may be the other.
    for who in [first, second] {
        world.leave(who);
    }
    world.seconds(20);
    world.join(second);
    world.seconds(40);
    assert_eq!(id(&world).len(), 2);
    assert_eq!(heard(&world), [user("m").to_string()].into());
}

#[test]
fn who_shows_a_key_and_is_not_in_the_call_gets_no_word() {
    let (mut world, _, ours) = meeting(12);
    let hostile = world.add("m");
    world.unseen.insert(user("m"));
    world.join(hostile);
    world.seconds(60);
    for who in ours {
        assert!(sealed_to(&world, hostile, who) > 0);
        assert_eq!(sealed_to(&world, who, hostile), 0);
        assert_eq!(told_of(&world, who, hostile), [""; 0]);
    }
}

#[test]
fn mute_holds_for_legs_of_either_kind_and_hanging_up_one_leaves() {
    let (mut world, _, ours) = meeting(8);
    let legs: Vec<_> = world.ours[&ours[0]].commands.keys().copied().collect();
    assert_eq!(legs.len(), 3);
    world.with(ours[0], |endpoint, now, rng| {
        endpoint.set_muted(now, rng, legs[0], true).unwrap();
    });
    for commands in world.ours[&ours[0]].commands.values() {
        assert!(commands.iter().any(|it| it == "SetMuted(true)"));
    }
    // Who comes later has the microphone as it is.
    let late = world.add_sealed();
    world.join(late);
    world.seconds(10);
    let commands = world.ours[&ours[0]].commands.iter();
    let newest = commands.last().unwrap().1;
    assert!(newest.iter().any(|it| it == "SetMuted(true)"), "{newest:?}");
    world.with(ours[0], |endpoint, now, rng| {
        endpoint.hang_up(now, rng, legs[2]).unwrap();
    });
    assert_eq!(ended(&world, ours[0]), Some((EndReason::LocalHangup, true)));
}

#[test]
fn of_two_devices_of_one_user_the_newer_is_heard_and_then_the_other() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let identity = || IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([200; 32]));
        let user = address(&identity());
        let first = world.add_device(user.clone(), identity(), Contacts::default());
        let other = world.add_sealed();
        let second = world.add_device(user, identity(), Contacts::default());
        for who in [first, other, second] {
            world.join(who);
            world.seconds(20);
        }
        let hears = |world: &World, who: usize, whom: usize| {
            world.heard(who).contains(world.ours[&whom].user.as_str())
        };
        // Which of the two it is does not change any more.
        for _ in 0..6 {
            assert!(hears(&world, other, first));
            assert!(hears(&world, second, other));
            assert!(!hears(&world, first, other));
            world.seconds(20);
        }
        let before = world.sealed_sent.len();
        world.seconds(20);
        assert!(
            world.sealed_sent.len() - before < 8,
            "they do not take turns"
        );
        world.leave(second);
        world.seconds(40);
        assert!(hears(&world, other, first) && hears(&world, first, other));
        for who in [first, other] {
            assert_eq!(ended(&world, who), None);
            world.leave(who);
        }
        world.check_empty();
    }
}

//! Who carries a call, and who never does together.

use std::collections::BTreeMap;

use super::*;
use crate::directory::tests::{directory, relay};
use crate::directory::{Operator, Role};
use crate::time::UnixTime;
use crate::token::tests::{at, rng};

const WEEK: u64 = 7 * 24 * 3_600;
const DAY: u64 = 24 * 3_600;
const V4: Families = Families {
    v4: true,
    v6: false,
};
const V6: Families = Families {
    v4: false,
    v6: true,
};

fn none() -> BTreeSet<HostName> {
    BTreeSet::new()
}

fn names(names: &[&str]) -> BTreeSet<HostName> {
    names.iter().map(|n| HostName::parse(n).unwrap()).collect()
}

/// Six relays of as many operators and networks.
fn six() -> Directory {
    let relay = |n: u8| {
        let address = format!("9.{n}.0.1:443 [2a0{n}::1]:443");
        relay(&format!("r{n}"), &address, Role::Both, &format!("O{n}"))
    };
    directory((1..=6).map(relay).collect())
}

fn exit(directory: &Directory, seed: u8) -> Result<&Relay, NoRelay> {
    choose_exit(
        directory,
        &directory.relays[0],
        Families::BOTH,
        &none(),
        &mut rng(seed),
    )
}

#[test]
fn exits_are_equally_likely() {
    let directory = six();
    let mut drawn: BTreeMap<&str, u32> = BTreeMap::new();
    let rng = &mut rng(1);
    for _ in 0..5_000 {
        let entry = &directory.relays[0];
        let exit = choose_exit(&directory, entry, Families::BOTH, &none(), rng).unwrap();
        *drawn.entry(exit.name.as_str()).or_default() += 1;
    }
    assert_eq!(
        drawn.keys().copied().collect::<Vec<_>>(),
        ["r2", "r3", "r4", "r5", "r6"]
    );
    // Four standard deviations of 28.
    assert!(
        drawn.values().all(|count| count.abs_diff(1_000) < 115),
        "{drawn:?}"
    );
}

#[test]
fn an_exit_is_of_another_operator_and_network_and_within_reach() {
    type Change = fn(&mut Relay);
    let entry_only: Change = |r| r.role = Role::Entry;
    let same_operator: Change = |r| r.operator = Operator::parse("O1").unwrap();
    let same_v4: Change = |r| r.addresses = vec!["9.1.255.1:443".parse().unwrap()];
    let same_v6: Change = |r| r.addresses = vec!["[2a01:0:ffff::]:443".parse().unwrap()];
    for (change, reason) in [
        (entry_only, NoRelay::NoExit),
        (same_operator, NoRelay::OneOperator),
        (same_v4, NoRelay::OneNetwork),
        (same_v6, NoRelay::OneNetwork),
    ] {
        let mut directory = six();
        directory.relays.truncate(2);
        directory.relays[0].role = Role::Entry;
        assert_eq!(exit(&directory, 1).unwrap().name.as_str(), "r2");
        change(&mut directory.relays[1]);
        assert_eq!(exit(&directory, 1), Err(reason));
        // Nobody would be kept as an entry who has no exit.
        let mut guards = Guards::new();
        let entry = guards.entry(&directory, V4, &none(), at(0), &mut rng(1));
        assert_eq!(entry, Err(reason));
    }
    let mut apart = six();
    apart.relays.truncate(2);
    apart.relays[0].addresses.truncate(1);
    apart.relays[1].addresses.remove(0);
    assert_eq!(exit(&apart, 1), Err(NoRelay::NoPair));
    apart.relays.truncate(1);
    assert_eq!(exit(&apart, 1), Err(NoRelay::OneOperator));
}

#[test]
fn a_lab_may_be_one_network_and_never_one_operator() {
    let mut lab = six();
    lab.relays.truncate(2);
    lab.reach = Reach::Lab;
    lab.relays[1].addresses = vec!["9.1.0.2:443".parse().unwrap()];
    assert!(exit(&lab, 1).is_ok());
    lab.relays[1].operator = lab.relays[0].operator.clone();
    assert_eq!(exit(&lab, 1), Err(NoRelay::OneOperator));
}

#[test]
fn an_exit_has_the_families_that_the_peer_may_need_if_any_has() {
    let mut directory = six();
    for relay in &mut directory.relays[1..5] {
        relay.addresses.truncate(1);
    }
    for seed in 0..20 {
        assert_eq!(exit(&directory, seed).unwrap().name.as_str(), "r6");
    }
    let entry = &directory.relays[0];
    let failed = names(&["r6"]);
    let exit = choose_exit(&directory, entry, Families::BOTH, &failed, &mut rng(1)).unwrap();
    assert!(!exit.families().v6);
    let all = names(&["r2", "r3", "r4", "r5", "r6"]);
    let exit = choose_exit(&directory, entry, Families::BOTH, &all, &mut rng(1));
    assert_eq!(exit, Err(NoRelay::ExitsFailed));
}

#[test]
fn a_tunnel_leads_where_each_reaches_the_next() {
    let directory = six();
    let [mut entry, exit] = [directory.relays[0].clone(), directory.relays[1].clone()];
    let path = |entry: &Relay, ours| tunnel_path((entry, None), (&exit, None), ours);
    let both = path(&entry, V6).unwrap();
    assert_eq!(both.entry.address, entry.addresses[1]);
    assert_eq!(both.exit.address, exit.addresses[0]);
    assert_eq!(
        (both.entry.name.as_str(), both.exit.name.as_str()),
        ("r1", "r2")
    );
    entry.addresses.remove(0);
    assert_eq!(path(&entry, V6).unwrap().exit.address, exit.addresses[1]);
    assert_eq!(path(&entry, V4), Err(NoRelay::Families));
}

fn entry(
    guards: &mut Guards,
    directory: &Directory,
    failed: &[&str],
    now: UnixTime,
) -> Result<String, NoRelay> {
    guards
        .entry(directory, V4, &names(failed), now, &mut rng(5))
        .map(|relay| relay.name.to_string())
}

#[test]
fn an_entry_is_kept_for_weeks_also_over_a_restart() {
    let directory = six();
    let mut ends = BTreeSet::new();
    for seed in 0..200 {
        let mut guards = Guards::new();
        let drawn = |guards: &mut Guards, now| {
            let entry = guards.entry(&directory, V4, &none(), at(now), &mut rng(seed));
            entry.unwrap().name.clone()
        };
        let first = drawn(&mut guards, 0);
        let stored = guards.to_bytes();
        let end = (0..=57)
            .find(|day| {
                let mut guards = Guards::from_bytes(&stored).unwrap();
                drawn(&mut guards, day * DAY);
                guards.to_bytes() != stored
            })
            .unwrap();
        assert!((28..=57).contains(&end), "{end}");
        assert_eq!(drawn(&mut guards, 28 * DAY - 1), first);
        ends.insert(end);
    }
    // Any day of the four weeks.
    assert!(ends.len() > 25, "{ends:?}");
}

#[test]
fn a_silent_entry_gives_way_in_this_call_and_few_others_are_tried() {
    let directory = six();
    let mut guards = Guards::new();
    let first = entry(&mut guards, &directory, &[], at(0)).unwrap();
    let second = entry(&mut guards, &directory, &[&first], at(0)).unwrap();
    let third = entry(&mut guards, &directory, &[&first, &second], at(0)).unwrap();
    let all = [first.as_str(), &second, &third];
    assert_eq!(
        entry(&mut guards, &directory, &all, at(0)),
        Err(NoRelay::EntriesFailed)
    );
    // The next call begins with the first again.
    assert_eq!(entry(&mut guards, &directory, &[], at(DAY)), Ok(first));
}

#[test]
fn an_entry_that_was_silent_for_long_is_replaced_if_others_worked() {
    let directory = six();
    let mut guards = Guards::new();
    let first = entry(&mut guards, &directory, &[], at(0)).unwrap();
    let second = entry(&mut guards, &directory, &[&first], at(0)).unwrap();
    let name = |text: &str| HostName::parse(text).unwrap();
    guards.failed(&name(&first), at(DAY));
    // Our own network may have been down.
    assert_eq!(
        entry(&mut guards, &directory, &[], at(10 * DAY)).unwrap(),
        first
    );
    guards.worked(&name(&second), at(3 * DAY));
    let mut guards = Guards::from_bytes(&guards.to_bytes()).unwrap();
    assert_eq!(
        entry(&mut guards, &directory, &[], at(4 * DAY - 1)).unwrap(),
        first
    );
    let mut again = Guards::from_bytes(&guards.to_bytes()).unwrap();
    assert_eq!(
        entry(&mut guards, &directory, &[], at(4 * DAY)).unwrap(),
        second
    );
    // One that works again is kept.
    again.worked(&name(&first), at(4 * DAY - 1));
    assert_eq!(
        entry(&mut again, &directory, &[], at(9 * DAY)).unwrap(),
        first
    );
}

#[test]
fn an_entry_that_leaves_the_directory_or_its_role_is_replaced() {
    let mut directory = six();
    let mut guards = Guards::new();
    let first = entry(&mut guards, &directory, &[], at(0)).unwrap();
    let stored = guards.to_bytes();
    let at_first = directory
        .relays
        .iter()
        .position(|r| r.name.as_str() == first)
        .unwrap();
    directory.relays[at_first].role = Role::Exit;
    assert_ne!(entry(&mut guards, &directory, &[], at(0)).unwrap(), first);
    directory.relays.remove(at_first);
    let mut guards = Guards::from_bytes(&stored).unwrap();
    assert_ne!(entry(&mut guards, &directory, &[], at(0)).unwrap(), first);
    assert!(
        !String::from_utf8(guards.to_bytes())
            .unwrap()
            .contains(&first)
    );
}

#[test]
fn a_clock_that_was_ahead_keeps_no_entry_for_years() {
    let directory = six();
    let mut guards = Guards::new();
    entry(&mut guards, &directory, &[], at(1_000 * WEEK)).unwrap();
    let ahead = guards.to_bytes();
    entry(&mut guards, &directory, &[], at(0)).unwrap();
    assert_ne!(guards.to_bytes(), ahead);
}

#[test]
fn entries_out_of_reach_are_kept_for_another_network() {
    let mut directory = six();
    for (number, relay) in directory.relays.iter_mut().enumerate() {
        if number < 3 {
            relay.addresses.truncate(1);
        }
    }
    let mut guards = Guards::new();
    let mut with = |ours, seed| {
        let entry = guards.entry(&directory, ours, &none(), at(0), &mut rng(seed));
        entry.unwrap().name.clone()
    };
    let over_v4 = with(
        V4,
        (0..)
            .find(|seed| {
                let mut fresh = Guards::new();
                let entry = fresh.entry(&directory, V4, &none(), at(0), &mut rng(*seed));
                !entry.unwrap().families().v6
            })
            .unwrap(),
    );
    let over_v6 = with(V6, 1);
    assert_ne!(over_v4, over_v6);
    assert_eq!(with(V4, 2), over_v4);
    assert_eq!(with(V6, 2), over_v6);
}

#[test]
fn a_state_that_is_none_is_refused() {
    let guard = r#"{"name":"a","until":1,"failing_since":null}"#;
    let state = |guards: &[&str]| format!(r#"{{"guards":[{}],"worked_at":0}}"#, guards.join(","));
    assert!(Guards::from_bytes(state(&[guard; 6]).as_bytes()).is_ok());
    let long = state(&[guard]) + &" ".repeat(4096);
    for text in [
        "",
        "{}",
        &state(&[guard; 7]),
        &state(&[&guard.replace("\"a\"", "\"A\"")]),
        &long,
    ] {
        assert_eq!(
            Guards::from_bytes(text.as_bytes()).err(),
            Some(GuardStateError),
            "{text}"
        );
    }
}

#[test]
fn why_there_is_no_relay_is_told() {
    let empty = directory(Vec::new());
    assert_eq!(
        entry(&mut Guards::new(), &empty, &[], at(0)),
        Err(NoRelay::NoEntry)
    );
    let mut v6_only = six();
    for relay in &mut v6_only.relays {
        relay.addresses.remove(0);
    }
    assert_eq!(
        entry(&mut Guards::new(), &v6_only, &[], at(0)),
        Err(NoRelay::Families)
    );
    let text = NoRelay::Expired(at(0)).to_string();
    assert!(text.contains("1970-01-01 00:00 UTC"), "{text}");
}

//! An hour in which everything happens that can: people come, go, vanish, come back with other devices, ask each other in at once, while
//! legs are cut and rosters are lost, come twice and out of order. At the end, when it is quiet, everybody agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_signaling::{ConferenceId, MAX_MEMBERS};
use web_time::Instant;

use super::universe::{Faults, Manner, Seen, Universe, conference};

const SECOND: Duration = Duration::from_secs(1);
const PEOPLE: u8 = 8;

/// What is watched while it goes on.
#[derive(Default)]
struct Watch {
    /// Since when a device sees somebody in who is not.
    ghosts: BTreeMap<(usize, u8), Instant>,
    leg_seconds: u64,
}

impl Watch {
    fn look(&mut self, universe: &Universe, seed: u64) {
        self.leg_seconds += 2 * universe.legs_up() as u64;
        let mut ghosts = BTreeMap::new();
        for device in 0..universe.devices.len() {
            let joined = universe.sees(device, Seen::Joined);
            assert!(joined.len() < MAX_MEMBERS);
            for number in joined {
                if !universe.hears(device, number) {
                    let key = (device, number);
                    let since = *self.ghosts.get(&key).unwrap_or(&universe.now);
                    let time = universe.now - since;
                    assert!(
                        time <= SECOND * 16,
                        "seed {seed}: {number} is a ghost at {device} for {time:?}"
                    );
                    ghosts.insert(key, since);
                }
            }
        }
        self.ghosts = ghosts;
    }
}

fn happen(universe: &mut Universe, conferences: &mut u8) {
    let devices = universe.devices.len() as u64;
    let device = universe.chance.below(devices) as usize;
    let number = universe.chance.below(u64::from(PEOPLE)) as u8;
    let own = universe.number(device);
    match universe.chance.below(100) {
        0..45 if universe.devices[device].mesh.is_some() => {
            universe.invite(device, number);
        }
        45..60 if universe.devices[device].mesh.is_none() && number != own => {
            *conferences = conferences.wrapping_add(37);
            universe.call_group(device, conference(*conferences), [number]);
        }
        // Crossing: two who are in nothing ask each other in.
        60..64 if number != own => {
            let is_idle = |it: &usize| universe.devices[*it].mesh.is_none();
            let other =
                (0..devices as usize).find(|it| universe.number(*it) == number && is_idle(it));
            if let Some(other) = other.filter(|_| is_idle(&device)) {
                for (from, to) in [(device, number), (other, own)] {
                    *conferences = conferences.wrapping_add(37);
                    universe.call_group(
                        from,
                        conference(*conferences),
                        [to, (number + 1) % PEOPLE],
                    );
                }
            }
        }
        64..67 => universe.leave(device),
        67..70 => universe.vanish(device),
        70..90 if number != own && !universe.is_cut(own, number) => {
            let time = 2 + universe.chance.below(120);
            universe.cut(own, number, SECOND * time as u32);
        }
        90..93 => {
            universe.devices[device].manner = match universe.chance.below(6) {
                0 => Manner::Declines,
                1 => Manner::IsSilent,
                _ => Manner::Answers,
            };
        }
        93..95 => drop(universe.deaf.insert(device)),
        95..98 => drop(universe.deaf.remove(&device)),
        _ => {}
    }
}

/// An hour of it, then everything is well for ten minutes.
fn storm(seed: u64) -> (Universe, Watch) {
    let mut universe = Universe::new(PEOPLE, seed);
    // Two people have a second device.
    universe.add_device(0);
    universe.add_device(5);
    universe.faults = Faults {
        rosters_lost: 10,
        rosters_twice: 10,
        invites_lost: 5,
    };
    let mut watch = Watch::default();
    let mut conferences = seed as u8;
    let mut next = 0;
    for second in 0..3600 {
        if second >= next {
            happen(&mut universe, &mut conferences);
            next = second + universe.chance.below(20);
        }
        universe.run(SECOND);
        universe.sweep();
        watch.look(&universe, seed);
    }
    universe.heal();
    for _ in 0..600 {
        universe.run(SECOND);
        watch.look(&universe, seed);
    }
    (universe, watch)
}

/// Whoever is missed is missed at both ends, and nobody sees anybody who is not in.
fn assert_agreed(universe: &Universe, id: ConferenceId, seed: u64) -> usize {
    let members = universe.members_of(id);
    let people: BTreeSet<u8> = members.iter().map(|it| universe.number(*it)).collect();
    assert_eq!(
        members.len(),
        people.len(),
        "seed {seed}: two devices of one person are in"
    );
    let mut missing = 0;
    for a in &members {
        let strangers: Vec<_> = universe.devices[*a]
            .seen
            .keys()
            .filter(|it| !people.contains(it))
            .collect();
        assert!(
            strangers.is_empty(),
            "seed {seed}: {a} sees {strangers:?}, who are not in"
        );
        for b in members.iter().filter(|b| a != *b) {
            let (of_a, of_b) = (universe.number(*a), universe.number(*b));
            let seen = universe.devices[*a].seen.get(&of_b).copied();
            let back = universe.devices[*b].seen.get(&of_a).copied();
            assert_eq!(
                seen, back,
                "seed {seed}: {a} and {b} do not agree on their leg"
            );
            let between = members.iter().any(|c| {
                let joined = universe.sees(*c, Seen::Joined);
                joined.contains(&of_a) && joined.contains(&of_b)
            });
            if seen != Some(Seen::Joined) && between {
                assert_eq!(
                    seen,
                    Some(Seen::NoPath),
                    "seed {seed}: {a} does not know that it misses {b}"
                );
                missing += 1;
            }
        }
    }
    missing
}

#[test]
fn after_an_hour_of_everything_that_can_happen_all_agree() {
    let (mut in_conferences, mut missing) = (0, 0);
    for seed in 0..10 {
        let (universe, watch) = storm(seed);
        let ids: BTreeSet<ConferenceId> = universe
            .devices
            .iter()
            .filter_map(|it| Some(it.mesh.as_ref()?.conference()))
            .collect();
        for id in ids {
            in_conferences += universe.members_of(id).len();
            missing += assert_agreed(&universe, id, seed);
        }
        let calls: u32 = universe.placed.values().sum();
        let rosters = universe.rosters;
        assert!(
            rosters <= watch.leg_seconds / 2,
            "seed {seed}: {rosters} rosters"
        );
        assert!(calls <= 2000, "seed {seed}: {calls} calls");
    }
    assert!(
        in_conferences > 25,
        "it was about something: {in_conferences}"
    );
    assert!(
        missing * 8 <= in_conferences,
        "missing legs are the exception: {missing}"
    );
}

#[test]
fn a_quiet_hour_costs_a_roster_in_fifteen_seconds_on_each_leg_and_no_call() {
    let mut universe = Universe::in_conference(8, 2);
    let (calls, rosters) = (universe.placed.clone(), universe.rosters);
    universe.run(SECOND * 3600);
    assert_eq!(universe.placed, calls);
    let each = 3600 / 15;
    assert!(universe.rosters - rosters <= 56 * (each + 1));
    universe.assert_all_in(&[0, 1, 2, 3, 4, 5, 6, 7]);
}

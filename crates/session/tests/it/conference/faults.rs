//! Anything in any order, on a bad network: at quiet nobody is a ghost, and nothing is left when all have left.

use std::time::Duration;

use securecall_session::ConferenceEvent;
use securecall_testkit::Fate;

use super::people::People;

const STEPS: u32 = 100;

fn any(people: &mut People, bound: usize) -> usize {
    people.universe.random_below(bound as u32) as usize
}

/// Does something that a person, a machine or a network may do.
fn do_something(people: &mut People) {
    let (one, other) = (any(people, people.count), any(people, people.count));
    match any(people, 20) {
        0 | 1 => {
            let _ = people.universe.call_group(one, &[other]);
        }
        2 => {
            let others: Vec<_> = (0..people.count).filter(|it| *it != one).collect();
            let _ = people.universe.call_group(one, &others);
        }
        3 if one < 2 => {
            let _ = people.universe.call(one, other);
        }
        4 | 5 => {
            if let Some(call) = people.last_call(one) {
                let _ = people.universe.add(one, call, other);
            }
        }
        6..=15 => (0..people.count).for_each(|it| people.answer_once(it)),
        16 => {
            if people.universe.devices[one].endpoint.conference().is_some() {
                people.universe.leave(one);
            }
        }
        17 | 18 => {
            let cut = any(people, 3) == 0;
            people.universe.network.set_cut(one, other, cut);
        }
        _ => people.universe.restart(one),
    }
}

#[test]
fn whatever_happens_all_agree_at_quiet_and_nothing_is_left_at_the_end() {
    let (mut joined, mut members) = (0, 0);
    for seed in 0..12 {
        let mut people = People::new(4, 1000 + seed);
        let mut number = seed;
        people.universe.homeserver.set_script(move |_| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            match (number >> 33) % 24 {
                0 => Fate::Drop,
                1 => Fate::Delay(Duration::from_secs(2)),
                2 => Fate::Duplicate(Duration::from_millis(700)),
                _ => Fate::Deliver,
            }
        });
        for _ in 0..STEPS {
            do_something(&mut people);
            let pause = any(&mut people, 3000) as u64;
            people.universe.run_for(Duration::from_millis(pause));
        }
        people.universe.homeserver.behave();
        people.universe.network.cut.clear();
        people.run(240);
        for device in 0..people.count {
            let joins = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::Joined { .. });
            joined += people
                .universe
                .conference_events(device)
                .filter(joins)
                .count();
            members += people.universe.members(device).len();
            for member in people.universe.members(device) {
                let theirs = people.universe.members(member);
                assert!(
                    theirs.contains(&device),
                    "seed {seed}: {device} sees {member}, who sees {theirs:?}"
                );
            }
        }
        people.leave_all();
        people.hang_up_all();
        people.check_empty();
    }
    assert!(
        joined > 60 && members > 20,
        "something happened: {joined} {members}"
    );
}

impl People {
    fn last_call(&self, device: usize) -> Option<securecall_session::CallHandle> {
        self.universe.devices[device]
            .calls
            .keys()
            .next_back()
            .copied()
    }

    fn hang_up_all(&mut self) {
        for device in 0..self.count {
            let calls: Vec<_> = self.universe.devices[device]
                .calls
                .keys()
                .copied()
                .collect();
            for call in calls {
                let _ = self.universe.command(device, |endpoint, now, rng| {
                    endpoint.hang_up(now, rng, call)
                });
            }
        }
    }
}

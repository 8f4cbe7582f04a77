//! People who know each other, each with one device.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_session::{CallHandle, ConferenceEvent, EndReason, NamedConference};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceId, DeviceOptions, Universe, UserId};

pub(super) const NAMES: [&str; 8] = [
    "Ada", "Bob", "Carol", "Dan", "Eve", "Frank", "Grace", "Heidi",
];

/// So many people; device and user have the same number.
pub(super) struct People {
    pub(super) universe: Universe,
    pub(super) count: usize,
}

impl People {
    /// All know each other.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let mut people = Self::strangers(count, seed);
        for one in 0..count {
            for other in one + 1..count {
                people.universe.befriend(one, other);
            }
        }
        people
    }

    /// Nobody knows anybody.
    pub(super) fn strangers(count: usize, seed: u64) -> Self {
        let mut universe = Universe::new(seed);
        for name in &NAMES[..count] {
            let user = universe.add_user(name);
            let device = universe.add_device(user, DeviceOptions::default());
            assert_eq!(user, device);
        }
        Self { universe, count }
    }

    /// One calls the others, and all answer.
    pub(super) fn in_conference(count: usize, seed: u64) -> (Self, NamedConference) {
        let mut people = Self::new(count, seed);
        let conference = people.call_all();
        people.run(5);
        people.check_all_in();
        (people, conference)
    }

    /// The first calls all others, who answer what rings.
    pub(super) fn call_all(&mut self) -> NamedConference {
        let others: Vec<UserId> = (1..self.count).collect();
        let conference = self.universe.call_group(0, &others).unwrap();
        self.run(2);
        for other in others {
            self.universe.answer_what_rings(other);
        }
        conference
    }

    /// A call between the first two, who talk.
    pub(super) fn in_call(count: usize, seed: u64) -> (Self, CallId) {
        let mut people = Self::new(count, seed);
        let call = people.universe.call(0, 1).unwrap();
        people.run(1);
        people.universe.answer(1, call);
        people.run(2);
        (people, call)
    }

    /// Our leg with somebody.
    pub(super) fn leg(&self, device: DeviceId, user: UserId) -> CallHandle {
        let legs = self.universe.legs(device);
        let leg = legs.into_iter().find(|(other, _)| *other == user);
        leg.unwrap().1
    }

    /// How the last conference of a device ended, and whether anybody was ever connected with it.
    pub(super) fn ended(&self, device: DeviceId) -> Option<(EndReason, bool)> {
        match self.universe.conference_events(device).last()? {
            ConferenceEvent::Ended {
                reason,
                connected_for,
            } => Some((*reason, connected_for.is_some())),
            _ => None,
        }
    }

    pub(super) fn run(&mut self, seconds: u64) {
        self.universe.run_for(Duration::from_secs(seconds));
    }

    /// Whether these, and nobody else, are in, as each of them shows it.
    pub(super) fn are_in(&self, devices: &[DeviceId]) -> bool {
        let all: BTreeSet<_> = devices.iter().copied().collect();
        devices.iter().all(|device| {
            let mut members = self.universe.members(*device);
            let others = members.insert(self.universe.devices[*device].user);
            others && members == all
        })
    }

    pub(super) fn check_in(&self, devices: &[DeviceId]) {
        for device in devices {
            let members = self.universe.members(*device);
            let events: Vec<_> = self.universe.conference_events(*device).collect();
            assert!(
                self.are_in(devices),
                "{device} shows {members:?}: {events:#?}"
            );
        }
        let words: BTreeSet<_> = devices
            .iter()
            .map(|it| self.universe.group_words(*it).map(|it| it.to_string()))
            .collect();
        assert_eq!(words.len(), 1, "they have the same words");
    }

    pub(super) fn check_all_in(&self) {
        let all: Vec<_> = (0..self.count).collect();
        self.check_in(&all);
    }

    /// Somebody whom all know.
    pub(super) fn add_user(&mut self, name: &str) {
        let user = self.universe.add_user(name);
        self.universe.add_device(user, DeviceOptions::default());
        self.count += 1;
        self.befriend_again();
    }

    /// New devices know whom their users know.
    pub(super) fn befriend_again(&mut self) {
        for one in 0..self.count {
            for other in one + 1..self.count {
                self.universe.befriend(one, other);
            }
        }
    }

    /// Answers what rings, if it was not answered.
    pub(super) fn answer_once(&mut self, device: DeviceId) {
        if let Some(call) = self.universe.incoming(device) {
            let call = self.universe.handle(device, call);
            let _ = self
                .universe
                .command(device, |endpoint, now, rng| endpoint.answer(now, rng, call));
        }
    }

    pub(super) fn leave_all(&mut self) {
        self.universe.leave_all();
    }

    /// Nothing is left on any device.
    pub(super) fn check_empty(&mut self) {
        self.run(400);
        for device in 0..self.universe.devices.len() {
            assert!(
                self.universe.devices[device].endpoint.is_empty(),
                "device {device}"
            );
        }
    }
}

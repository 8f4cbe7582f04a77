//! Calls between devices, as `crates/session` makes them: invites that ring, are taken or wait, legs that work, fall silent and end.

use std::time::Duration;

use securecall_signaling::group::{EndWhy, INTRODUCTION_PATIENCE, LegEnd, Mesh, Verdict};
use securecall_signaling::{ConferenceId, Person, Roster};
use web_time::Instant;

use super::{Call, Deed, Leg, Manner, Stage, Universe, pair};

impl Universe {
    /// Since when the two ends of a call cannot hear each other, or for ever.
    fn silent_since(&self, call: &Call) -> Option<Option<Instant>> {
        if self.ends(call).iter().any(Option::is_none) {
            return Some(None);
        }
        let cut = self.cut.get(&pair(self.number(call.from), call.to));
        cut.map(|since| Some(*since))
    }

    pub(super) fn is_silent(&self, call: &Call) -> bool {
        self.silent_since(call).is_some()
    }

    pub(super) fn silence(&mut self, leg: Leg, since: Instant) {
        let Some(call) = self.calls.get(&leg).cloned() else {
            return;
        };
        let is_up = matches!(call.stage, Stage::Up(_));
        if is_up
            && self
                .silent_since(&call)
                .is_some_and(|it| it.is_none_or(|it| it == since))
        {
            for end in self.ends(&call).into_iter().flatten() {
                self.with_mesh(end, |now, mesh| mesh.leg_silent(now, leg, since));
            }
        }
    }

    /// The ends that are still there.
    pub(super) fn ends(&self, call: &Call) -> [Option<usize>; 2] {
        let callee = match call.stage {
            Stage::Connecting(to) | Stage::Up(to) => Some(to),
            Stage::Inviting | Stage::Over => None,
        };
        let is_there = |end: usize, life: u32| {
            let it = &self.devices[end];
            it.mesh.is_some() && it.life == life
        };
        [
            Some(call.from).filter(|it| is_there(*it, call.lives[0])),
            callee.filter(|it| is_there(*it, call.lives[1])),
        ]
    }

    pub(super) fn invited(&mut self, leg: Leg, device: usize) {
        let call = self.calls[&leg].clone();
        if call.stage != Stage::Inviting {
            return;
        }
        let mesh_is_over = self.devices[device].mesh.as_ref().is_none_or(Mesh::is_over);
        if mesh_is_over {
            if call.rings && self.devices[device].ringing.is_none() {
                self.ring(leg, device);
            }
            return;
        }
        let own = self.devices[device]
            .mesh
            .as_ref()
            .map(Mesh::conference)
            .unwrap();
        if own == call.conference {
            self.offered(leg, device);
        } else if call.rings {
            self.meets(leg, device, own, &call);
        }
    }

    fn ring(&mut self, leg: Leg, device: usize) {
        let manner = self.devices[device].manner;
        if manner == Manner::IsSilent {
            return;
        }
        self.devices[device].ringing = Some(leg);
        let time = self.chance.millis(500, 4000);
        self.later(time, Deed::Answer(leg, device));
    }

    pub(super) fn answer(&mut self, leg: Leg, device: usize) {
        if self.devices[device].ringing != Some(leg) {
            return;
        }
        self.devices[device].ringing = None;
        let call = self.calls[&leg].clone();
        if call.stage != Stage::Inviting {
            return;
        }
        // It has called somebody itself in the meantime.
        let is_elsewhere = self.devices[device].mesh.is_some();
        if is_elsewhere || self.devices[device].manner == Manner::Declines {
            self.over(leg);
            self.tell_end(call.from, leg, LegEnd::Declined);
            return;
        }
        self.begin(device, call.conference);
        self.with_mesh(device, |_, mesh| mesh.introduce(&call.members));
        self.take(leg, device);
        // Somebody else may have asked in the same person.
        for (other, it) in self.live_calls() {
            let is_for_us = it.to == call.to && it.stage == Stage::Inviting;
            if other != leg && is_for_us && it.conference == call.conference {
                self.offered(other, device);
            }
        }
    }

    /// Two have asked each other in.
    fn meets(&mut self, leg: Leg, device: usize, own: ConferenceId, call: &Call) {
        let caller = call.from;
        let mesh = self.devices[device].mesh.as_ref().unwrap();
        let is_glare = mesh.people_invited().contains(&self.devices[caller].person);
        let is_alone = mesh.people_connected().next().is_none();
        if is_glare && is_alone && call.conference < own {
            let others = mesh.people_invited();
            self.leave(device);
            self.begin(device, call.conference);
            self.with_mesh(device, |_, mesh| mesh.introduce(&call.members));
            self.take(leg, device);
            for person in others {
                let number = self.number_of(person.id());
                self.invite(device, number);
            }
        } else if !is_glare {
            self.over(leg);
            self.tell_end(caller, leg, LegEnd::Busy);
        }
    }

    fn offered(&mut self, leg: Leg, device: usize) {
        let call = self.calls[&leg].clone();
        let caller = self.devices[call.from].person.clone();
        let number = self.number(call.from);
        let ours = self
            .calls
            .iter()
            .find(|(_, it)| it.from == device && it.stage == Stage::Inviting && it.to == number);
        let ours = ours.map(|(leg, _)| *leg);
        // Glare of two calls: the one with the lesser ID goes on.
        if ours.is_some_and(|ours| ours < leg) {
            return;
        }
        let now = self.now;
        let mesh = self.devices[device].mesh.as_mut().unwrap();
        match mesh.leg_offered(now, &caller) {
            Verdict::Take => {
                if let Some(ours) = ours {
                    self.over(ours);
                    self.with_mesh(device, |now, mesh| {
                        mesh.leg_ended(now, ours, LegEnd::Crossed);
                    });
                }
                self.take(leg, device);
            }
            Verdict::Wait => {
                let until = now + INTRODUCTION_PATIENCE;
                self.devices[device].waiting.push((leg, until));
            }
            Verdict::Refuse => {}
        }
        self.drain(device);
    }

    pub(super) fn ask_again(&mut self, device: usize) {
        let now = self.now;
        let waiting = std::mem::take(&mut self.devices[device].waiting);
        for (leg, until) in waiting {
            if until > now
                && self.calls[&leg].stage == Stage::Inviting
                && self.devices[device].mesh.is_some()
            {
                self.offered(leg, device);
                if let Some(it) = self.devices[device]
                    .waiting
                    .iter_mut()
                    .find(|it| it.0 == leg)
                {
                    it.1 = until;
                }
            }
        }
    }

    pub(super) fn forget_offer(&mut self, device: usize, leg: Leg) {
        self.devices[device].waiting.retain(|it| it.0 != leg);
        if self.devices[device].ringing == Some(leg) {
            self.devices[device].ringing = None;
        }
    }

    fn take(&mut self, leg: Leg, device: usize) {
        let call = self.calls.get_mut(&leg).unwrap();
        call.stage = Stage::Connecting(device);
        call.lives[1] = self.devices[device].life;
        let caller = self.devices[call.from].person.clone();
        self.with_mesh(device, |now, mesh| mesh.leg_taken(now, caller, leg));
        let time = self.chance.millis(200, 1500);
        self.later(time, Deed::Connect(leg));
    }

    pub(super) fn connect(&mut self, leg: Leg) {
        let call = self.calls[&leg].clone();
        let Stage::Connecting(to) = call.stage else {
            return;
        };
        if self.is_silent(&call) {
            self.over(leg);
            let rest = Duration::from_secs(30);
            self.later(rest, Deed::End(call.from, leg, LegEnd::NoPath));
            self.later(rest, Deed::End(to, leg, LegEnd::NoPath));
            return;
        }
        self.calls.get_mut(&leg).unwrap().stage = Stage::Up(to);
        for end in [call.from, to] {
            self.with_mesh(end, |now, mesh| mesh.leg_connected(now, leg));
        }
    }

    pub(super) fn invite_expires(&mut self, leg: Leg) {
        let call = self.calls[&leg].clone();
        if call.stage == Stage::Inviting {
            self.over(leg);
            self.with_mesh(call.from, |now, mesh| {
                mesh.leg_ended(now, leg, LegEnd::NoAnswer);
            });
        }
    }

    pub(super) fn live_calls(&self) -> Vec<(Leg, Call)> {
        let live = self.calls.iter().filter(|(_, it)| it.stage != Stage::Over);
        live.map(|(leg, call)| (*leg, call.clone())).collect()
    }

    pub(super) fn over(&mut self, leg: Leg) {
        self.calls.get_mut(&leg).unwrap().stage = Stage::Over;
    }

    fn tell_end(&mut self, device: usize, leg: Leg, end: LegEnd) {
        let time = self.chance.millis(50, 600);
        self.later(time, Deed::End(device, leg, end));
    }

    pub(super) fn place(
        &mut self,
        device: usize,
        person: &Person,
        rings: bool,
        members: Vec<Person>,
    ) {
        let leg = self.next_leg();
        let to = self.number_of(person.id());
        let from = self.number(device);
        *self.placed.entry((from, to)).or_default() += 1;
        let mesh = self.devices[device].mesh.as_mut().unwrap();
        let conference = mesh.conference();
        self.calls.insert(
            leg,
            Call {
                from: device,
                to,
                conference,
                rings,
                members,
                stage: Stage::Inviting,
                lives: [self.devices[device].life, 0],
            },
        );
        self.with_mesh(device, |now, mesh| mesh.leg_placed(now, person.id(), leg));
        let lost =
            self.withheld.contains(&(from, to)) || self.chance.percent(self.faults.invites_lost);
        let time = self.chance.millis(50, 800);
        for other in 0..self.devices.len() {
            let hears = self.number(other) == to && !self.deaf.contains(&other);
            if other != device && hears && !lost {
                self.later(time, Deed::Invite(leg, other));
            }
        }
        let lifetime = if rings { 60 } else { 30 };
        self.later(Duration::from_secs(lifetime), Deed::InviteExpires(leg));
    }

    /// Call IDs are random, so which of two crossing calls is the lesser is anybody's guess.
    fn next_leg(&mut self) -> Leg {
        loop {
            let leg = self.chance.below(u64::MAX);
            if !self.calls.contains_key(&leg) {
                return leg;
            }
        }
    }

    pub(super) fn send(&mut self, device: usize, leg: Leg, roster: &Roster) {
        self.rosters += 1;
        let Some(call) = self.calls.get(&leg).cloned() else {
            return;
        };
        let Stage::Up(_) = call.stage else { return };
        if self.is_silent(&call) {
            return;
        }
        let to = self
            .ends(&call)
            .into_iter()
            .flatten()
            .find(|it| *it != device);
        let copies = if self.chance.percent(self.faults.rosters_lost) {
            0
        } else {
            1 + u64::from(self.chance.percent(self.faults.rosters_twice))
        };
        for _ in 0..copies {
            let time = self.chance.millis(10, 1400);
            if let Some(to) = to {
                self.later(time, Deed::Tell(to, leg, roster.clone()));
            }
        }
    }

    pub(super) fn hang_up(&mut self, device: usize, leg: Leg, why: EndWhy) {
        let Some(call) = self.calls.get(&leg).cloned() else {
            return;
        };
        let end = match why {
            EndWhy::Left => LegEnd::Left,
            EndWhy::Replaced => LegEnd::AnsweredElsewhere,
            EndWhy::NoPath => LegEnd::NoPath,
            EndWhy::Crossed | EndWhy::Full => LegEnd::Failed,
        };
        for other in self.ends(&call).into_iter().flatten() {
            if other != device {
                self.tell_end(other, leg, end);
            }
        }
        if call.stage == Stage::Inviting {
            for other in 0..self.devices.len() {
                self.forget_offer(other, leg);
            }
        }
        self.over(leg);
    }
}

//! Members of conferences on virtual time, with legs that come, work and break between them, as `crates/session` makes them. What
//! goes wrong is drawn from a seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use securecall_signaling::group::{
    EndWhy, INTRODUCTION_PATIENCE, LeftWhy, LegEnd, Mesh, MeshOutput, OverWhy, Verdict,
};
use securecall_signaling::{ConferenceId, Person, Roster};
use web_time::Instant;

use crate::calls::origin;
use crate::chance::Chance;
use crate::rosters::person;

pub(super) type Leg = u64;

/// What a device does when it is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Answers,
    Declines,
    /// It is not there, or nobody hears it ring.
    IsSilent,
}

/// How somebody stands, as the user of a device was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Invited,
    Joined,
    NoPath,
}

pub(super) struct Device {
    number: u8,
    pub(super) person: Person,
    pub(super) mesh: Option<Mesh<Leg>>,
    pub(super) manner: Manner,
    pub(super) seen: BTreeMap<u8, Seen>,
    pub(super) words: Vec<u8>,
    pub(super) over: Option<OverWhy>,
    pub(super) left: Vec<(u8, LeftWhy)>,
    pub(super) brought: BTreeMap<u8, Option<u8>>,
    /// Rises whenever it begins anew: what was before is nothing to it.
    life: u32,
    /// Offers that wait, and until when.
    waiting: Vec<(Leg, Instant)>,
    /// The call that rings.
    ringing: Option<Leg>,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    from: usize,
    to: u8,
    conference: ConferenceId,
    rings: bool,
    members: Vec<Person>,
    stage: Stage,
    /// The lives of its two ends.
    lives: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Inviting,
    Connecting(usize),
    Up(usize),
    Over,
}

#[derive(Clone, Debug)]
enum Deed {
    Invite(Leg, usize),
    Answer(Leg, usize),
    InviteExpires(Leg),
    Connect(Leg),
    End(usize, Leg, LegEnd),
    Tell(usize, Leg, Roster),
    Silence(Leg, Instant),
    Heal(u8, u8, Instant),
}

/// What goes wrong by chance, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) rosters_lost: u64,
    pub(super) rosters_twice: u64,
    pub(super) invites_lost: u64,
}

pub(super) struct Universe {
    pub(super) now: Instant,
    pub(super) devices: Vec<Device>,
    pub(super) calls: BTreeMap<Leg, Call>,
    pub(super) chance: Chance,
    pub(super) faults: Faults,
    pub(super) rosters: u64,
    pub(super) placed: BTreeMap<(u8, u8), u32>,
    /// Pairs of people who cannot reach each other, and since when.
    cut: BTreeMap<(u8, u8), Instant>,
    /// Devices that no invite reaches.
    pub(super) deaf: BTreeSet<usize>,
    /// Pairs of people between whom no invite comes through.
    pub(super) withheld: BTreeSet<(u8, u8)>,
    deeds: BTreeMap<(Instant, u64), Deed>,
    serial: u64,
}

pub(super) fn conference(number: u8) -> ConferenceId {
    ConferenceId::from_random([number; 16])
}

fn pair(a: u8, b: u8) -> (u8, u8) {
    (a.min(b), a.max(b))
}

impl Universe {
    /// One device for each person.
    pub(super) fn new(people: u8, seed: u64) -> Self {
        let now = origin();
        let mut universe = Self {
            now,
            devices: Vec::new(),
            calls: BTreeMap::new(),
            chance: Chance(seed),
            faults: Faults::default(),
            rosters: 0,
            placed: BTreeMap::new(),
            cut: BTreeMap::new(),
            deaf: BTreeSet::new(),
            withheld: BTreeSet::new(),
            deeds: BTreeMap::new(),
            serial: 0,
        };
        (0..people).for_each(|number| {
            universe.add_device(number);
        });
        universe
    }

    pub(super) fn add_device(&mut self, number: u8) -> usize {
        self.devices.push(Device {
            number,
            person: person(number),
            mesh: None,
            manner: Manner::Answers,
            seen: BTreeMap::new(),
            words: Vec::new(),
            over: None,
            left: Vec::new(),
            brought: BTreeMap::new(),
            life: 0,
            waiting: Vec::new(),
            ringing: None,
        });
        self.devices.len() - 1
    }

    /// All of them in one conference that the first has begun.
    pub(super) fn in_conference(people: u8, seed: u64) -> Self {
        let mut universe = Self::new(people, seed);
        universe.call_group(0, conference(1), 1..people);
        universe.run(Duration::from_secs(20));
        universe
    }

    pub(super) fn call_group(
        &mut self,
        from: usize,
        id: ConferenceId,
        people: impl IntoIterator<Item = u8>,
    ) {
        self.begin(from, id);
        for number in people {
            self.invite(from, number);
        }
    }

    pub(super) fn begin(&mut self, device: usize, id: ConferenceId) {
        let own = self.devices[device].person.id();
        let it = &mut self.devices[device];
        it.mesh = Some(Mesh::new(own, id));
        it.life += 1;
        it.seen.clear();
        it.words.clear();
        it.over = None;
        it.brought.clear();
    }

    pub(super) fn invite(&mut self, from: usize, number: u8) -> bool {
        let now = self.now;
        let Some(mesh) = &mut self.devices[from].mesh else {
            return false;
        };
        let is_placed = mesh.invite(now, person(number)).is_ok();
        self.drain(from);
        is_placed
    }

    pub(super) fn leave(&mut self, device: usize) {
        if let Some(mesh) = &mut self.devices[device].mesh {
            mesh.leave();
        }
        self.drain(device);
    }

    /// It is gone from one moment to the next, and says nothing.
    pub(super) fn vanish(&mut self, device: usize) {
        let now = self.now;
        for (leg, call) in self.live_calls() {
            if self.ends(&call).contains(&Some(device)) {
                match call.stage {
                    Stage::Up(_) => self.later(Duration::from_secs(3), Deed::Silence(leg, now)),
                    Stage::Inviting => self.over(leg),
                    _ => {}
                }
            }
        }
        let it = &mut self.devices[device];
        it.mesh = None;
        it.ringing = None;
        it.waiting.clear();
        it.seen.clear();
        it.words.clear();
    }

    /// Nothing goes between two people any more, for a while.
    pub(super) fn cut(&mut self, a: u8, b: u8, time: Duration) {
        let now = self.now;
        self.cut.insert(pair(a, b), now);
        self.later(time, Deed::Heal(a, b, now));
        for (leg, call) in self.live_calls() {
            if pair(self.number(call.from), call.to) == pair(a, b)
                && matches!(call.stage, Stage::Up(_))
            {
                self.later(Duration::from_secs(3), Deed::Silence(leg, now));
            }
        }
    }

    pub(super) fn is_cut(&self, a: u8, b: u8) -> bool {
        self.cut.contains_key(&pair(a, b))
    }

    /// Nothing is cut and nothing is lost from now on.
    pub(super) fn heal(&mut self) {
        self.faults = Faults::default();
        for (a, b) in self.cut.clone().into_keys() {
            self.heal_pair(a, b);
        }
        self.withheld.clear();
    }

    fn heal_pair(&mut self, a: u8, b: u8) {
        self.cut.remove(&pair(a, b));
        for (leg, call) in self.live_calls() {
            let is_theirs = pair(self.number(call.from), call.to) == pair(a, b);
            if is_theirs && matches!(call.stage, Stage::Up(_)) && !self.is_silent(&call) {
                for end in self.ends(&call).into_iter().flatten() {
                    self.with_mesh(end, |now, mesh| mesh.leg_heard(now, leg));
                }
            }
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakeups = 0_u32;
        loop {
            let deed = self.deeds.first_key_value().map(|((at, _), _)| *at);
            let timer = (0..self.devices.len())
                .filter_map(|it| Some((self.deadline(it)?, it)))
                .min();
            let next = deed.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            wakeups += 1;
            assert!(wakeups < 2_000_000, "somebody asks to be woken for ever");
            self.now = self.now.max(next);
            if deed == Some(next) {
                if let Some((_, deed)) = self.deeds.pop_first() {
                    self.carry_out(deed);
                }
            } else if let Some((_, device)) = timer {
                self.with_mesh(device, |now, mesh| mesh.handle_timeout(now));
                let again = self.deadline(device);
                assert!(
                    again.is_none_or(|at| at > self.now),
                    "a timer that was due is due again"
                );
            }
        }
        self.now = end;
    }

    fn deadline(&mut self, device: usize) -> Option<Instant> {
        match self.devices[device].mesh.as_mut()?.poll_output() {
            MeshOutput::Timeout(at) => at,
            output => panic!("nothing is left to be done, but {output:?}"),
        }
    }

    fn later(&mut self, time: Duration, deed: Deed) {
        self.serial += 1;
        self.deeds.insert((self.now + time, self.serial), deed);
    }

    pub(super) fn with_mesh(&mut self, device: usize, act: impl FnOnce(Instant, &mut Mesh<Leg>)) {
        let now = self.now;
        if let Some(mesh) = &mut self.devices[device].mesh {
            act(now, mesh);
        }
        self.drain(device);
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Invite(leg, device) => self.invited(leg, device),
            Deed::Answer(leg, device) => self.answer(leg, device),
            Deed::InviteExpires(leg) => self.invite_expires(leg),
            Deed::Connect(leg) => self.connect(leg),
            Deed::End(device, leg, end) => {
                self.forget_offer(device, leg);
                self.with_mesh(device, |now, mesh| mesh.leg_ended(now, leg, end));
            }
            Deed::Tell(device, leg, roster) => {
                self.with_mesh(device, |now, mesh| {
                    let _ = mesh.handle_roster(now, leg, &roster);
                });
                self.ask_again(device);
            }
            Deed::Silence(leg, since) => self.silence(leg, since),
            Deed::Heal(a, b, since) if self.cut.get(&pair(a, b)) == Some(&since) => {
                self.heal_pair(a, b);
            }
            Deed::Heal(..) => {}
        }
    }

    /// Since when the two ends of a call cannot hear each other, or for ever.
    fn silent_since(&self, call: &Call) -> Option<Option<Instant>> {
        if self.ends(call).iter().any(Option::is_none) {
            return Some(None);
        }
        let cut = self.cut.get(&pair(self.number(call.from), call.to));
        cut.map(|since| Some(*since))
    }

    fn is_silent(&self, call: &Call) -> bool {
        self.silent_since(call).is_some()
    }

    fn silence(&mut self, leg: Leg, since: Instant) {
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
    fn ends(&self, call: &Call) -> [Option<usize>; 2] {
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

    pub(super) fn number(&self, device: usize) -> u8 {
        self.devices[device].number
    }

    pub(super) fn number_of(&self, id: securecall_contact::SecureCallId) -> u8 {
        // As `rosters::id` makes them.
        id.identity_key().as_bytes()[0]
    }

    fn invited(&mut self, leg: Leg, device: usize) {
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

    fn answer(&mut self, leg: Leg, device: usize) {
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

    fn ask_again(&mut self, device: usize) {
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

    fn forget_offer(&mut self, device: usize, leg: Leg) {
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

    fn connect(&mut self, leg: Leg) {
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

    fn invite_expires(&mut self, leg: Leg) {
        let call = self.calls[&leg].clone();
        if call.stage == Stage::Inviting {
            self.over(leg);
            self.with_mesh(call.from, |now, mesh| {
                mesh.leg_ended(now, leg, LegEnd::NoAnswer);
            });
        }
    }

    fn live_calls(&self) -> Vec<(Leg, Call)> {
        let live = self.calls.iter().filter(|(_, it)| it.stage != Stage::Over);
        live.map(|(leg, call)| (*leg, call.clone())).collect()
    }

    fn over(&mut self, leg: Leg) {
        self.calls.get_mut(&leg).unwrap().stage = Stage::Over;
    }

    fn tell_end(&mut self, device: usize, leg: Leg, end: LegEnd) {
        let time = self.chance.millis(50, 600);
        self.later(time, Deed::End(device, leg, end));
    }

    /// Does what a machine wants done.
    pub(super) fn drain(&mut self, device: usize) {
        let mut outputs = VecDeque::new();
        if let Some(mesh) = &mut self.devices[device].mesh {
            loop {
                match mesh.poll_output() {
                    MeshOutput::Timeout(_) => break,
                    output => outputs.push_back(output),
                }
            }
        }
        for output in outputs {
            self.obey(device, output);
        }
    }

    fn obey(&mut self, device: usize, output: MeshOutput<Leg>) {
        match output {
            MeshOutput::Call {
                person,
                rings,
                members,
            } => self.place(device, &person, rings, members),
            MeshOutput::Tell { leg, roster } => self.send(device, leg, &roster),
            MeshOutput::EndLeg { leg, why } => self.hang_up(device, leg, why),
            MeshOutput::Invited { person, by } => {
                self.note(device, &person, Seen::Invited, Some(by));
            }
            MeshOutput::Joined {
                person, brought_by, ..
            } => self.note(device, &person, Seen::Joined, Some(brought_by)),
            MeshOutput::NoPath { person, .. } => self.note(device, &person, Seen::NoPath, None),
            MeshOutput::Left { person, why } => {
                let number = self.number_of(person.id());
                self.devices[device].left.push((number, why));
                assert!(self.devices[device].seen.remove(&number).is_some());
            }
            MeshOutput::Words(people) => {
                let numbers = people.iter().map(|id| self.number_of(*id)).collect();
                self.devices[device].words = numbers;
            }
            MeshOutput::Over(why) => {
                let it = &mut self.devices[device];
                it.over = Some(why);
                it.mesh = None;
                it.seen.clear();
                it.words.clear();
                it.waiting.clear();
            }
            MeshOutput::Timeout(_) => {}
        }
    }

    fn note(
        &mut self,
        device: usize,
        person: &Person,
        seen: Seen,
        by: Option<Option<securecall_contact::SecureCallId>>,
    ) {
        let number = self.number_of(person.id());
        let by = by.map(|by| by.map(|id| self.number_of(id)));
        let it = &mut self.devices[device];
        it.seen.insert(number, seen);
        if let Some(by) = by {
            it.brought.insert(number, by);
        }
    }

    fn place(&mut self, device: usize, person: &Person, rings: bool, members: Vec<Person>) {
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

    fn send(&mut self, device: usize, leg: Leg, roster: &Roster) {
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

    fn hang_up(&mut self, device: usize, leg: Leg, why: EndWhy) {
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

    /// The devices that are in a conference.
    pub(super) fn members_of(&self, id: ConferenceId) -> BTreeSet<usize> {
        let is_in = |it: &usize| {
            let mesh = self.devices[*it].mesh.as_ref();
            mesh.is_some_and(|mesh| mesh.conference() == id)
        };
        (0..self.devices.len()).filter(is_in).collect()
    }

    /// Whom a device sees in, in this way.
    pub(super) fn sees(&self, device: usize, how: Seen) -> BTreeSet<u8> {
        let seen = self.devices[device].seen.iter();
        seen.filter(|(_, it)| **it == how)
            .map(|(number, _)| *number)
            .collect()
    }

    /// All of these are in with all others of these, and everybody knows it and nobody else.
    pub(super) fn assert_all_in(&self, people: &[u8]) {
        for number in people {
            let device = (0..self.devices.len())
                .find(|it| self.number(*it) == *number && self.devices[*it].mesh.is_some())
                .unwrap_or_else(|| panic!("{number} is in no conference"));
            let others: BTreeSet<u8> = people.iter().copied().filter(|it| it != number).collect();
            assert_eq!(
                self.sees(device, Seen::Joined),
                others,
                "as {number} sees it"
            );
            assert_eq!(
                self.devices[device].seen.len(),
                others.len(),
                "as {number} sees it"
            );
            let words: Vec<u8> = people
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            assert_eq!(self.devices[device].words, words, "the words of {number}");
        }
    }

    /// Whether a leg between a device and some device of a person works at this moment.
    pub(super) fn hears(&self, device: usize, number: u8) -> bool {
        self.calls.values().any(|call| {
            let ends = self.ends(call);
            let other = ends.into_iter().flatten().find(|it| *it != device);
            ends.contains(&Some(device))
                && other.is_some_and(|it| self.number(it) == number)
                && matches!(call.stage, Stage::Up(_))
                && !self.is_silent(call)
        })
    }

    /// Forgets calls that are over.
    pub(super) fn sweep(&mut self) {
        let live: BTreeSet<Leg> = self.deeds.values().filter_map(Deed::leg).collect();
        self.calls
            .retain(|leg, call| call.stage != Stage::Over || live.contains(leg));
    }

    /// How many legs are up.
    pub(super) fn legs_up(&self) -> usize {
        let is_up = |call: &&Call| matches!(call.stage, Stage::Up(_)) && !self.is_silent(call);
        self.calls.values().filter(is_up).count()
    }
}

impl Deed {
    const fn leg(&self) -> Option<Leg> {
        match self {
            Self::Invite(leg, _)
            | Self::Answer(leg, _)
            | Self::InviteExpires(leg)
            | Self::Connect(leg)
            | Self::End(_, leg, _)
            | Self::Tell(_, leg, _)
            | Self::Silence(leg, _) => Some(*leg),
            Self::Heal(..) => None,
        }
    }
}

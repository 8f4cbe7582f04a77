//! Members of conferences on virtual time, with legs that come, work and break between them, as `crates/session` makes them. What
//! goes wrong is drawn from a seed.

mod calls;
mod seen;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use securecall_signaling::group::{LeftWhy, LegEnd, Mesh, MeshOutput, OverWhy};
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

    pub(super) fn number(&self, device: usize) -> u8 {
        self.devices[device].number
    }

    pub(super) fn number_of(&self, id: securecall_contact::SecureCallId) -> u8 {
        // As `rosters::id` makes them.
        id.identity_key().as_bytes()[0]
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

    /// Forgets calls that are over.
    pub(super) fn sweep(&mut self) {
        let live: BTreeSet<Leg> = self.deeds.values().filter_map(Deed::leg).collect();
        self.calls
            .retain(|leg, call| call.stage != Stage::Over || live.contains(leg));
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

//! A machine that is told anything whatever, also what contradicts itself: it never panics, and its bounds hold. Bytes say what it is told;
//! the fuzz target `group` draws them as well.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_signaling::group::{EndWhy, LegEnd, Mesh, MeshOutput, Verdict};
use securecall_signaling::{
    ConferenceId, MAX_MEMBERS, Membership, MembershipState, Person, Roster,
};
use web_time::Instant;

/// How many people there are to choose from; the first is the machine's own.
pub const PEOPLE: usize = 24;

/// A machine, and what must be true of it.
pub struct Trial<'a> {
    people: &'a [Person],
    begin: Instant,
    now: Instant,
    mesh: Mesh<u8>,
    /// It is the call of a room.
    of_room: bool,
    /// The legs that were placed or taken, and have not ended.
    legs: BTreeSet<u8>,
    /// The people who were told to be in.
    joined: BTreeSet<Person>,
    ordered: u32,
    over: bool,
}

impl<'a> Trial<'a> {
    /// Tells a machine what the bytes say.
    ///
    /// # Panics
    /// A bound does not hold.
    pub fn run(people: &'a [Person], begin: Instant, bytes: &[u8]) {
        let of_room = bytes.first().is_some_and(|it| *it >= 0xc0);
        let own = people[0].id();
        let mut trial = Self {
            people,
            begin,
            now: begin,
            mesh: match of_room {
                true => Mesh::of_room(own, conference(1)),
                false => Mesh::new(own, conference(1)),
            },
            of_room,
            legs: BTreeSet::new(),
            joined: BTreeSet::new(),
            ordered: 0,
            over: false,
        };
        let mut bytes = bytes.iter().copied();
        while let Some(deed) = bytes.next() {
            trial.tell(deed, &mut bytes);
            trial.drain();
        }
        trial.pass(Duration::from_secs(7200));
        trial.check_the_end();
    }

    fn tell(&mut self, deed: u8, bytes: &mut impl Iterator<Item = u8>) {
        let mut next = || bytes.next().unwrap_or_default();
        let (now, leg) = (self.now, next());
        match deed % 16 {
            0 if self.of_room => {
                let named: Vec<_> = (0..leg % 32).map(|_| self.person(next())).collect();
                self.mesh.room_names(now, &named);
            }
            0 => drop(self.mesh.invite(now, self.person(leg))),
            1 => self
                .mesh
                .introduce(&[self.person(leg), self.person(next())]),
            2..=4 => {
                let person = self.person(next());
                if self.mesh.leg_offered(now, &person) == Verdict::Take {
                    self.take(person, leg);
                }
            }
            // What was offered to nobody.
            5 => self.take(self.person(next()), leg),
            6..=8 => self.mesh.leg_connected(now, leg),
            9 => {
                let since = Duration::from_secs(u64::from(next() % 30));
                self.mesh
                    .leg_silent(now, leg, now.checked_sub(since).unwrap_or(now));
            }
            10 => self.mesh.leg_heard(now, leg),
            11 => {
                self.legs.remove(&leg);
                self.mesh.leg_ended(now, leg, end(next()));
            }
            12 | 13 => {
                let roster = self.roster(next(), &mut next);
                let _ = self.mesh.handle_roster(now, leg, &roster);
            }
            14 => self.pass(Duration::from_millis(u64::from(leg) * 200)),
            _ if leg == 255 && !self.of_room => self.mesh.leave(),
            _ => self.mesh.handle_timeout(now),
        }
    }

    fn take(&mut self, person: Person, leg: u8) {
        // A leg is one call and no other.
        if self.legs.insert(leg) {
            self.mesh.leg_taken(self.now, person, leg);
        }
    }

    fn person(&self, number: u8) -> Person {
        self.people[usize::from(number) % self.people.len()].clone()
    }

    fn roster(&self, head: u8, next: &mut impl FnMut() -> u8) -> Roster {
        let number = u32::from(next());
        let members = (0..head % 12).map(|_| {
            let byte = next();
            Membership {
                person: self.person(byte),
                state: [
                    MembershipState::Connected,
                    MembershipState::Calling,
                    MembershipState::NoPath,
                ][usize::from(byte / 32) % 3],
                brought_by: (byte >= 128).then(|| self.person(byte / 3).id()),
            }
        });
        Roster {
            conference_id: conference(1 + u8::from(head > 250)),
            number,
            members: members.collect(),
        }
    }

    /// Lets time pass, and the machine be woken when it wants to be.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut wakings = 0;
        while let Some(at) = self.drain().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.mesh.handle_timeout(self.now);
            let again = self.drain();
            assert!(
                again.is_none_or(|at| at > self.now),
                "what was due is due again"
            );
            wakings += 1;
            assert!(wakings < 20_000, "it asks to be woken for ever");
        }
        self.now = until;
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.mesh.poll_output() {
                MeshOutput::Timeout(at) => return at,
                output => self.obey(output),
            }
        }
    }

    fn obey(&mut self, output: MeshOutput<u8>) {
        // A leg that is taken when it is over is ended; nothing else comes.
        let may_come = !self.over || matches!(output, MeshOutput::EndLeg { .. });
        assert!(may_come, "it is over, but {output:?}");
        let is_of_mesh = matches!(output, MeshOutput::Tell { .. } | MeshOutput::Over(_));
        assert!(!(self.of_room && is_of_mesh), "in a room: {output:?}");
        match output {
            MeshOutput::Call {
                person, members, ..
            } => self.place(&person, &members),
            MeshOutput::Tell { leg, roster } => {
                assert!(self.legs.contains(&leg) && roster.members.len() <= MAX_MEMBERS);
            }
            MeshOutput::EndLeg { leg, why } => {
                let is_known = self.legs.remove(&leg);
                assert!(is_known || why == EndWhy::Full, "a leg ends once");
            }
            MeshOutput::Joined { person, .. } => {
                self.joined.insert(person);
                assert!(self.joined.len() < MAX_MEMBERS);
            }
            MeshOutput::Left { person, .. } | MeshOutput::Invited { person, .. } => {
                self.joined.retain(|it| it.id() != person.id());
            }
            MeshOutput::NoPath { person, by } => {
                assert!(person.id() != by);
                self.joined.retain(|it| it.id() != person.id());
            }
            MeshOutput::Words(people) => {
                assert!(people.len() <= MAX_MEMBERS && people.is_sorted());
                assert!(people.is_empty() || people.contains(&self.people[0].id()));
            }
            MeshOutput::Over(_) => self.over = true,
            MeshOutput::Timeout(_) => {}
        }
    }

    /// Some calls are placed, some cannot be, and for some the leg has a name that another has already.
    fn place(&mut self, person: &Person, members: &[Person]) {
        assert!(person.id() != self.people[0].id() && members.len() <= MAX_MEMBERS);
        self.ordered += 1;
        let leg = u8::try_from(self.ordered % 256).unwrap_or_default();
        if self.ordered.is_multiple_of(5) || !self.legs.insert(leg) {
            self.mesh.not_placed(self.now, person.id());
        } else {
            self.mesh.leg_placed(self.now, person.id(), leg);
        }
    }

    fn check_the_end(&self) {
        assert!(self.mesh.people_connected().count() < MAX_MEMBERS);
        // One try after another, with pauses: never more than this in all the time there was.
        let seconds = (self.now - self.begin).as_secs();
        assert!(
            u64::from(self.ordered) <= 24 * seconds,
            "{} calls",
            self.ordered
        );
    }
}

fn conference(number: u8) -> ConferenceId {
    ConferenceId::from_random([number; 16])
}

fn end(byte: u8) -> LegEnd {
    const ENDS: [LegEnd; 8] = [
        LegEnd::Left,
        LegEnd::Declined,
        LegEnd::Busy,
        LegEnd::NoAnswer,
        LegEnd::AnsweredElsewhere,
        LegEnd::NoPath,
        LegEnd::Failed,
        LegEnd::Crossed,
    ];
    ENDS[usize::from(byte) % ENDS.len()]
}

//! A conference, as one of its members sees it: [`Mesh`].
//!
//! There is a *leg*, an ordinary sealed call, between each two members. Somebody else makes the calls and seals what is said; the
//! machine knows which legs there should be, who is in, and what is to be told of that. `docs/protocol/group.md` has the rules.
//!
//! ```text
//!   legs come, work, fall silent, end     ┌──────┐   Call, EndLeg, Tell a roster
//!  ─────────────────────────────────────▶ │      │ ─────────────────────────────▶ legs
//!   rosters of the members                │ Mesh │
//!  ─────────────────────────────────────▶ │      │   Invited, Joined, NoPath, Left, Words, Over
//!   invite, leave, time                   └──────┘ ─────────────────────────────▶ the user
//! ```
//!
//! Each thing that comes in changes one room (`legs`, `testimony`, `redial` …); then everything that follows is worked out anew from
//! all of them. So the order in which things come makes no difference to where it ends.
//!
//! After each change, poll until [`MeshOutput::Timeout`]:
//!
//! ```
//! use securecall_contact::{MatrixId, SecureCallId};
//! use securecall_signaling::group::{Mesh, MeshOutput};
//! use securecall_signaling::{ConferenceId, Person};
//!
//! # #[allow(clippy::disallowed_methods)]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = web_time::Instant::now();
//! let own: SecureCallId = "afvww23lnnvww23lnnvww23lnnvww23lnnvww23lnnvww23lnnvrg6yb".parse()?;
//! let other: SecureCallId = "ajvww23lnnvww23lnnvww23lnnvww23lnnvww23lnnvww23lnnv6ikyb".parse()?;
//! let address = MatrixId::of_securecall_id(&other, &"example.org".parse()?);
//!
//! let mut mesh = Mesh::new(own, ConferenceId::from_random([7; 16]));
//! mesh.invite(now, Person::new(other, address)?)?;
//! loop {
//!     match mesh.poll_output() {
//!         // Place a call; here, it is the one that is called 1.
//!         MeshOutput::Call { person, .. } => mesh.leg_placed(now, person.id(), 1),
//!         MeshOutput::Timeout(at) => break, // wait until then, or until something happens to a leg
//!         output => println!("{output:?}"),
//!     }
//! }
//! # assert_eq!(mesh.people_invited().len(), 1);
//! # Ok(())
//! # }
//! ```

mod acquaintances;
mod allowance;
mod announcer;
mod legs;
mod output;
mod reckoning;
mod redial;
mod shown;
mod testimony;
mod waiting;

use std::collections::{BTreeSet, VecDeque};

use securecall_contact::SecureCallId;
use web_time::Instant;

use self::acquaintances::{Acquaintances, Origin};
use self::announcer::Announcer;
use self::legs::{Coming, Legs, MAX_OTHERS, Purpose};
use self::redial::Redial;
use self::shown::Shown;
use self::testimony::Testimonies;
use self::waiting::Waiting;
use crate::{ConferenceId, MAX_MEMBERS, Membership, Person, Roster};

pub use self::announcer::{ROSTER_AGAIN, ROSTER_BURST, ROSTER_PAUSE};
pub use self::legs::SILENCE;
pub use self::output::{EndWhy, LeftWhy, LegEnd, MeshOutput, OverWhy, Verdict};
pub use self::redial::{MAX_TRIES, MAX_UNREACHED, PATIENCE};
pub use self::testimony::RosterRefused;
pub use self::waiting::INTRODUCTION_PATIENCE;

/// Why somebody cannot be asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefused {
    /// The conference has as many people as it may.
    #[error("the conference has eight people")]
    Full,
    /// They are in, or are being called.
    #[error("the person is in the conference, or is being called")]
    AlreadyIn,
    /// It is we ourselves.
    #[error("nobody invites themselves")]
    Oneself,
    /// The conference is over.
    #[error("the conference is over")]
    Over,
}

/// One conference in one member. `L` is what its user calls a leg by.
#[derive(Debug)]
pub struct Mesh<L> {
    own: SecureCallId,
    conference: ConferenceId,
    phase: Phase,
    legs: Legs<L>,
    testimonies: Testimonies<L>,
    acquaintances: Acquaintances,
    redial: Redial,
    waiting: Waiting,
    shown: Shown<L>,
    announcer: Announcer<L>,
    /// Who says that another device of ours has taken our place.
    replaced: BTreeSet<SecureCallId>,
    words: Vec<SecureCallId>,
    /// What there is to tell the members.
    members: Vec<Membership>,
    outputs: VecDeque<MeshOutput<L>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody was asked in yet, and nobody has asked us.
    New,
    /// How the last person who left did so.
    Running(LeftWhy),
    Over,
}

impl<L: Copy + Ord> Mesh<L> {
    /// A conference that we begin, or are going to be in: whoever is asked in says next with whom the first leg is.
    pub fn new(own: SecureCallId, conference: ConferenceId) -> Self {
        Self {
            own,
            conference,
            phase: Phase::New,
            legs: Legs::new(),
            testimonies: Testimonies::new(own),
            acquaintances: Acquaintances::default(),
            redial: Redial::new(own),
            waiting: Waiting::default(),
            shown: Shown::new(),
            announcer: Announcer::new(),
            replaced: BTreeSet::new(),
            words: Vec::new(),
            members: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The sealed legs of the call of a room: who is in it says the room ([`Mesh::room_names`]), no roster is told or taken, and
    /// it goes on though nobody is in.
    pub fn of_room(own: SecureCallId, conference: ConferenceId) -> Self {
        Self {
            testimonies: Testimonies::of_room(own),
            ..Self::new(own, conference)
        }
    }

    /// Who is in the call of the room now, the most important first: few of many are called, and shown. The legs with all others end.
    pub fn room_names(&mut self, now: Instant, people: &[Person]) {
        let is_named = |id: &SecureCallId| people.iter().any(|it| it.id() == *id);
        let gone: Vec<_> = self.legs.people().filter(|id| !is_named(id)).collect();
        for id in gone {
            for leg in self.legs.with(id) {
                self.lose(now, leg, LegEnd::Left);
                self.end_leg(leg, EndWhy::Left);
            }
            self.legs.take_order(id);
        }
        // Last: who comes again is believed at once.
        self.testimonies.room_names(people);
        self.update(now);
    }

    /// The invite that asked us in names these: their legs are taken also before its sender's roster is here.
    pub fn introduce(&mut self, people: &[Person]) {
        for person in people.iter().take(MAX_MEMBERS) {
            self.acquaintances.know(person.clone(), Origin::Introduced);
        }
    }

    /// The user asks somebody in. Whoever is in, and whom no leg of ours reaches, is called anew.
    ///
    /// # Errors
    /// [`InviteRefused`]
    pub fn invite(&mut self, now: Instant, person: Person) -> Result<(), InviteRefused> {
        let id = person.id();
        if self.phase == Phase::Over {
            return Err(InviteRefused::Over);
        }
        if id == self.own {
            return Err(InviteRefused::Oneself);
        }
        let is_up = self.legs.up_with(id).is_some_and(|up| up.is_heard());
        if is_up || self.legs.coming_with(id).is_some() {
            return Err(InviteRefused::AlreadyIn);
        }
        let is_full = !self.shown.contains(id) && self.shown.len() >= MAX_OTHERS;
        if is_full || !self.legs.has_room_for(id) {
            return Err(InviteRefused::Full);
        }
        self.acquaintances.know(person.clone(), Origin::Ours);
        self.testimonies.returns(id);
        self.redial.anew(id);
        self.order(person, Purpose::AsksIn);
        self.update(now);
        Ok(())
    }

    /// Somebody who has proven to be this person offers a leg of this conference. Who it is has been called, is blocked, or calls at
    /// the same time as we (glare) is for the caller of this to look at first.
    pub fn leg_offered(&mut self, now: Instant, person: &Person) -> Verdict {
        let id = person.id();
        if self.phase == Phase::Over || id == self.own || !self.legs.has_room_for(id) {
            return Verdict::Refuse;
        }
        if self.is_named(person) {
            if self.waiting.may_be_taken(now, id) {
                return Verdict::Take;
            }
        } else if self.waiting.may_wait(now, id) {
            return Verdict::Wait;
        }
        Verdict::Refuse
    }

    /// Whether a proven member has named somebody, or we ourselves know them. Which state they are in makes no difference. In the
    /// call of a room, whether it names them at this address.
    fn is_named(&self, person: &Person) -> bool {
        let id = person.id();
        if self.testimonies.is_of_room() {
            return self.testimonies.in_room(id) == Some(person);
        }
        self.acquaintances.origin(id).is_some() || self.testimonies.of(id).next().is_some()
    }

    /// A call that was asked for is placed.
    pub fn leg_placed(&mut self, now: Instant, id: SecureCallId, leg: L) {
        match self.legs.coming_with(id) {
            Some(Coming { leg: None, purpose }) => {
                self.legs.comes(
                    id,
                    Coming {
                        leg: Some(leg),
                        purpose,
                    },
                );
                self.testimonies.expect(leg, id);
            }
            _ => self.end_leg(leg, EndWhy::Crossed),
        }
        self.update(now);
    }

    /// A call that was asked for cannot be placed, and never will: they are blocked, say.
    pub fn not_placed(&mut self, now: Instant, id: SecureCallId) {
        self.redial.never(id);
        if self.legs.take_order(id) {
            self.shown.leg_ended(id, LeftWhy::NoAnswer, now);
        }
        self.update(now);
    }

    /// A leg of theirs is taken: one that was offered, the one of the invite that asked us in, or a call that becomes the first leg.
    pub fn leg_taken(&mut self, now: Instant, person: Person, leg: L) {
        let id = person.id();
        if self.phase == Phase::Over || id == self.own || !self.legs.has_room_for(id) {
            self.end_leg(leg, EndWhy::Full);
            return;
        }
        self.begin();
        self.acquaintances.know(person, Origin::Theirs);
        let coming = Coming {
            leg: Some(leg),
            purpose: Purpose::Theirs,
        };
        if let Some(old) = self.legs.comes(id, coming) {
            self.testimonies.forget(old);
            self.end_leg(old, EndWhy::Crossed);
        }
        self.testimonies.expect(leg, id);
        self.redial.rests(id);
        self.update(now);
    }

    /// A leg is proven, and works.
    pub fn leg_connected(&mut self, now: Instant, leg: L) {
        let Some((id, old)) = self.legs.connected(now, leg) else {
            return;
        };
        if let Some(old) = old {
            self.forget_leg(old);
            self.end_leg(old, EndWhy::Replaced);
        }
        self.testimonies.believe(leg);
        self.testimonies.returns(id);
        self.announcer.add(leg);
        self.redial.reached(id);
        self.update(now);
    }

    /// Nothing has been heard on a leg since then.
    pub fn leg_silent(&mut self, now: Instant, leg: L, since: Instant) {
        self.legs.silent(leg, since.min(now));
        self.update(now);
    }

    /// Something is heard on it again.
    pub fn leg_heard(&mut self, now: Instant, leg: L) {
        self.legs.heard(leg);
        self.update(now);
    }

    /// A leg has ended, or was never made. One that the machine has ended itself is known to be.
    pub fn leg_ended(&mut self, now: Instant, leg: L, end: LegEnd) {
        self.lose(now, leg, end);
        // Theirs is taken next. Until then it would seem that nothing is left of them.
        if end != LegEnd::Crossed {
            self.update(now);
        }
    }

    /// A roster of a member.
    ///
    /// # Errors
    /// [`RosterRefused`]; nothing has changed then.
    pub fn handle_roster(
        &mut self,
        now: Instant,
        leg: L,
        roster: &Roster,
    ) -> Result<(), RosterRefused> {
        if self.phase == Phase::Over {
            return Err(RosterRefused::Over);
        }
        if roster.conference_id != self.conference {
            return Err(RosterRefused::OtherConference);
        }
        self.testimonies.hear(now, leg, roster)?;
        self.update(now);
        Ok(())
    }

    /// We leave.
    pub fn leave(&mut self) {
        self.end(OverWhy::Left, EndWhy::Left);
    }

    /// Carries out what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(leg) = self.legs.given_up(now) {
            self.lose(now, leg, LegEnd::NoPath);
            self.end_leg(leg, EndWhy::NoPath);
        }
        self.waiting.expire(now);
        self.testimonies.expire(now);
        self.update(now);
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> MeshOutput<L> {
        match self.outputs.pop_front() {
            // Whoever is asked in after them at the same time is named as well.
            Some(MeshOutput::Call { person, rings, .. }) => MeshOutput::Call {
                members: self.members_for(person.id()),
                person,
                rings,
            },
            Some(output) => output,
            None => MeshOutput::Timeout(self.deadline()),
        }
    }

    /// The conference.
    pub const fn conference(&self) -> ConferenceId {
        self.conference
    }

    /// Who we are.
    pub const fn own_id(&self) -> SecureCallId {
        self.own
    }

    /// Whether it is over for us.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whom we have asked in and who is not in yet: for the conference that this one gives way to.
    pub fn people_invited(&self) -> Vec<Person> {
        let is_asked = |id: &SecureCallId| {
            let coming = self.legs.coming_with(*id);
            coming.is_some_and(|it| it.purpose == Purpose::AsksIn)
        };
        let people = self.legs.people().filter(is_asked);
        people.filter_map(|id| self.person(id)).collect()
    }

    /// With whom a leg works, without us.
    pub fn people_connected(&self) -> impl Iterator<Item = SecureCallId> {
        self.legs.up().map(|(id, _)| id)
    }
}

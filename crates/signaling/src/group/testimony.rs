//! What the members say of each other. Each speaks for itself alone: of its own legs, and only while its leg with us is up.
//! In the call of a room it is the state of the room that says who is in, and members say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_contact::SecureCallId;
use web_time::Instant;

use super::allowance::{Allowance, Used};
use super::legs::SILENCE;
use crate::{MAX_MEMBERS, MembershipState, Person, Roster};

/// The rosters that are taken of a leg. An honest member tells one a second at most.
const ROSTERS: Allowance = Allowance::new(8, Duration::from_secs(1));

/// What one member says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) person: Person,
    pub(super) state: MembershipState,
    pub(super) brought_by: Option<SecureCallId>,
}

/// The last roster that came on a leg.
#[derive(Debug)]
struct Testimony {
    by: SecureCallId,
    /// Whether the leg is up. A roster may come a moment before we know that.
    counts: bool,
    number: Option<u32>,
    used: Used,
    words: BTreeMap<SecureCallId, Word>,
}

/// Somebody has told us themselves that they leave. Others may not know that yet.
#[derive(Debug)]
struct Departed {
    until: Instant,
    /// Whose word does not count: those who have not stopped naming them since.
    disbelieved: BTreeSet<SecureCallId>,
}

/// Whom a room names.
#[derive(Debug, Default)]
struct Room {
    words: BTreeMap<SecureCallId, Word>,
    /// The most important first.
    order: Vec<SecureCallId>,
}

/// Why a roster is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterRefused {
    /// It is of another conference than this.
    #[error("the roster is of another conference")]
    OtherConference,
    /// Who is in the call of a room says the room, and no member.
    #[error("who is in the call of a room is said by the room")]
    OfARoom,
    /// It came on no leg of this conference.
    #[error("the roster comes on no leg of this conference")]
    NoLeg,
    /// More rosters than a member has a reason to send.
    #[error("the member sends too many rosters")]
    TooMany,
    /// The conference is over.
    #[error("the conference is over")]
    Over,
}

/// The last roster of each leg.
#[derive(Debug)]
pub(super) struct Testimonies<L> {
    own: SecureCallId,
    legs: BTreeMap<L, Testimony>,
    /// In the call of a room: who is in it, by its state. It counts as our own word.
    room: Option<Room>,
    departed: BTreeMap<SecureCallId, Departed>,
}

impl<L: Copy + Ord> Testimonies<L> {
    pub(super) const fn new(own: SecureCallId) -> Self {
        Self {
            own,
            legs: BTreeMap::new(),
            room: None,
            departed: BTreeMap::new(),
        }
    }

    /// The same where a room says who is in.
    pub(super) fn of_room(own: SecureCallId) -> Self {
        Self {
            room: Some(Room::default()),
            ..Self::new(own)
        }
    }

    pub(super) const fn is_of_room(&self) -> bool {
        self.room.is_some()
    }

    /// These are in, as the room says now.
    pub(super) fn room_names(&mut self, people: &[Person]) {
        let own = self.own;
        let mut named = Room::default();
        for person in people.iter().filter(|it| it.id() != own) {
            named.words.entry(person.id()).or_insert_with(|| {
                named.order.push(person.id());
                Word {
                    person: person.clone(),
                    state: MembershipState::Connected,
                    brought_by: None,
                }
            });
        }
        for (id, departed) in &mut self.departed {
            if !named.words.contains_key(id) {
                departed.disbelieved.remove(&own);
            }
        }
        self.room = Some(named);
    }

    /// Whom the room names, though they may have told us themselves that they leave.
    pub(super) fn in_room(&self, id: SecureCallId) -> Option<&Person> {
        self.room_word(id).map(|it| &it.person)
    }

    /// A leg may bring rosters.
    pub(super) fn expect(&mut self, leg: L, by: SecureCallId) {
        self.legs.entry(leg).or_insert(Testimony {
            by,
            counts: false,
            number: None,
            used: Used::default(),
            words: BTreeMap::new(),
        });
    }

    /// A leg is up: what is said on it counts.
    pub(super) fn believe(&mut self, leg: L) {
        if let Some(testimony) = self.legs.get_mut(&leg) {
            testimony.counts = true;
        }
    }

    pub(super) fn forget(&mut self, leg: L) {
        self.legs.remove(&leg);
    }

    /// Takes a roster, unless a newer one has come.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        leg: L,
        roster: &Roster,
    ) -> Result<(), RosterRefused> {
        if self.is_of_room() {
            return Err(RosterRefused::OfARoom);
        }
        let own = self.own;
        let testimony = self.legs.get_mut(&leg).ok_or(RosterRefused::NoLeg)?;
        if !ROSTERS.take(now, &mut testimony.used) {
            return Err(RosterRefused::TooMany);
        }
        if testimony.number.is_some_and(|last| roster.number <= last) {
            return Ok(());
        }
        testimony.number = Some(roster.number);
        let by = testimony.by;
        testimony.words.clear();
        for it in roster.members.iter().take(MAX_MEMBERS) {
            let id = it.person.id();
            // Of us and of itself a member knows nothing that we do not.
            if id != own && id != by {
                testimony.words.entry(id).or_insert(Word {
                    person: it.person.clone(),
                    state: it.state,
                    brought_by: it.brought_by,
                });
            }
        }
        let named = &testimony.words;
        // Who stopped naming somebody and names them again says something new.
        for (id, departed) in &mut self.departed {
            if !named.contains_key(id) {
                departed.disbelieved.remove(&by);
            }
        }
        Ok(())
    }

    /// Somebody says that they leave. What others have said of them so far is out of date, and goes on to be for as long as any of
    /// them may take to notice.
    pub(super) fn departs(&mut self, now: Instant, id: SecureCallId) {
        let members = self.legs.values().map(|it| it.by);
        let room = self.is_of_room().then_some(self.own);
        let disbelieved = members.chain(room).collect();
        let until = now + SILENCE;
        self.departed.insert(id, Departed { until, disbelieved });
    }

    /// They are with us again.
    pub(super) fn returns(&mut self, id: SecureCallId) {
        self.departed.remove(&id);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.departed.retain(|_, it| it.until > now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.departed.values().map(|it| it.until).min()
    }

    /// What members say of somebody, with who says it.
    pub(super) fn of(&self, id: SecureCallId) -> impl Iterator<Item = (SecureCallId, &Word)> {
        self.believed()
            .filter_map(move |it| Some((it.by, it.words.get(&id)?)))
            .chain(self.room_word(id).map(|word| (self.own, word)))
            .filter(move |(by, _)| !self.is_disbelieved(*by, id))
    }

    /// Who says that they have a working leg with somebody.
    pub(super) fn connected_with(&self, id: SecureCallId) -> impl Iterator<Item = SecureCallId> {
        self.of(id)
            .filter(|(_, word)| word.state == MembershipState::Connected)
            .map(|(by, _)| by)
    }

    /// Whether anybody says that they have, or are making, a leg with somebody.
    pub(super) fn expects(&self, id: SecureCallId) -> bool {
        self.of(id)
            .any(|(_, word)| word.state != MembershipState::NoPath)
    }

    /// Everybody who is named.
    pub(super) fn named(&self) -> impl Iterator<Item = SecureCallId> {
        let by_members = self.believed().flat_map(|it| it.words.keys().copied());
        let by_room = self.room.iter().flat_map(|it| &it.order);
        by_members.chain(by_room.copied())
    }

    fn room_word(&self, id: SecureCallId) -> Option<&Word> {
        self.room.as_ref()?.words.get(&id)
    }

    fn believed(&self) -> impl Iterator<Item = &Testimony> {
        self.legs.values().filter(|it| it.counts)
    }

    fn is_disbelieved(&self, by: SecureCallId, id: SecureCallId) -> bool {
        let departed = self.departed.get(&id);
        departed.is_some_and(|it| it.disbelieved.contains(&by))
    }
}

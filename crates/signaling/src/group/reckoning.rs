//! What follows from what is known: whom to call, what to tell the members and the user, whether it is over.

use std::collections::BTreeSet;

use securecall_contact::SecureCallId;
use web_time::Instant;

use super::acquaintances::Origin;
use super::legs::{Coming, Purpose, Was};
use super::output::{EndWhy, LeftWhy, LegEnd, MeshOutput, OverWhy};
use super::shown::{MAX_SHOWN, News, Standing};
use super::{Mesh, Phase};
use crate::{MAX_MEMBERS, Membership, MembershipState, Person, Roster};

impl<L: Copy + Ord> Mesh<L> {
    /// Works everything out anew. To do it twice does no more than to do it once.
    pub(super) fn update(&mut self, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        let people = self.people();
        self.call_who_is_missing(now, &people);
        self.tell_user(now, &people);
        self.tell_members(now);
        self.see_whether_it_is_over();
    }

    /// Everybody there is something to say of: those with legs, those whom the user knows of, and then those whom members name, as
    /// many as there is room for.
    fn people(&self) -> Vec<Person> {
        let with_legs = self.legs.people();
        let shown = self.shown.people().map(Person::id);
        let named = self.testimonies.named();
        let named = named.filter(|id| self.standing(*id) != Standing::Gone);
        let mut named: Vec<_> = named.collect();
        // A room has an order already.
        if !self.testimonies.is_of_room() {
            named.sort();
        }
        let mut seen = BTreeSet::new();
        let mut people: Vec<_> = with_legs
            .chain(shown)
            .filter(|id| seen.insert(*id))
            .collect();
        // Whoever is shown is looked at, however many they are: something may be due for them.
        let room = MAX_SHOWN.saturating_sub(people.len());
        people.extend(named.into_iter().filter(|id| seen.insert(*id)).take(room));
        people
            .into_iter()
            .filter_map(|id| self.person(id))
            .collect()
    }

    pub(super) fn standing(&self, id: SecureCallId) -> Standing<L> {
        if let Some(up) = self.legs.up_with(id) {
            Standing::In(up.leg)
        } else if self.testimonies.connected_with(id).next().is_some() {
            Standing::Missing
        } else if self.is_calling(id) || self.testimonies.expects(id) {
            Standing::Expected
        } else {
            Standing::Gone
        }
    }

    /// Whether a leg is being made that says something of its person: they are asked in, or come by themselves.
    fn is_calling(&self, id: SecureCallId) -> bool {
        let coming = self.legs.coming_with(id);
        coming.is_some_and(|it| it.purpose != Purpose::Meets)
    }

    /// Somebody, at the address that we know ourselves before those that others name.
    pub(super) fn person(&self, id: SecureCallId) -> Option<Person> {
        self.addresses(id).into_iter().next()
    }

    fn addresses(&self, id: SecureCallId) -> Vec<Person> {
        let own = self.acquaintances.person(id).into_iter();
        let named = self.testimonies.of(id).map(|(_, word)| &word.person);
        let shown = self.shown.people().filter(|it| it.id() == id);
        let mut addresses: Vec<Person> = Vec::new();
        for person in own.chain(named).chain(shown) {
            if !addresses.contains(person) {
                addresses.push(person.clone());
            }
        }
        addresses
    }

    /// Calls those of whom members say that they have a leg with them.
    fn call_who_is_missing(&mut self, now: Instant, people: &[Person]) {
        for id in people.iter().map(Person::id) {
            let is_missing = self.standing(id) == Standing::Missing;
            if !is_missing || self.legs.coming_with(id).is_some() {
                continue;
            }
            self.redial
                .want(now, id, self.testimonies.connected_with(id));
            if self.redial.is_due(now, id) && self.legs.has_room_for(id) {
                // One member may name a wrong address: each try takes the next.
                let addresses = self.addresses(id);
                let made = usize::try_from(self.redial.made(id)).unwrap_or_default();
                self.redial.called(id);
                if let Some(person) = addresses.get(made % addresses.len().max(1)) {
                    self.order(person.clone(), Purpose::Meets);
                }
            }
        }
    }

    /// Has somebody called.
    pub(super) fn order(&mut self, person: Person, purpose: Purpose) {
        self.begin();
        self.legs.comes(person.id(), Coming { leg: None, purpose });
        self.outputs.push_back(MeshOutput::Call {
            person,
            rings: purpose == Purpose::AsksIn,
            // Filled in when it is polled.
            members: Vec::new(),
        });
    }

    /// Who is in or invited, for the invite of somebody.
    pub(super) fn members_for(&self, callee: SecureCallId) -> Vec<Person> {
        let people = self.people().into_iter();
        people
            .filter(|it| it.id() != callee)
            .take(MAX_MEMBERS)
            .collect()
    }

    pub(super) fn begin(&mut self) {
        if self.phase == Phase::New {
            self.phase = Phase::Running(LeftWhy::NotNamed);
        }
    }

    fn tell_user(&mut self, now: Instant, people: &[Person]) {
        for person in people {
            let standing = self.standing(person.id());
            for news in self.shown.compare(now, person, standing) {
                self.report(news);
            }
        }
        let words: Vec<_> = self.connected_with_us().collect();
        if self.words != words {
            self.words.clone_from(&words);
            self.outputs.push_back(MeshOutput::Words(words));
        }
    }

    /// All who are connected with us, and we, in order; nobody if it is we alone.
    fn connected_with_us(&self) -> impl Iterator<Item = SecureCallId> {
        let up: BTreeSet<_> = self.legs.up().map(|(id, _)| id).collect();
        let own = (!up.is_empty()).then_some(self.own);
        up.into_iter()
            .chain(own)
            .collect::<BTreeSet<_>>()
            .into_iter()
    }

    fn report(&mut self, news: News<L>) {
        let output = match news {
            News::Invited(person) => MeshOutput::Invited {
                by: self.brought_by(person.id()),
                person,
            },
            News::Joined(person, leg) => MeshOutput::Joined {
                brought_by: self.brought_by(person.id()),
                person,
                leg,
            },
            News::NoPath(person) => {
                let by = self.testimonies.connected_with(person.id()).next();
                MeshOutput::NoPath {
                    by: by.unwrap_or(self.own),
                    person,
                }
            }
            News::Left(person, why) => {
                self.acquaintances.forget(person.id());
                self.phase = Phase::Running(why);
                MeshOutput::Left { person, why }
            }
        };
        self.outputs.push_back(output);
    }

    /// Who brought somebody, if it was not we and they were not there before us: a member that says that it asked them in, or whom a
    /// member names for that. Such a word counts only if it is of somebody who is with us.
    fn brought_by(&self, id: SecureCallId) -> Option<SecureCallId> {
        if self.acquaintances.origin(id) == Some(Origin::Ours) {
            return None;
        }
        let words = || self.testimonies.of(id);
        let direct = words().find(|(_, word)| word.brought_by.is_none());
        let (by, word) = direct.or_else(|| words().next())?;
        match word.brought_by {
            Some(told) if told == id => None,
            Some(told) if self.shown.contains(told) => Some(told),
            // Whom a room names, nobody brought.
            _ => Some(by).filter(|by| *by != self.own),
        }
    }

    /// The same for a roster, where who came by themselves are named as brought by themselves.
    fn brought_by_in_roster(&self, id: SecureCallId) -> Option<SecureCallId> {
        match self.acquaintances.origin(id) {
            Some(Origin::Ours) => None,
            _ => Some(self.brought_by(id).unwrap_or(id)),
        }
    }

    fn tell_members(&mut self, now: Instant) {
        // They see in the room who is in.
        if self.testimonies.is_of_room() {
            return;
        }
        self.members = self.membership();
        for (leg, number) in self.announcer.tell(now, &self.members) {
            let roster = Roster {
                conference_id: self.conference,
                number,
                members: self.members.clone(),
            };
            self.outputs.push_back(MeshOutput::Tell { leg, roster });
        }
    }

    /// What we know ourselves of the others.
    fn membership(&self) -> Vec<Membership> {
        let people = self.shown.people().filter_map(|person| {
            let id = person.id();
            Some(Membership {
                person: person.clone(),
                state: self.own_state(id)?,
                brought_by: self.brought_by_in_roster(id),
            })
        });
        let mut people: Vec<_> = people.collect();
        // If there are more than a roster holds, those with a leg are said.
        people.sort_by_key(|it| it.state);
        people.truncate(MAX_MEMBERS);
        people.sort_by_key(|it| it.person.id());
        people
    }

    /// How our own leg with somebody is; nothing if there has been none, and others may have one.
    fn own_state(&self, id: SecureCallId) -> Option<MembershipState> {
        if self.legs.up_with(id).is_some() {
            Some(MembershipState::Connected)
        } else if self.is_calling(id) {
            Some(MembershipState::Calling)
        } else {
            self.shown.is_missing(id).then_some(MembershipState::NoPath)
        }
    }

    /// Takes out a leg that has ended, and notes what follows for its person.
    pub(super) fn lose(&mut self, now: Instant, leg: L, end: LegEnd) {
        let Some((id, was)) = self.legs.take(leg) else {
            return;
        };
        self.forget_leg(leg);
        let heard_until = match was {
            Was::Up { silent_since, .. } => silent_since.unwrap_or(now),
            Was::Coming => now,
        };
        self.shown.leg_ended(id, end.into(), heard_until);
        match was {
            Was::Up { since, .. } => self.redial.lost(now, id, since),
            Was::Coming => self.redial.failed(now, id),
        }
        match (end, was) {
            (LegEnd::Left, _) => self.testimonies.departs(now, id),
            (LegEnd::AnsweredElsewhere, Was::Up { .. }) => self.other_device_has(id),
            _ => {}
        }
    }

    /// A member says that it has a leg with another device of ours. One could say so to be rid of us, and gets rid of its own leg.
    fn other_device_has(&mut self, id: SecureCallId) {
        if self.legs.coming_with(id).is_some() {
            return;
        }
        self.redial.never(id);
        self.replaced.insert(id);
        let is_out = self.replaced.len() >= 2 || self.legs.up().next().is_none();
        // Both devices are in the call of a room, whoever talks with which.
        if is_out && !self.testimonies.is_of_room() {
            // Nothing is said of leaving, for we are still in, with another device.
            self.end(OverWhy::AnsweredElsewhere, EndWhy::NoPath);
        }
    }

    pub(super) fn forget_leg(&mut self, leg: L) {
        self.testimonies.forget(leg);
        self.announcer.remove(leg);
    }

    pub(super) fn end_leg(&mut self, leg: L, why: EndWhy) {
        self.outputs.push_back(MeshOutput::EndLeg { leg, why });
    }

    fn see_whether_it_is_over(&mut self) {
        if let Phase::Running(why) = self.phase
            && self.shown.len() == 0
            && !self.testimonies.is_of_room()
        {
            self.end(OverWhy::Alone(why), EndWhy::Left);
        }
    }

    pub(super) fn end(&mut self, why: OverWhy, said: EndWhy) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        for leg in self.legs.take_all() {
            self.forget_leg(leg);
            self.end_leg(leg, said);
        }
        self.outputs.push_back(MeshOutput::Over(why));
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Over {
            return None;
        }
        let calls = self.shown.people().filter_map(|it| self.next_call(it.id()));
        let rooms = [
            self.legs.deadline(),
            self.testimonies.deadline(),
            self.waiting.deadline(),
            self.shown.deadline(),
            self.announcer.deadline(&self.members),
        ];
        rooms.into_iter().flatten().chain(calls).min()
    }

    /// When somebody is to be called, if nothing is in the way of it.
    fn next_call(&self, id: SecureCallId) -> Option<Instant> {
        let is_missing = self.standing(id) == Standing::Missing;
        let may_be_called = self.legs.coming_with(id).is_none() && self.legs.has_room_for(id);
        self.redial.next(id).filter(|_| is_missing && may_be_called)
    }
}

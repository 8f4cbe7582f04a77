//! What the user was told of each person, and what is new.

use std::collections::BTreeMap;

use securecall_contact::SecureCallId;
use web_time::Instant;

use super::legs::SILENCE;
use super::output::LeftWhy;
use crate::{MAX_MEMBERS, Person};

/// The most people of whom the user is told at a time. In a conference that is in order there are seven others; a member can name as
/// many again who are not there.
pub(super) const MAX_SHOWN: usize = 2 * MAX_MEMBERS;

/// How we stand with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<L> {
    /// A leg works.
    In(L),
    /// Somebody has a leg with them, we have none.
    Missing,
    /// They are called, by us or by others.
    Expected,
    /// Nobody says anything of them.
    Gone,
}

/// What was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<L> {
    Invited,
    Joined(L),
    NoPath,
}

#[derive(Clone, Debug)]
struct Entry<L> {
    person: Person,
    said: Said<L>,
    /// Since when members say that they are in, and no leg of ours works.
    missing_since: Option<Instant>,
    /// How the last leg ended.
    why: Option<LeftWhy>,
}

/// What is new of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News<L> {
    Invited(Person),
    Joined(Person, L),
    NoPath(Person),
    Left(Person, LeftWhy),
}

/// The people whom the user was told of.
#[derive(Debug)]
pub(super) struct Shown<L> {
    people: BTreeMap<SecureCallId, Entry<L>>,
}

impl<L: Copy + Eq> Shown<L> {
    pub(super) const fn new() -> Self {
        Self {
            people: BTreeMap::new(),
        }
    }

    /// Everybody who was told of.
    pub(super) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values().map(|it| &it.person)
    }

    pub(super) fn contains(&self, id: SecureCallId) -> bool {
        self.people.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether the user was told that no leg with somebody works.
    pub(super) fn is_missing(&self, id: SecureCallId) -> bool {
        self.people
            .get(&id)
            .is_some_and(|it| it.said == Said::NoPath)
    }

    /// A leg with somebody has ended. Something was heard on it until then.
    pub(super) fn leg_ended(&mut self, id: SecureCallId, why: LeftWhy, heard_until: Instant) {
        if let Some(entry) = self.people.get_mut(&id) {
            entry.why = Some(why);
            if matches!(entry.said, Said::Joined(_)) {
                entry.missing_since.get_or_insert(heard_until);
            }
        }
    }

    /// Compares how we stand with somebody with what was told.
    pub(super) fn compare(
        &mut self,
        now: Instant,
        person: &Person,
        standing: Standing<L>,
    ) -> Vec<News<L>> {
        if standing == Standing::Gone {
            return self.gone(person.id()).into_iter().collect();
        }
        let mut news = Vec::new();
        let entry = self.people.entry(person.id()).or_insert_with(|| {
            // Who is there at once was not invited first.
            if !matches!(standing, Standing::In(_)) {
                news.push(News::Invited(person.clone()));
            }
            Entry {
                person: person.clone(),
                said: Said::Invited,
                missing_since: None,
                why: None,
            }
        });
        entry.person = person.clone();
        news.extend(entry.update(now, standing));
        news
    }

    fn gone(&mut self, id: SecureCallId) -> Option<News<L>> {
        let entry = self.people.remove(&id)?;
        let why = entry.why.unwrap_or(LeftWhy::NotNamed);
        Some(News::Left(entry.person, why))
    }

    /// When somebody becomes known as missing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = |it: &&Entry<L>| it.said != Said::NoPath;
        let missing = self.people.values().filter(waits);
        missing
            .filter_map(|it| Some(it.missing_since? + SILENCE))
            .min()
    }
}

impl<L: Copy + Eq> Entry<L> {
    fn update(&mut self, now: Instant, standing: Standing<L>) -> Option<News<L>> {
        match standing {
            Standing::In(leg) => {
                self.missing_since = None;
                self.why = None;
                let news = News::Joined(self.person.clone(), leg);
                (self.say(Said::Joined(leg))).then_some(news)
            }
            Standing::Missing => {
                let since = *self.missing_since.get_or_insert(now);
                let is_late = since + SILENCE <= now;
                (is_late && self.say(Said::NoPath)).then(|| News::NoPath(self.person.clone()))
            }
            // Nobody has a leg with them any more, so they are not in: they are called, as in the beginning.
            Standing::Expected | Standing::Gone => {
                self.missing_since = None;
                (self.say(Said::Invited)).then(|| News::Invited(self.person.clone()))
            }
        }
    }

    fn say(&mut self, said: Said<L>) -> bool {
        std::mem::replace(&mut self.said, said) != said
    }
}

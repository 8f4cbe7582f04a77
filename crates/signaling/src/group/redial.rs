//! When to call somebody of whom members say that they are in: at once or after a while, more and more rarely, and not for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::SecureCallId;
use web_time::Instant;

/// How long the greater ID of two waits for the call of the lesser before it calls itself: a call may be withheld in one direction.
pub const PATIENCE: Duration = Duration::from_secs(6);
/// The most calls to somebody with whom no leg works.
pub const MAX_TRIES: u32 = 8;
/// The first pause between two calls; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A leg that worked for so long is a success: what failed before it does not count any more.
const STEADY: Duration = Duration::from_secs(30);
/// The most people who are called on the word of one member and have never been reached. A member could name others without end.
pub const MAX_UNREACHED: usize = 8;
/// The most people who are remembered, whoever named them.
const MAX_REMEMBERED: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Not before then.
    At(Instant),
    /// A call is under way, or a leg works.
    Busy,
    /// Not any more.
    Never,
}

#[derive(Debug)]
struct Tries {
    made: u32,
    next: Next,
    /// On whose word.
    named_by: SecureCallId,
    reached: bool,
}

/// How often each was called, and when they are called again.
#[derive(Debug)]
pub(super) struct Redial {
    own: SecureCallId,
    tries: BTreeMap<SecureCallId, Tries>,
}

impl Redial {
    pub(super) const fn new(own: SecureCallId) -> Self {
        Self {
            own,
            tries: BTreeMap::new(),
        }
    }

    /// Members say that they have a leg with somebody, and we have none.
    pub(super) fn want(
        &mut self,
        now: Instant,
        id: SecureCallId,
        mut named_by: impl Iterator<Item = SecureCallId>,
    ) {
        if self.tries.contains_key(&id) || self.tries.len() >= MAX_REMEMBERED {
            return;
        }
        let Some(named_by) = named_by.find(|by| self.unreached_of(*by) < MAX_UNREACHED) else {
            return;
        };
        let tries = Tries {
            made: 0,
            next: Next::At(now + self.lead(id)),
            named_by,
            reached: false,
        };
        self.tries.insert(id, tries);
    }

    fn unreached_of(&self, by: SecureCallId) -> usize {
        let unreached = |it: &&Tries| it.named_by == by && !it.reached;
        self.tries.values().filter(unreached).count()
    }

    /// The greater of two leaves the lesser the time to call.
    fn lead(&self, id: SecureCallId) -> Duration {
        if self.own < id {
            Duration::ZERO
        } else {
            PATIENCE
        }
    }

    /// Whether it is time to call somebody.
    pub(super) fn is_due(&self, now: Instant, id: SecureCallId) -> bool {
        self.next(id).is_some_and(|at| at <= now)
    }

    /// When somebody is to be called.
    pub(super) fn next(&self, id: SecureCallId) -> Option<Instant> {
        match self.tries.get(&id)?.next {
            Next::At(at) => Some(at),
            Next::Busy | Next::Never => None,
        }
    }

    /// Which call to somebody the next is, from 0.
    pub(super) fn made(&self, id: SecureCallId) -> u32 {
        self.tries.get(&id).map_or(0, |it| it.made)
    }

    /// They are called now.
    pub(super) fn called(&mut self, id: SecureCallId) {
        if let Some(tries) = self.tries.get_mut(&id) {
            tries.made += 1;
            tries.next = Next::Busy;
        }
    }

    /// A leg of theirs or ours is on its way, so that none is needed.
    pub(super) fn rests(&mut self, id: SecureCallId) {
        if let Some(tries) = self.tries.get_mut(&id)
            && tries.next != Next::Never
        {
            tries.next = Next::Busy;
        }
    }

    /// A leg works.
    pub(super) fn reached(&mut self, id: SecureCallId) {
        self.rests(id);
        if let Some(tries) = self.tries.get_mut(&id) {
            tries.reached = true;
        }
    }

    /// A leg that was being made came to nothing.
    pub(super) fn failed(&mut self, now: Instant, id: SecureCallId) {
        let lead = self.lead(id);
        if let Some(tries) = self.tries.get_mut(&id)
            && tries.next == Next::Busy
        {
            tries.next = if tries.made < MAX_TRIES {
                Next::At(now + lead + pause(tries.made))
            } else {
                Next::Never
            };
        }
    }

    /// A leg that worked since then is lost. If it worked for a while, what was before it does not count. They are not called at once
    /// all the same: if they are gone, the others will say so in a moment.
    pub(super) fn lost(&mut self, now: Instant, id: SecureCallId, since: Instant) {
        let is_steady = now.saturating_duration_since(since) >= STEADY;
        if self.tries.contains_key(&id) && !is_steady {
            self.failed(now, id);
            return;
        }
        let tries = Tries {
            made: 0,
            next: Next::At(now + self.lead(id) + FIRST_PAUSE),
            named_by: id,
            reached: true,
        };
        self.tries.insert(id, tries);
    }

    /// The user wants them called anew.
    pub(super) fn anew(&mut self, id: SecureCallId) {
        self.tries.remove(&id);
    }

    /// They are never to be called.
    pub(super) fn never(&mut self, id: SecureCallId) {
        let never = Tries {
            made: MAX_TRIES,
            next: Next::Never,
            named_by: id,
            reached: false,
        };
        self.tries.insert(id, never);
    }
}

/// The pause after so many calls.
fn pause(made: u32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(made.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE)
}

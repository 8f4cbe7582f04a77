//! Candidates that are found after the description has left: few events, for each counts against the homeserver's limit and stays
//! with it.

use std::time::Duration;

use securecall_signaling::Candidate;
use web_time::Instant;

/// How long candidates are collected before the first event, by MSC2746: the caller has time while it rings.
pub(super) const AFTER_INVITE: Duration = Duration::from_secs(2);
pub(super) const AFTER_ANSWER: Duration = Duration::from_millis(500);
/// The most events of an ICE generation. The last is kept for the end of candidates.
const MAX_EVENTS: u32 = 4;

/// Our candidates of this ICE generation, and how many of them the peer has.
pub(super) struct Trickle {
    candidates: Vec<Candidate>,
    complete: bool,
    told: usize,
    end_told: bool,
    events: u32,
    pause: Duration,
    next: Option<Instant>,
}

impl Trickle {
    pub(super) const fn new(pause: Duration) -> Self {
        Self {
            candidates: Vec::new(),
            complete: false,
            told: 0,
            end_told: false,
            events: 0,
            pause,
            next: None,
        }
    }

    /// All candidates so far.
    pub(super) fn found(&mut self, candidates: &[Candidate], complete: bool) {
        if candidates.len() > self.candidates.len() {
            self.candidates = candidates.to_vec();
        }
        self.complete |= complete;
    }

    /// Those that go into the description that leaves now.
    pub(super) fn take_for_description(&mut self) -> (&[Candidate], bool) {
        self.told = self.candidates.len();
        (&self.candidates, self.complete)
    }

    /// A new ICE generation, whose candidates so far stand in its description.
    pub(super) fn begin_generation(&mut self) {
        *self = Self {
            complete: self.complete,
            end_told: self.complete,
            ..Self::new(self.pause)
        };
    }

    /// The description is on the homeserver: gives what goes out in an event now, and whether it ends them.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(&[Candidate], bool)> {
        if !self.has_news() {
            return None;
        }
        let next = *self.next.get_or_insert(now + self.pause);
        let is_last = self.events + 1 >= MAX_EVENTS;
        let is_due = self.complete || (next <= now && !is_last);
        if !is_due || self.events >= MAX_EVENTS {
            return None;
        }
        self.next = None;
        self.pause *= 2;
        self.events += 1;
        self.end_told = self.complete;
        let told = std::mem::replace(&mut self.told, self.candidates.len());
        Some((&self.candidates[told..], self.complete))
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
            .filter(|_| self.has_news() && self.events + 1 < MAX_EVENTS)
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    const fn has_news(&self) -> bool {
        self.told < self.candidates.len() || (self.complete && !self.end_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(number: usize) -> Vec<Candidate> {
        let candidate = |n| Candidate {
            candidate: format!("candidate:{n}"),
            sdp_mid: "0".to_owned(),
        };
        (0..number).map(candidate).collect()
    }

    #[test]
    fn candidates_are_collected_and_the_end_goes_at_once_in_at_most_four_events() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut trickle = Trickle::new(AFTER_INVITE);
        trickle.found(&candidates(1), false);
        assert_eq!(trickle.take_for_description().0.len(), 1);
        assert!(trickle.take_due(start).is_none() && trickle.poll_timeout().is_none());
        let mut events = 0;
        for step in 0..100 {
            trickle.found(&candidates(2 + step as usize / 2), false);
            events += usize::from(trickle.take_due(start + second * step).is_some());
        }
        assert_eq!((events, trickle.poll_timeout()), (3, None));
        trickle.found(&candidates(60), true);
        let (last, ends) = trickle.take_due(start + second * 100).unwrap();
        assert!(!last.is_empty() && ends);
        assert!(trickle.take_due(start + second * 1000).is_none());
        trickle.begin_generation();
        trickle.found(&candidates(1), true);
        assert!(trickle.take_due(start + second * 1000).is_some());
    }
}

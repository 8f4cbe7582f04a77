//! Candidates in a room that come before their invite. matrix-dart-sdk sends them as soon as all are found, which takes less time
//! than its invite waits for them, and never again; where we have but a relay's address, there is no call without them.

use std::collections::VecDeque;
use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::wire::room::RoomSignal;
use securecall_signaling::{Candidate, MAX_CANDIDATES, PartyId, WireCallId};
use web_time::Instant;

use crate::output::InboundRoomEvent;
use crate::room::party_of;

/// How long they are kept: the invite is at most a limit of the homeserver behind them.
const KEPT: Duration = Duration::from_secs(30);
/// Of how many calls they are kept, and of how many of one account. Some 64 KiB each, if somebody wants to fill them.
const CAPACITY: usize = 8;
const CAPACITY_OF_ONE: usize = 2;

/// Who says something of which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallOfParty {
    pub(super) room: RoomId,
    pub(super) id: WireCallId,
    pub(super) sender: MatrixId,
    pub(super) party: PartyId,
}

impl CallOfParty {
    pub(super) fn new(event: &InboundRoomEvent<'_>, signal: &RoomSignal) -> Self {
        Self {
            room: event.room.clone(),
            id: signal.call_id.clone(),
            sender: event.sender.clone(),
            party: party_of(signal),
        }
    }
}

/// The candidates of calls that are not known yet, the oldest first.
#[derive(Default)]
pub(super) struct EarlyCandidates {
    kept: VecDeque<Early>,
}

struct Early {
    of: CallOfParty,
    candidates: Vec<Candidate>,
    until: Instant,
}

impl EarlyCandidates {
    /// Keeps them; the oldest of the account, or else the oldest of all, make room.
    pub(super) fn keep(&mut self, now: Instant, of: CallOfParty, candidates: Vec<Candidate>) {
        self.kept.retain(|it| it.until > now);
        if let Some(early) = self.kept.iter_mut().find(|it| it.of == of) {
            early.candidates.extend(candidates);
            early.candidates.truncate(MAX_CANDIDATES);
            return;
        }
        let from_it = |it: &&Early| it.of.sender == of.sender;
        let surplus = if self.kept.iter().filter(from_it).count() >= CAPACITY_OF_ONE {
            self.kept.iter().position(|it| it.of.sender == of.sender)
        } else {
            (self.kept.len() >= CAPACITY).then_some(0)
        };
        surplus.map(|oldest| self.kept.remove(oldest));
        self.kept.push_back(Early {
            of,
            candidates,
            until: now + KEPT,
        });
    }

    /// Gives those of a call that is known from now on.
    pub(super) fn take(&mut self, now: Instant, of: &CallOfParty) -> Vec<Candidate> {
        self.kept.retain(|it| it.until > now);
        let found = self.kept.iter().position(|it| it.of == *of);
        let found = found.and_then(|index| self.kept.remove(index));
        found.map(|early| early.candidates).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sender: usize, id: usize) -> CallOfParty {
        CallOfParty {
            room: "!room:example.org".parse().unwrap(),
            id: WireCallId::parse(&id.to_string()).unwrap(),
            sender: format!("@u{sender}:example.org").parse().unwrap(),
            party: PartyId::parse("party").unwrap(),
        }
    }

    fn candidates(number: usize) -> Vec<Candidate> {
        let candidate = |n| Candidate {
            candidate: format!("candidate:{n}"),
            sdp_mid: String::new(),
        };
        (0..number).map(candidate).collect()
    }

    #[test]
    fn they_are_given_once_to_the_call_of_their_party_and_not_too_late() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut early = EarlyCandidates::default();
        early.keep(now, of(1, 1), candidates(1));
        early.keep(now, of(1, 1), candidates(2));
        for other in [of(2, 1), of(1, 2)] {
            assert!(early.take(now, &other).is_empty());
        }
        let party = PartyId::parse("another").unwrap();
        assert!(
            early
                .take(now, &CallOfParty { party, ..of(1, 1) })
                .is_empty()
        );
        assert_eq!(early.take(now, &of(1, 1)).len(), 3);
        assert!(early.take(now, &of(1, 1)).is_empty());
        early.keep(now, of(1, 1), candidates(1));
        assert!(early.take(now + KEPT, &of(1, 1)).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_for_a_call_for_an_account_and_for_all() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut early = EarlyCandidates::default();
        early.keep(now, of(0, 0), candidates(MAX_CANDIDATES));
        early.keep(now, of(0, 0), candidates(1));
        assert_eq!(early.take(now, &of(0, 0)).len(), MAX_CANDIDATES);
        early.keep(now, of(9, 0), candidates(1));
        for id in 0..=CAPACITY_OF_ONE {
            early.keep(now, of(1, id), candidates(1));
        }
        assert!(early.take(now, &of(1, 0)).is_empty());
        assert_eq!(early.take(now, &of(1, 1)).len(), 1);
        assert_eq!(early.take(now, &of(9, 0)).len(), 1);
        for sender in 0..=CAPACITY {
            early.keep(now, of(10 + sender, 0), candidates(1));
        }
        assert_eq!(early.kept.len(), CAPACITY);
        assert!(early.take(now, &of(10, 0)).is_empty());
        early.keep(now + KEPT, of(3, 0), candidates(1));
        assert_eq!(early.kept.len(), 1);
    }
}

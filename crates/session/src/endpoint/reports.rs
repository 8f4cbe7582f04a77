//! What is told of calls that did not ring. Anybody can make any number of those, with one invite repeated or under many
//! identities, so each caller is told of once a minute, with a count, and strangers beyond a number only by how many they were.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::MatrixId;
use web_time::Instant;

use crate::call_handle::NamedCall;
use crate::event::{Event, MissedReason, Peer, RefusedReason};

/// How long further calls of the same caller are counted before they are told.
const INTERVAL: Duration = Duration::from_secs(60);
/// The most strangers that are told of one by one at a time. Contacts are as many as the user has made.
const MAX_STRANGERS: usize = 32;

/// Why a call did not ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Missed(MissedReason),
    Refused(RefusedReason),
}

/// The callers that were told of lately.
#[derive(Default)]
pub(super) struct Reports {
    callers: BTreeMap<(Who, Why), Caller>,
    /// Calls of strangers beyond the number, and when to tell how many.
    others: Option<(u32, Instant)>,
}

/// By what a caller is told from others: the key, which they cannot change at will, or where there is none the account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Identity([u8; 32]),
    Account(MatrixId),
}

impl Who {
    fn is(peer: &Peer) -> Self {
        match peer.id {
            Some(id) => Self::Identity(*id.identity_key().as_bytes()),
            None => Self::Account(peer.matrix_id.clone()),
        }
    }
}

struct Caller {
    /// When to tell what was counted, or to forget the caller.
    until: Instant,
    untold: u32,
    /// The last call.
    call: NamedCall,
    peer: Peer,
}

impl Reports {
    /// A call that did not ring. Gives what is to be told at once.
    pub(super) fn report(
        &mut self,
        now: Instant,
        call: NamedCall,
        peer: Peer,
        why: Why,
    ) -> Option<Event> {
        let key = (Who::is(&peer), why);
        if let Some(caller) = self.callers.get_mut(&key) {
            caller.untold = caller.untold.saturating_add(1);
            (caller.call, caller.peer) = (call, peer);
            return None;
        }
        let until = now + INTERVAL;
        let is_stranger = |peer: &Peer| peer.name.is_none();
        let strangers = self.callers.values().filter(|it| is_stranger(&it.peer));
        // After those that were told of already: whoever is among them takes no more room.
        if is_stranger(&peer) && strangers.count() >= MAX_STRANGERS {
            let (others, _) = self.others.get_or_insert((0, until));
            *others = others.saturating_add(1);
            return None;
        }
        let caller = Caller {
            until,
            untold: 0,
            call: call.clone(),
            peer: peer.clone(),
        };
        self.callers.insert(key, caller);
        Some(event(call, peer, why, 1))
    }

    /// Gives what was counted in a minute that is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        self.callers.retain(|(_, why), caller| {
            if caller.until > now {
                return true;
            }
            caller.until = now + INTERVAL;
            let untold = std::mem::take(&mut caller.untold);
            if untold > 0 {
                events.push(event(
                    caller.call.clone(),
                    caller.peer.clone(),
                    *why,
                    untold,
                ));
            }
            untold > 0
        });
        if let Some((calls, _)) = self.others.take_if(|(_, until)| *until <= now) {
            events.push(Event::CallsOfOthers { calls });
        }
        events
    }

    /// When to call [`Reports::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let callers = self.callers.values().map(|caller| caller.until);
        callers.chain(self.others.map(|(_, until)| until)).min()
    }
}

fn event(call: NamedCall, peer: Peer, why: Why, calls: u32) -> Event {
    match why {
        Why::Missed(why) => Event::Missed {
            call,
            peer,
            why,
            calls,
        },
        Why::Refused(why) => Event::Refused {
            call,
            peer,
            why,
            calls,
        },
    }
}

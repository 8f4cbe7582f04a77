//! What a device says of one 1:1 call, brought into its order.

use std::collections::BTreeMap;
use std::time::Duration;

use web_time::Instant;

use crate::WireCallId;
use crate::wire::room::{RoomContent, RoomSignal};

/// The most events that wait for an earlier one. A browser says some ten things in a call.
pub const MAX_HELD: usize = 32;
/// How long they wait for it. matrix-js-sdk waits for ever: one event that a server loses, and the call is deaf.
pub const GAP_PATIENCE: Duration = Duration::from_secs(3);

/// What a device says of one call, by its numbers.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    call_id: WireCallId,
    /// Greater than every number once the last one was heard.
    next: u64,
    held: BTreeMap<u64, RoomSignal>,
    /// When to go on without what is missing.
    gap_until: Option<Instant>,
}

impl Stream {
    pub(super) const fn new(call_id: WireCallId) -> Self {
        Self {
            call_id,
            next: 0,
            held: BTreeMap::new(),
            gap_until: None,
        }
    }

    pub(super) const fn call_id(&self) -> &WireCallId {
        &self.call_id
    }

    pub(super) const fn gap_until(&self) -> Option<Instant> {
        self.gap_until
    }

    /// Takes one event; gives those whose turn it is now. What was said before is not said again.
    pub(super) fn take(
        &mut self,
        now: Instant,
        number: Option<u32>,
        signal: RoomSignal,
    ) -> Vec<RoomSignal> {
        let Some(number) = number else {
            return vec![signal];
        };
        let number = u64::from(number);
        // Hydrogen counts on from one call to the next: an invite is the first word of a call whatever its number.
        if self.next == 0 && matches!(signal.content, RoomContent::Invite(_)) {
            self.next = number;
        }
        if number < self.next {
            return Vec::new();
        }
        self.held.entry(number).or_insert(signal);
        if self.held.len() > MAX_HELD {
            return self.skip(now);
        }
        self.ready(now)
    }

    /// Goes on without what is missing.
    pub(super) fn skip(&mut self, now: Instant) -> Vec<RoomSignal> {
        if let Some((number, _)) = self.held.first_key_value() {
            self.next = *number;
        }
        self.ready(now)
    }

    fn ready(&mut self, now: Instant) -> Vec<RoomSignal> {
        let mut ready = Vec::new();
        while let Some(signal) = self.held.remove(&self.next) {
            ready.push(signal);
            self.next += 1;
        }
        self.gap_until = match (self.held.is_empty(), ready.is_empty()) {
            (true, _) => None,
            (false, true) => self.gap_until.or(Some(now + GAP_PATIENCE)),
            (false, false) => Some(now + GAP_PATIENCE),
        };
        ready
    }
}

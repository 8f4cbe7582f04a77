//! What was read of a room a moment ago. The sync goes on from before that, and what it still brings from then is no news.

use std::collections::BTreeMap;
use std::time::Duration;

use web_time::Instant;

use crate::group_room::{GroupRoomEvent, GroupRoomEventKind, GroupRoomState};

/// How long the sync may be behind: it is asked anew when a room is followed, and a slow homeserver takes a while. Not for ever, for nobody's
/// clock goes only forward.
const BEHIND: Duration = Duration::from_secs(30);

/// When each event was sent that stood in a room when its state was read.
#[derive(Debug)]
pub(super) struct LastRead {
    until: Instant,
    sent_ms: BTreeMap<(GroupRoomEventKind, String), u64>,
}

impl LastRead {
    pub(super) fn new(now: Instant, state: &GroupRoomState) -> Self {
        let events = state.events.iter();
        Self {
            until: now + BEHIND,
            sent_ms: events.map(|it| (key(it), it.sent_ms)).collect(),
        }
    }

    /// Whether an event is one that another has replaced, which was read.
    pub(super) fn is_newer_than(&self, now: Instant, event: &GroupRoomEvent) -> bool {
        let read = self.sent_ms.get(&key(event));
        now < self.until && read.is_some_and(|read| *read > event.sent_ms)
    }
}

fn key(event: &GroupRoomEvent) -> (GroupRoomEventKind, String) {
    (event.kind, event.state_key.clone())
}

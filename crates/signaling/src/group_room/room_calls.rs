//! Which call of a room counts.

use std::collections::BTreeMap;

use crate::wire::group_room::{CallState, GroupCallId, OpenCall};

/// The most calls of a room that are remembered. There should be one; whoever may send state events can make any number.
pub const MAX_CALLS_OF_ROOM: usize = 32;

/// The calls of a room that are not over, each with the time of its event.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomCalls(BTreeMap<GroupCallId, (u64, OpenCall)>);

impl RoomCalls {
    /// What the state event of a call says now; `None`: nothing that can be read, which is as if there were no such event.
    pub(super) fn set(&mut self, id: GroupCallId, sent_ms: u64, state: Option<&CallState>) {
        match state {
            Some(CallState::Open(call)) => {
                self.0.insert(id, (sent_ms, *call));
                self.forget_oldest();
            }
            Some(CallState::Terminated) | None => {
                self.0.remove(&id);
            }
        }
    }

    /// The newest; of two that are as new the greater ID, so that all agree.
    pub(super) fn counting(&self) -> Option<(&GroupCallId, OpenCall)> {
        let newest = self
            .0
            .iter()
            .max_by_key(|(id, (sent_ms, _))| (*sent_ms, *id));
        newest.map(|(id, (_, call))| (id, *call))
    }

    /// A call that is not over.
    pub(super) fn open(&self, id: &GroupCallId) -> Option<OpenCall> {
        self.0.get(id).map(|(_, call)| *call)
    }

    pub(super) fn is_open(&self, id: &GroupCallId) -> bool {
        self.0.contains_key(id)
    }

    fn forget_oldest(&mut self) {
        if self.0.len() > MAX_CALLS_OF_ROOM {
            let oldest = self.0.iter().min_by_key(|(_, (sent_ms, _))| *sent_ms);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.0.remove(&id);
            }
        }
    }
}

//! Which connections are to be looked at, and when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::ConnectionHandle;

use super::connection::Connection;

/// What waits for the task of an endpoint.
#[derive(Default)]
pub(super) struct Schedule {
    /// One entry a connection at most.
    timers: BTreeSet<(Instant, usize)>,
    /// Connections to whose streams something was written.
    dirty: Vec<Arc<Connection>>,
    /// Connections whose packets the socket had no room for.
    held: Vec<Arc<Connection>>,
}

impl Schedule {
    /// Has a connection looked at earlier than it would be. Tells whether nobody else would be before.
    pub(super) fn arm(
        &mut self,
        handle: ConnectionHandle,
        before: Option<Instant>,
        due: Instant,
    ) -> bool {
        self.disarm(handle, before);
        let is_first = self.next().is_none_or(|first| due < first);
        self.timers.insert((due, handle.0));
        is_first
    }

    pub(super) fn disarm(&mut self, handle: ConnectionHandle, before: Option<Instant>) {
        if let Some(before) = before {
            self.timers.remove(&(before, handle.0));
        }
    }

    /// When somebody is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Takes those that are due, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(Instant, ConnectionHandle)> {
        let mut all = Vec::new();
        while let Some((due, handle)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.pop_first();
            all.push((due, ConnectionHandle(handle)));
        }
        all
    }

    pub(super) fn dirty(&mut self, connection: Arc<Connection>) {
        self.dirty.push(connection);
    }

    pub(super) fn take_dirty(&mut self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.dirty)
    }

    pub(super) fn hold(&mut self, connection: Arc<Connection>) {
        self.held.push(connection);
    }

    pub(super) fn take_held(&mut self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.held)
    }

    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_connection_is_due_once_at_the_time_that_was_said_last() {
        let mut schedule = Schedule::default();
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let [one, other] = [ConnectionHandle(1), ConnectionHandle(2)];
        assert!(schedule.arm(one, None, at(30)));
        assert!(!schedule.arm(other, None, at(40)));
        assert!(schedule.arm(one, Some(at(30)), at(10)));
        assert_eq!(schedule.next(), Some(at(10)));
        assert!(schedule.take_due(at(9)).is_empty());
        assert_eq!(schedule.take_due(at(50)), [(at(10), one), (at(40), other)]);
        assert!(schedule.take_due(at(50)).is_empty());
        assert!(schedule.arm(one, None, at(60)));
        schedule.disarm(one, Some(at(60)));
        assert_eq!(schedule.next(), None);
    }
}

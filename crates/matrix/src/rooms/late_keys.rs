//! Events whose key has not come yet. Keys travel by another way than events, and another server may hold them up.

use std::{collections::VecDeque, time::Duration};

use securecall_contact::{EventId, MatrixId, RoomId};
use tokio::time::Instant;

use super::raw_event::Sealed;

/// How long an event waits. No client's invite lives longer (Nheko's: two minutes), and nothing else does without one.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Events that wait, in one room and in all, and what they may take together. Most are messages that are no calls: nobody
/// knows before they are open.
const MAX_OF_ROOM: usize = 32;
const MAX_EVENTS: usize = 256;
const MAX_SIZE: usize = 1024 * 1024;

/// An event that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) room: RoomId,
    pub(super) event_id: EventId,
    pub(super) sender: MatrixId,
    pub(super) age: Option<Duration>,
    pub(super) transaction: Option<String>,
    pub(super) sealed: Sealed,
    pub(super) since: Instant,
}

/// Those that wait, the longest first.
#[derive(Debug, Default)]
pub(super) struct LateKeys {
    waiting: VecDeque<Waiting>,
    size: usize,
}

impl LateKeys {
    /// Lets one more wait. Gives how many had to go for it: the oldest of its room, or of all.
    pub(super) fn push(&mut self, event: Waiting) -> usize {
        let mut gone = 0;
        self.size += event.sealed.size();
        let same_room = |waiting: &Waiting| waiting.room == event.room;
        if self.waiting.iter().filter(|it| same_room(it)).count() >= MAX_OF_ROOM
            && let Some(oldest) = self.waiting.iter().position(same_room)
        {
            gone += self.remove(oldest);
        }
        self.waiting.push_back(event);
        while self.waiting.len() > MAX_EVENTS || self.size > MAX_SIZE {
            gone += self.remove(0);
        }
        gone
    }

    /// Gives those that a key of this room and session may open, in their order.
    pub(super) fn take(&mut self, room: &str, session_id: &str) -> Vec<Waiting> {
        let (opened, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|it| it.room.as_str() == room && it.sealed.session_id == session_id);
        self.waiting = waiting;
        let opened: VecDeque<Waiting> = opened;
        self.size -= opened.iter().map(|it| it.sealed.size()).sum::<usize>();
        opened.into()
    }

    /// Lets go what has waited too long. Gives how many that were.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let mut gone = 0;
        while let Some(first) = self.waiting.front()
            && now.saturating_duration_since(first.since) >= PATIENCE
        {
            gone += self.remove(0);
        }
        gone
    }

    fn remove(&mut self, index: usize) -> usize {
        let Some(removed) = self.waiting.remove(index) else {
            return 0;
        };
        self.size -= removed.sealed.size();
        1
    }
}

#[cfg(test)]
mod tests {
    use ruma::serde::Raw;
    use serde_json::value::RawValue;

    use super::*;

    fn event(room: &str, number: usize, length: usize, since: Instant) -> Waiting {
        let json = format!("\"{}\"", "x".repeat(length));
        Waiting {
            room: room.parse().unwrap(),
            event_id: format!("${number}").parse().unwrap(),
            sender: "@a:b.test".parse().unwrap(),
            age: None,
            transaction: None,
            sealed: Sealed {
                event: Raw::from_json(RawValue::from_string(json).unwrap()),
                session_id: "s".to_owned(),
                message_index: 0,
            },
            since,
        }
    }

    #[test]
    fn a_key_opens_what_waits_for_it_in_order_and_nothing_else() {
        let now = Instant::now();
        let mut late = LateKeys::default();
        for (room, number) in [("!a", 1), ("!b", 2), ("!a", 3)] {
            assert_eq!(late.push(event(room, number, 10, now)), 0);
        }
        assert!(late.take("!a", "other").is_empty());
        assert!(late.take("!c", "s").is_empty());
        let opened: Vec<_> = late.take("!a", "s");
        let opened: Vec<_> = opened.iter().map(|it| it.event_id.as_str()).collect();
        assert_eq!(opened, ["$1", "$3"]);
        assert_eq!(late.take("!b", "s").len(), 1);
        assert_eq!((late.waiting.len(), late.size), (0, 0));
    }

    #[test]
    fn one_room_cannot_push_out_another() {
        let now = Instant::now();
        let mut late = LateKeys::default();
        late.push(event("!quiet", 0, 10, now));
        let gone: usize = (0..1_000)
            .map(|n| late.push(event("!loud", n, 10, now)))
            .sum();
        assert_eq!(gone, 1_000 - MAX_OF_ROOM);
        assert_eq!(late.take("!quiet", "s").len(), 1);
        let left = late.take("!loud", "s");
        assert_eq!(left.last().unwrap().event_id.as_str(), "$999");
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        let now = Instant::now();
        for length in [10, 60 * 1024] {
            let mut late = LateKeys::default();
            for number in 0..2 * MAX_EVENTS {
                late.push(event(&format!("!{number}"), number, length, now));
            }
            assert!(late.waiting.len() <= MAX_EVENTS && late.size <= MAX_SIZE);
            assert!(late.waiting.len() > 10);
        }
    }

    #[test]
    fn nothing_waits_for_ever() {
        let now = Instant::now();
        let mut late = LateKeys::default();
        late.push(event("!a", 1, 10, now));
        late.push(event("!a", 2, 10, now + PATIENCE / 2));
        let almost = PATIENCE - Duration::from_millis(1);
        assert_eq!(late.expire(now + almost), 0);
        assert_eq!(late.expire(now + PATIENCE), 1);
        assert_eq!(late.expire(now + PATIENCE), 0);
        assert_eq!(late.take("!a", "s").len(), 1);
        assert_eq!(late.size, 0);
    }
}

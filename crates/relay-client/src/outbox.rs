//! What waits for a stream that is slow.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use securecall_relay::Urgency;
use tokio::sync::Notify;

/// The most packets of a call that wait: 100 ms of voice, which the peer's jitter buffer can still make good. One more
/// shows that the network takes less than is said; then the oldest, which is of the least use, goes.
const MAX_PACKETS: usize = 5;
/// The most requests that wait. Sources ask few, and ask again.
const MAX_REQUESTS: usize = 64;

/// What waits for a stream, in the order in which it was said.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
    over: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(Vec<u8>, Urgency)>,
    closed: bool,
}

impl Outbox {
    /// Adds a message; what finds no room is lost.
    pub(crate) fn push(&self, bytes: Vec<u8>, urgency: Urgency) {
        let mut waiting = self.waiting();
        let of_this_kind = |(_, other): &(Vec<u8>, Urgency)| *other == urgency;
        let count = waiting
            .messages
            .iter()
            .filter(|message| of_this_kind(message))
            .count();
        match urgency {
            Urgency::Waits if count >= MAX_REQUESTS => return,
            Urgency::SoonOrNever if count >= MAX_PACKETS => {
                let oldest = waiting.messages.iter().position(of_this_kind);
                oldest.map(|index| waiting.messages.remove(index));
            }
            Urgency::Waits | Urgency::SoonOrNever => {}
        }
        waiting.messages.push_back((bytes, urgency));
        self.changed.notify_one();
    }

    /// Nothing more will be said.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
        self.over.notify_one();
    }

    /// Waits until nothing more will be said. For one waiter.
    pub(crate) async fn closed(&self) {
        self.over.notified().await;
    }

    /// Waits for the next message; `None` after the last one.
    pub(crate) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some((bytes, _)) = waiting.messages.pop_front() {
                    return Some(bytes);
                }
                if waiting.closed {
                    return None;
                }
            }
            // One that was notified before it waits does not wait.
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds this.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_packets_that_wait_the_newest_five_are_kept_and_of_requests_all() {
        let outbox = Outbox::default();
        for index in 0..10 {
            outbox.push(vec![index], Urgency::SoonOrNever);
            if index % 4 == 0 {
                outbox.push(vec![100 + index], Urgency::Waits);
            }
        }
        outbox.close();
        let mut said = Vec::new();
        while let Some(bytes) = outbox.next().await {
            said.push(bytes[0]);
        }
        assert_eq!(said, [100, 104, 5, 6, 7, 8, 108, 9]);
    }

    #[tokio::test]
    async fn requests_without_end_wait_in_bounds() {
        let outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.push(vec![0], Urgency::Waits);
        }
        assert_eq!(outbox.waiting().messages.len(), 64);
    }
}

//! HTTP datagrams of a flow that came and wait to be read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// The most that wait before the relay has accepted the request (RFC 9298 section 5 lets them come that early).
const MAX_EARLY: usize = 8;
/// The most that wait later: a second of voice. A call that does not read for so long has no use for what is older.
const MAX_WAITING: usize = 64;

/// What waits for one reader. When there is too much, the oldest goes.
#[derive(Debug)]
pub(super) struct DatagramQueue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    datagrams: VecDeque<Bytes>,
    most: usize,
    reader: Option<Waker>,
}

impl DatagramQueue {
    /// Of a flow that has been asked for.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Waiting {
            datagrams: VecDeque::new(),
            most: MAX_EARLY,
            reader: None,
        }))
    }

    /// The relay has accepted the request.
    pub(super) fn accepted(&self) {
        self.waiting().most = MAX_WAITING;
    }

    pub(super) fn push(&self, datagram: Bytes) {
        let mut waiting = self.waiting();
        if waiting.datagrams.len() >= waiting.most {
            waiting.datagrams.pop_front();
        }
        waiting.datagrams.push_back(datagram);
        if let Some(reader) = waiting.reader.take() {
            reader.wake();
        }
    }

    /// The next one. For one reader at a time.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut waiting = self.waiting();
        match waiting.datagrams.pop_front() {
            Some(datagram) => Poll::Ready(datagram),
            None => {
                waiting.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) async fn next(&self) -> Bytes {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(queue: &DatagramQueue) -> Vec<u8> {
        queue.push(Bytes::from_static(&[255]));
        let mut read = Vec::new();
        loop {
            match queue.next().await[0] {
                255 => return read,
                byte => read.push(byte),
            }
        }
    }

    #[tokio::test]
    async fn few_are_kept_before_the_answer_and_the_newest_of_a_flood_after_it() {
        let queue = DatagramQueue::new();
        for byte in 0..200_u8 {
            queue.push(vec![byte].into());
        }
        assert_eq!(read_all(&queue).await, [193, 194, 195, 196, 197, 198, 199]);
        queue.accepted();
        for byte in 0..200_u8 {
            queue.push(vec![byte].into());
        }
        assert_eq!(read_all(&queue).await, (137..200).collect::<Vec<u8>>());
    }
}

//! News of all tunnels, for the call.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use securecall_relay::TunnelId;
use tokio::sync::Notify;

use super::news::{News, TunnelNews};

/// The most datagrams of a tunnel that wait for the call: a second of voice. What is older is of no use to it.
const MAX_DATAGRAMS: usize = 64;
/// The most pieces of a request's stream that wait. A relay that sends more is read no further.
const MAX_CAPSULES: usize = 16;

/// What waits for the call, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<VecDeque<TunnelNews>>,
    arrived: Notify,
    taken: Notify,
}

impl Inbox {
    /// Adds what is rare.
    pub(super) fn push(&self, news: TunnelNews) {
        self.waiting().push_back(news);
        self.arrived.notify_one();
    }

    /// Adds a datagram. Of too many of a tunnel the oldest is lost: a relay that floods us does no harm to others.
    pub(super) fn push_datagram(&self, tunnel: TunnelId, datagram: Vec<u8>) {
        let mut waiting = self.waiting();
        let of_this = |news: &TunnelNews| news.tunnel == tunnel && news.is_datagram();
        if waiting.iter().filter(|news| of_this(news)).count() >= MAX_DATAGRAMS {
            let oldest = waiting.iter().position(of_this);
            oldest.map(|index| waiting.remove(index));
        }
        let event = News::Datagram(datagram);
        waiting.push_back(TunnelNews { tunnel, event });
        self.arrived.notify_one();
    }

    /// Adds bytes of a stream as soon as there is room for them.
    pub(super) async fn push_capsules(&self, tunnel: TunnelId, bytes: Vec<u8>) {
        let mut bytes = Some(bytes);
        loop {
            let taken = self.taken.notified();
            if self.has_taken(tunnel, &mut bytes) {
                return;
            }
            taken.await;
        }
    }

    fn has_taken(&self, tunnel: TunnelId, bytes: &mut Option<Vec<u8>>) -> bool {
        let mut waiting = self.waiting();
        let of_this = |news: &&TunnelNews| news.tunnel == tunnel && news.is_capsules();
        if waiting.iter().filter(of_this).count() >= MAX_CAPSULES {
            return false;
        }
        let event = News::Capsules(bytes.take().unwrap_or_default());
        waiting.push_back(TunnelNews { tunnel, event });
        self.arrived.notify_one();
        true
    }

    /// What is there already.
    pub(super) fn pop(&self) -> Option<TunnelNews> {
        let news = self.waiting().pop_front()?;
        if news.is_capsules() {
            self.taken.notify_waiters();
        }
        Some(news)
    }

    /// Waits for the next. For one reader.
    pub(super) async fn next(&self) -> TunnelNews {
        loop {
            if let Some(news) = self.pop() {
                return news;
            }
            // One that was notified before it waits does not wait.
            self.arrived.notified().await;
        }
    }

    /// Nobody wants to hear of a tunnel any more.
    pub(super) fn forget(&self, tunnel: TunnelId) {
        self.waiting().retain(|news| news.tunnel != tunnel);
        self.taken.notify_waiters();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<TunnelNews>> {
        // No code panics while it holds this.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use securecall_relay::{HopRole, TunnelEvent, TunnelFailure, TunnelFailureKind};
    use tokio::time::timeout;

    use super::*;

    const ONE: TunnelId = TunnelId(1);
    const OTHER: TunnelId = TunnelId(2);

    #[tokio::test]
    async fn of_a_flood_the_newest_is_kept_and_nothing_of_others_or_of_another_kind_is_lost() {
        let inbox = Inbox::default();
        inbox.push_datagram(OTHER, vec![1]);
        inbox.push_capsules(ONE, vec![2]).await;
        for byte in 0..200 {
            inbox.push_datagram(ONE, vec![byte]);
        }
        let failure = TunnelFailure {
            hop: HopRole::Exit,
            kind: TunnelFailureKind::Ended,
        };
        inbox.push(TunnelNews {
            tunnel: ONE,
            event: News::Closed(failure),
        });
        assert_eq!(
            inbox.next().await.event(),
            TunnelEvent::Datagram(&[1]),
            "of the other tunnel"
        );
        assert_eq!(inbox.next().await.event(), TunnelEvent::Capsules(&[2]));
        for byte in 136..200 {
            assert_eq!(inbox.next().await.event(), TunnelEvent::Datagram(&[byte]));
        }
        assert_eq!(inbox.next().await.event(), TunnelEvent::Closed(failure));
        assert_eq!(inbox.pop(), None);
    }

    #[tokio::test]
    async fn a_stream_is_read_no_further_than_there_is_room() {
        let inbox = Inbox::default();
        for _ in 0..MAX_CAPSULES {
            inbox.push_capsules(ONE, vec![1]).await;
        }
        let more = inbox.push_capsules(ONE, vec![2]);
        assert!(timeout(Duration::from_millis(50), more).await.is_err());
        let other = inbox.push_capsules(OTHER, vec![3]);
        assert!(timeout(Duration::from_secs(10), other).await.is_ok());
        let (more, first) = tokio::join!(inbox.push_capsules(ONE, vec![2]), inbox.next());
        assert_eq!((more, first.event()), ((), TunnelEvent::Capsules(&[1])));
    }
}

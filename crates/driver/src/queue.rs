//! Queues between the tasks of a client: whoever puts something in never waits, and nobody fills memory with it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What becomes of an item where others of its kind wait.
pub(crate) enum Rule<K> {
    /// It waits with them. Nothing of the kind may be lost, and whoever makes it makes few.
    Keep,
    /// It waits unless so many do: it will come again, or nobody misses it.
    AtMost(usize, K),
    /// It takes their place: only the last counts.
    Latest(K),
}

/// What a queue can hold.
pub(crate) trait Queued {
    /// What items must have in common for one to stand in for another.
    type Kind: PartialEq;

    /// The rule for this item.
    fn rule(&self) -> Rule<Self::Kind>;
}

/// Makes a queue.
pub(crate) fn queue<T: Queued>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::new(),
            senders: 1,
            received: true,
        }),
        arrived: Notify::new(),
        left: Notify::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// An item came, or the last sender is gone.
    arrived: Notify,
    /// An item was taken.
    left: Notify,
}

struct State<T> {
    items: VecDeque<T>,
    senders: usize,
    /// There is somebody to take items.
    received: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Whoever panicked has left whole items.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts items in.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T: Queued> Sender<T> {
    /// Puts an item in, by its rule. Without a receiver it is let go.
    pub(crate) fn send(&self, item: T) {
        let mut state = self.0.lock();
        if !state.received {
            return;
        }
        match item.rule() {
            Rule::Keep => {}
            Rule::AtMost(most, kind) => {
                let alike = state.items.iter().filter(|it| is_of(*it, &kind));
                if alike.take(most).count() == most {
                    return;
                }
            }
            Rule::Latest(kind) => state.items.retain(|it| !is_of(it, &kind)),
        }
        state.items.push_back(item);
        drop(state);
        self.0.arrived.notify_one();
    }

    /// Waits until fewer items wait than this.
    pub(crate) async fn until_fewer_than(&self, count: usize) {
        while self.0.lock().items.len() >= count {
            self.0.left.notified().await;
        }
    }
}

fn is_of<T: Queued>(item: &T, kind: &T::Kind) -> bool {
    match item.rule() {
        Rule::Keep => false,
        Rule::AtMost(_, own) | Rule::Latest(own) => own == *kind,
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.arrived.notify_one();
    }
}

/// Takes items out.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// The next item; `None` once there is none and will be none. Nothing is lost if the wait is cut short.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            {
                let mut state = self.0.lock();
                let item = state.items.pop_front();
                if item.is_some() || state.senders == 0 {
                    drop(state);
                    self.0.left.notify_one();
                    return item;
                }
            }
            self.0.arrived.notified().await;
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.received = false;
        state.items.clear();
        drop(state);
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Item {
        Kept(u32),
        Repeated(u32),
        State(u32),
    }

    impl Queued for Item {
        type Kind = &'static str;

        fn rule(&self) -> Rule<Self::Kind> {
            match self {
                Self::Kept(_) => Rule::Keep,
                Self::Repeated(_) => Rule::AtMost(3, "repeated"),
                Self::State(_) => Rule::Latest("state"),
            }
        }
    }

    async fn taken(receiver: &mut Receiver<Item>) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(item) = receiver.next().await {
            items.push(item);
        }
        items
    }

    #[tokio::test]
    async fn each_kind_is_kept_dropped_or_replaced_by_its_rule_and_the_order_stays() {
        let (sender, mut receiver) = queue();
        for number in 0..1000 {
            sender.send(Item::Repeated(number));
            sender.send(Item::State(number));
        }
        sender.send(Item::Kept(1));
        sender.send(Item::Kept(2));
        drop(sender);
        let expected = [
            Item::Repeated(0),
            Item::Repeated(1),
            Item::Repeated(2),
            Item::State(999),
            Item::Kept(1),
            Item::Kept(2),
        ];
        assert_eq!(taken(&mut receiver).await, expected);
    }

    #[tokio::test]
    async fn it_ends_with_its_last_sender_and_holds_nothing_for_nobody() {
        let (sender, mut receiver) = queue();
        let other = sender.clone();
        drop(sender);
        other.send(Item::Kept(1));
        assert_eq!(receiver.next().await, Some(Item::Kept(1)));
        drop(other);
        assert_eq!(receiver.next().await, None);

        let (sender, receiver) = queue();
        drop(receiver);
        sender.send(Item::Kept(1));
        assert!(sender.0.lock().items.is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_on_either_end_is_woken() {
        let (sender, mut receiver) = queue();
        let (received, ()) = tokio::join!(receiver.next(), async { sender.send(Item::Kept(1)) });
        assert_eq!(received, Some(Item::Kept(1)));
        sender.send(Item::Kept(2));
        let ((), received) = tokio::join!(sender.until_fewer_than(1), receiver.next());
        assert_eq!(received, Some(Item::Kept(2)));
    }
}

//! The events that wait for the program to read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::event::Event;

/// Beyond so many waiting events the figures that come by themselves are dropped: whoever is so late does not miss them.
const FIGURES_WAITING: usize = 256;

/// Makes a queue. What happens to a call or an account is never dropped; figures are, while the reader is far behind.
pub(crate) fn event_queue() -> (EventSender, EventReceiver) {
    let (events, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = EventSender {
        events,
        waiting: waiting.clone(),
    };
    let receiver = EventReceiver {
        events: receiver,
        waiting,
    };
    (sender, receiver)
}

#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    events: mpsc::UnboundedSender<Event>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub(crate) struct EventReceiver {
    events: mpsc::UnboundedReceiver<Event>,
    waiting: Arc<AtomicUsize>,
}

impl EventSender {
    /// Nobody may be listening any more; the call does not depend on it.
    pub(crate) fn tell(&self, event: Event) {
        let is_figure = matches!(event, Event::Stats { .. } | Event::Levels { .. });
        if is_figure && self.waiting.load(Ordering::Relaxed) >= FIGURES_WAITING {
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(event);
    }
}

impl EventReceiver {
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::CallId;

    use super::*;
    use crate::event::CallStats;

    #[tokio::test]
    async fn a_reader_who_stalls_misses_figures_but_nothing_that_happened() {
        let (sender, mut receiver) = event_queue();
        let call = CallId::from_random([1; 16]);
        let stats = || Event::Stats {
            call,
            stats: CallStats::default(),
        };
        for _ in 0..10 * FIGURES_WAITING {
            sender.tell(stats());
            sender.tell(Event::Levels {
                call,
                input: 0.0,
                output: 0.0,
            });
        }
        for _ in 0..FIGURES_WAITING {
            sender.tell(Event::Online);
        }
        let mut figures = 0;
        for _ in 0..FIGURES_WAITING {
            let event = receiver.next().await;
            figures += usize::from(!matches!(event, Some(Event::Online)));
        }
        assert_eq!(figures, FIGURES_WAITING);
        for _ in 0..FIGURES_WAITING {
            assert!(matches!(receiver.next().await, Some(Event::Online)));
        }
        // Who has caught up gets figures again.
        sender.tell(stats());
        assert!(matches!(receiver.next().await, Some(Event::Stats { .. })));
        drop(sender);
        assert!(receiver.next().await.is_none());
    }
}

//! The events that wait for the program to read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use securecall_session::Event as CallEvent;
use tokio::sync::mpsc;

use crate::event::Event;

/// Beyond so many waiting events the figures that come by themselves are dropped: whoever is so late does not miss them.
const FIGURES_WAITING: usize = 256;
/// Beyond so many, what only adds to the story of a call or of the account is dropped. Strangers can make some of it.
const REMARKS_WAITING: usize = 4096;
/// Beyond so many, nothing is kept: a program that far behind reads no events at all.
const MOST_WAITING: usize = 64 * 1024;

/// Makes a queue. What becomes of a call or an account is kept longest; whatever is dropped is counted, and told as
/// [`Event::LeftOut`] as soon as the reader has caught up.
pub(crate) fn event_queue() -> (EventSender, EventReceiver) {
    let (events, receiver) = mpsc::unbounded_channel();
    let counts = Arc::new(Counts::default());
    let sender = EventSender {
        events,
        counts: counts.clone(),
    };
    let receiver = EventReceiver {
        events: receiver,
        counts,
    };
    (sender, receiver)
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    dropped: AtomicU64,
    dropped_figures: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct EventSender {
    events: mpsc::UnboundedSender<Event>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
pub(crate) struct EventReceiver {
    events: mpsc::UnboundedReceiver<Event>,
    counts: Arc<Counts>,
}

impl EventSender {
    /// Nobody may be listening any more; the call does not depend on it.
    pub(crate) fn tell(&self, event: Event) {
        let room = match event {
            Event::Stats { .. } | Event::Levels { .. } => FIGURES_WAITING,
            _ if is_outcome(&event) => MOST_WAITING,
            _ => REMARKS_WAITING,
        };
        if self.counts.waiting.load(Ordering::Relaxed) >= room {
            let dropped = match room {
                FIGURES_WAITING => &self.counts.dropped_figures,
                _ => &self.counts.dropped,
            };
            dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(event);
    }
}

impl EventReceiver {
    pub(crate) async fn next(&mut self) -> Option<Event> {
        if self.events.is_empty()
            && let Some(left_out) = self.left_out()
        {
            return Some(left_out);
        }
        let event = self.events.recv().await?;
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }

    fn left_out(&self) -> Option<Event> {
        let events = self.counts.dropped.swap(0, Ordering::Relaxed);
        let figures = self.counts.dropped_figures.swap(0, Ordering::Relaxed);
        (events > 0 || figures > 0).then_some(Event::LeftOut { events, figures })
    }
}

/// Whether without it nobody would know what became of a call or of the account.
fn is_outcome(event: &Event) -> bool {
    match event {
        Event::Call(call) => !matches!(
            call,
            CallEvent::Missed { .. } | CallEvent::Refused { .. } | CallEvent::Muted { .. }
        ),
        Event::Ready | Event::AudioStarted { .. } | Event::SessionEnded => true,
        Event::Stats { .. }
        | Event::Levels { .. }
        | Event::Device { .. }
        | Event::Notice { .. }
        | Event::PlainTextRefused
        | Event::Offline(_)
        | Event::Online
        | Event::LeftOut { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::{CallId, EndReason};

    use super::*;
    use crate::event::CallStats;

    fn stats() -> Event {
        Event::Stats {
            call: CallId::from_random([1; 16]),
            stats: CallStats::default(),
        }
    }

    fn ended() -> Event {
        Event::Call(CallEvent::Ended {
            call: CallId::from_random([1; 16]),
            reason: EndReason::LocalHangup,
            connected_for: None,
        })
    }

    #[tokio::test]
    async fn a_reader_who_stalls_misses_figures_first_then_remarks_and_is_told_how_many() {
        let (sender, mut receiver) = event_queue();
        for _ in 0..2 * REMARKS_WAITING {
            sender.tell(stats());
            sender.tell(Event::Online);
        }
        for _ in 0..REMARKS_WAITING {
            sender.tell(ended());
        }
        let (mut figures, mut remarks, mut outcomes) = (0, 0, 0);
        let left_out = loop {
            match receiver.next().await.unwrap() {
                Event::Stats { .. } => figures += 1,
                Event::Online => remarks += 1,
                Event::Call(_) => outcomes += 1,
                Event::LeftOut { events, figures } => break (events, figures),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(figures + remarks, REMARKS_WAITING);
        assert!(figures <= FIGURES_WAITING, "{figures}");
        assert_eq!(outcomes, REMARKS_WAITING, "none of these is ever missing");
        let missing = |came: usize| (2 * REMARKS_WAITING - came) as u64;
        assert_eq!(left_out, (missing(remarks), missing(figures)));
        // Who has caught up gets everything again, and is told once.
        sender.tell(stats());
        assert!(matches!(receiver.next().await, Some(Event::Stats { .. })));
        drop(sender);
        assert!(receiver.next().await.is_none());
    }

    #[tokio::test]
    async fn there_is_an_end_to_everything_that_waits() {
        let (sender, mut receiver) = event_queue();
        for _ in 0..MOST_WAITING + 10 {
            sender.tell(ended());
        }
        for _ in 0..MOST_WAITING {
            assert!(matches!(receiver.next().await, Some(Event::Call(_))));
        }
        assert!(matches!(
            receiver.next().await,
            Some(Event::LeftOut {
                events: 10,
                figures: 0
            })
        ));
    }
}

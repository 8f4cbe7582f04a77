//! Who may send an event next. A homeserver lets an account send so many events a minute, in all rooms together, and then
//! says how long to wait (`M_LIMIT_EXCEEDED`). Then a hangup must not stand behind five lots of candidates.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Events that may wait; more than that is no call.
const MAX_WAITING: usize = 256;

/// How much an event matters while there is a queue. The least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// It ends a call: another phone rings until it is there.
    End,
    /// It sets one up.
    SetUp,
    /// It tidies up behind one.
    TidyUp,
}

/// The queue of one account. One event is on its way at a time, so that they arrive in order.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next_number: u64,
    /// Who waits. The first goes first.
    waiting: BTreeSet<Place>,
    /// Whose event is on its way.
    is_sending: bool,
    /// Nobody sends before this.
    pause_until: Option<Instant>,
}

/// A place in the queue: the urgent before the others, and then as they came.
type Place = (Urgency, u64);

/// There are too many in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// A place in the queue. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    queue: &'a SendQueue,
    place: Place,
}

/// The right to send. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    queue: &'a SendQueue,
}

impl SendQueue {
    /// Takes a place, which is kept over all attempts to send one event.
    pub(crate) fn enter(&self, urgency: Urgency) -> Result<Ticket<'_>, QueueFull> {
        let mut state = self.lock();
        // The end of a call finds its way.
        if state.waiting.len() >= MAX_WAITING && urgency != Urgency::End {
            return Err(QueueFull);
        }
        state.next_number += 1;
        let place = (urgency, state.next_number);
        state.waiting.insert(place);
        drop(state);
        Ok(Ticket { queue: self, place })
    }

    /// The homeserver asks to wait.
    pub(crate) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        state.pause_until = state.pause_until.max(Some(until));
    }

    /// Whether it is this one's turn; or when to look again, at the latest.
    fn try_turn(&self, place: Place, now: Instant) -> Result<(), Option<Instant>> {
        let mut state = self.lock();
        let is_first = state.waiting.first() == Some(&place);
        match state.pause_until {
            Some(until) if until > now => Err(Some(until)),
            _ if is_first && !state.is_sending => {
                state.is_sending = true;
                Ok(())
            }
            _ => Err(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Ticket<'a> {
    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> Turn<'a> {
        loop {
            // Asked for before looking: what changes in between is not missed.
            let changed = self.queue.changed.notified();
            let wait = match self.queue.try_turn(self.place, Instant::now()) {
                Ok(()) => return Turn { queue: self.queue },
                Err(wait) => wait,
            };
            match wait {
                Some(until) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(until) => {}
                },
                None => changed.await,
            }
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.queue.lock().waiting.remove(&self.place);
        self.queue.changed.notify_waiters();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.lock().is_sending = false;
        self.queue.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_call_goes_before_what_came_first_and_the_rest_in_order() {
        let queue = SendQueue::default();
        let tidy = queue.enter(Urgency::TidyUp).unwrap();
        let first = queue.enter(Urgency::SetUp).unwrap();
        let second = queue.enter(Urgency::SetUp).unwrap();
        let turn = first.turn().now_or_never().unwrap();
        let end = queue.enter(Urgency::End).unwrap();
        // Nobody overtakes what is on its way.
        assert!(end.turn().now_or_never().is_none());
        drop((turn, first));
        assert!(second.turn().now_or_never().is_none());
        drop((end.turn().now_or_never().unwrap(), end));
        assert!(tidy.turn().now_or_never().is_none());
        drop((second.turn().now_or_never().unwrap(), second));
        assert!(tidy.turn().now_or_never().is_some());
    }

    #[tokio::test]
    async fn in_a_pause_nobody_sends_and_an_urgent_one_comes_to_the_front() {
        let queue = SendQueue::default();
        let first = queue.enter(Urgency::SetUp).unwrap();
        drop(first.turn().now_or_never().unwrap());
        queue.pause(Duration::from_secs(3_600));
        let end = queue.enter(Urgency::End).unwrap();
        assert!(first.turn().now_or_never().is_none());
        assert!(end.turn().now_or_never().is_none());
        // A shorter pause makes no difference to a longer one.
        queue.pause(Duration::ZERO);
        let later = Instant::now() + Duration::from_secs(3_601);
        assert!(queue.try_turn(end.place, Instant::now()).is_err());
        assert_eq!(queue.try_turn(first.place, later), Err(None));
        assert_eq!(queue.try_turn(end.place, later), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_a_place_is_given_up() {
        let queue = SendQueue::default();
        let first = queue.enter(Urgency::SetUp).unwrap();
        let second = queue.enter(Urgency::SetUp).unwrap();
        let mut waiting = Box::pin(second.turn());
        assert!((&mut waiting).now_or_never().is_none());
        // Never sent: whoever wanted to has given it up.
        drop(first);
        let turn = (&mut waiting).now_or_never().unwrap();
        drop((waiting, turn));
        drop(second);
        assert!(queue.lock().waiting.is_empty() && !queue.lock().is_sending);
    }

    #[test]
    fn the_queue_is_bounded_but_for_ends() {
        let queue = SendQueue::default();
        let tickets: Vec<_> = (0..MAX_WAITING)
            .map(|_| queue.enter(Urgency::SetUp).unwrap())
            .collect();
        assert_eq!(queue.enter(Urgency::SetUp).unwrap_err(), QueueFull);
        assert!(queue.enter(Urgency::End).is_ok());
        drop(tickets);
        assert!(queue.enter(Urgency::SetUp).is_ok());
    }
}

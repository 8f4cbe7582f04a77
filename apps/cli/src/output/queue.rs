//! What waits for somebody who is slow: how much, and what is left out.

use std::collections::VecDeque;
use std::mem;

/// With so many waiting, figures are left out: the next ones say the same.
const MAX_WAITING_FOR_FIGURES: usize = 64;
/// With so many waiting, what only adds to the story of a call is left out. Strangers make some of it.
const MAX_WAITING_FOR_REMARKS: usize = 1024;
/// With so many waiting, nothing more is kept: whoever is so far behind has missed hours.
const MAX_WAITING: usize = 16 * 1024;

/// How much is lost with something that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Nothing: it comes again in a second.
    Figures,
    /// Little: a call can be followed without it.
    Remark,
    /// What became of a call, or what was asked for.
    Outcome,
}

/// How much was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) events: u64,
    pub(crate) figures: u64,
}

impl LeftOut {
    /// Nothing was.
    pub(crate) const NOTHING: Self = Self {
        events: 0,
        figures: 0,
    };

    /// One more.
    pub(crate) const fn count(&mut self, weight: Weight) {
        match weight {
            Weight::Figures => self.figures = self.figures.saturating_add(1),
            Weight::Remark | Weight::Outcome => self.events = self.events.saturating_add(1),
        }
    }
}

/// Things that wait, in order.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: VecDeque<(Weight, T)>,
    left_out: LeftOut,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub(crate) const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            left_out: LeftOut::NOTHING,
        }
    }

    /// Adds something, or counts it where too much is waiting for a thing of its weight.
    pub(crate) fn push(&mut self, weight: Weight, item: T) {
        let room = match weight {
            Weight::Figures => MAX_WAITING_FOR_FIGURES,
            Weight::Remark => MAX_WAITING_FOR_REMARKS,
            Weight::Outcome => MAX_WAITING,
        };
        if self.waiting.len() < room {
            self.waiting.push_back((weight, item));
        } else {
            self.left_out.count(weight);
        }
    }

    /// The one that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<(Weight, T)> {
        self.waiting.pop_front()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Something that was taken out is lost all the same.
    pub(crate) const fn count_left_out(&mut self, weight: Weight) {
        self.left_out.count(weight);
    }

    /// What was to be told of what was left out could not be told.
    pub(crate) const fn put_back_left_out(&mut self, left_out: LeftOut) {
        self.left_out.events = self.left_out.events.saturating_add(left_out.events);
        self.left_out.figures = self.left_out.figures.saturating_add(left_out.figures);
    }

    /// What was left out since this was asked last, for whoever has caught up.
    pub(crate) const fn take_left_out(&mut self) -> Option<LeftOut> {
        match mem::replace(&mut self.left_out, LeftOut::NOTHING) {
            LeftOut {
                events: 0,
                figures: 0,
            } => None,
            left_out => Some(left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_go_first_then_remarks_and_outcomes_last() {
        let mut queue = Queue::new();
        for number in 0..2 * MAX_WAITING {
            queue.push(Weight::Figures, number);
            queue.push(Weight::Remark, number);
            queue.push(Weight::Outcome, number);
        }
        let mut kept = [0; 3];
        let mut outcomes = Vec::new();
        while let Some((weight, number)) = queue.pop() {
            kept[weight as usize] += 1;
            if weight == Weight::Outcome {
                outcomes.push(number);
            }
        }
        assert!(outcomes.is_sorted(), "the order stays");
        assert_eq!(kept.iter().sum::<usize>(), MAX_WAITING);
        assert!(kept[0] <= MAX_WAITING_FOR_FIGURES);
        assert!(kept[1] <= MAX_WAITING_FOR_REMARKS);
        assert!(kept[2] > MAX_WAITING - MAX_WAITING_FOR_REMARKS);
        let left_out = queue.take_left_out().unwrap();
        assert_eq!(left_out.figures as usize, 2 * MAX_WAITING - kept[0]);
        assert_eq!(
            left_out.events as usize,
            4 * MAX_WAITING - kept[1] - kept[2]
        );
        assert_eq!(queue.take_left_out(), None, "told once");
    }

    #[test]
    fn whoever_keeps_up_misses_nothing() {
        let mut queue = Queue::new();
        for number in 0..10 * MAX_WAITING {
            queue.push(Weight::Figures, number);
            assert_eq!(queue.pop(), Some((Weight::Figures, number)));
        }
        assert!(queue.is_empty());
        assert_eq!(queue.take_left_out(), None);
    }
}

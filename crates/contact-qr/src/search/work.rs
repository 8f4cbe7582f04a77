//! A bound on what one picture may cost, counted and not timed: the same picture always ends the same way.

use std::cell::Cell;

/// Looks at single grey values that may still be taken; what else is dear is counted as so many.
///
/// The passes over whole copies of the picture are bounded by its size and not counted here.
#[derive(Debug)]
pub(crate) struct Work(Cell<u64>);

impl Work {
    /// For one picture: about a second and a half on a slow machine. A candidate of ordinary size takes less than a hundredth of it.
    const ALL: u64 = 150_000_000;

    pub(crate) fn new() -> Self {
        Self(Cell::new(Self::ALL))
    }

    pub(crate) fn spend(&self, looks: usize) {
        self.0.set(self.0.get().saturating_sub(looks as u64));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.get() == 0
    }

    /// None that is left.
    #[cfg(test)]
    pub(crate) fn all_spent() -> Self {
        Self(Cell::new(0))
    }

    /// What has been spent so far.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> u64 {
        Self::ALL - self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_all_is_spent_and_stays_so() {
        let work = Work::new();
        work.spend(Work::ALL as usize - 1);
        assert!(!work.is_over());
        work.spend(5);
        assert!(work.is_over());
    }
}

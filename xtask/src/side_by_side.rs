//! Work of which a few pieces are done at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does every piece of work, so many of them at a time, in their order; gives what came of each, in the order in which they were
/// done.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    pieces: &[T],
    at_a_time: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let (next, done) = (Mutex::new(pieces.iter()), Mutex::new(Vec::new()));
    let next = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some(piece) = next() {
            let came_of_it = work(piece);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push(came_of_it);
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_a_time.max(1) {
            scope.spawn(worker);
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        let mut done = side_by_side(&[1, 2, 3, 4, 5], 2, |piece| piece * 10);
        done.sort_unstable();
        assert_eq!(done, [10, 20, 30, 40, 50]);
    }

    #[test]
    fn as_many_are_done_at_a_time_as_are_said() {
        let (running, changed) = (Mutex::new(0), Condvar::new());
        let met = side_by_side(&["a", "b"], 2, |_| {
            let mut running = running.lock().unwrap();
            *running += 1;
            changed.notify_all();
            let patience = Duration::from_secs(60);
            let waited = changed.wait_timeout_while(running, patience, |running| *running < 2);
            !waited.unwrap().1.timed_out()
        });
        assert_eq!(met, [true, true]);
    }
}

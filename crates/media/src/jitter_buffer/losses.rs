//! What gets lost, and what waiting for later packets would restore.

use super::{FRAME_US, arrival::ArrivalStatistics, packet_store::PacketStore};

/// Frames after which one that has not come counts as lost: 0.32 s.
const SETTLED: i64 = 16;
/// Weight of one frame in the shares.
const WEIGHT: f32 = 1.0 / 250.0;
/// Frames that the delay may grow by for what later packets restore.
const MOST_AWAITED: usize = 1;
/// Milliseconds of delay that it is worth to restore all frames instead of none: one frame more where 1.5 % come back by it …
const WORTH_MS: f32 = 1_333.0;
/// … and where it is awaited already, as long as 0.5 % do.
const WORTH_KEEPING_MS: f32 = 4_000.0;
/// Steps in which the delay is weighed.
const STEP_US: i64 = 4_000;

/// Shares of frames, as exponential averages.
#[derive(Debug, Default)]
pub(super) struct LossStatistics {
    /// The frame that is judged next.
    next: i64,
    /// Frames that never came by themselves and that a packet one, two, … frames later could have restored.
    restorable: [f32; MOST_AWAITED],
    /// By how much the delay is larger for their sake, in microseconds.
    awaited: i64,
}

impl LossStatistics {
    /// Begins anew at frame 0.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Judges what can be judged since `newest` is here.
    pub(super) fn judge(
        &mut self,
        newest: i64,
        store: &PacketStore,
        arrivals: &ArrivalStatistics,
        cushion: i64,
    ) {
        // After a jump only as far back as is remembered.
        self.next = self.next.max(newest - 2 * SETTLED);
        if self.next > newest - SETTLED {
            return;
        }
        for index in self.next..=newest - SETTLED {
            let restored_after = if store.has_seen(index) {
                None
            } else {
                store.restorable_after(index, MOST_AWAITED)
            };
            for (after, share) in (1..).zip(&mut self.restorable) {
                let one = if restored_after == Some(after) {
                    1.0
                } else {
                    0.0
                };
                *share += (one - *share) * WEIGHT;
            }
        }
        self.next = newest - SETTLED + 1;
        let best = |worth_ms| self.best_wait(arrivals, cushion, worth_ms);
        self.awaited = self
            .awaited
            .clamp(best(WORTH_MS), best(WORTH_KEEPING_MS).max(best(WORTH_MS)));
    }

    /// By how much the cushion should be larger than arrivals alone call for, in microseconds.
    pub(super) fn awaited(&self) -> i64 {
        self.awaited
    }

    /// The wait beyond `cushion` that is worth most.
    fn best_wait(&self, arrivals: &ArrivalStatistics, cushion: i64, worth_ms: f32) -> i64 {
        // Where packets are scattered anyway, many later ones are here without any wait.
        let value = |wait: i64| {
            let restored: f32 = (1..)
                .zip(&self.restorable)
                .map(|(after, share)| {
                    share * arrivals.share_within(cushion + wait - after * FRAME_US)
                })
                .sum();
            restored * worth_ms - wait as f32 / 1_000.0
        };
        let longest = MOST_AWAITED as i64 * FRAME_US;
        (0..=longest / STEP_US)
            .map(|step| step * STEP_US)
            .fold((0, value(0)), |best, wait| {
                let value = value(wait);
                if value > best.1 { (wait, value) } else { best }
            })
            .0
    }
}

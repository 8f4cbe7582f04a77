//! What gets lost, and what waiting for later packets would restore.

use super::{FRAME_US, LATE, MARGIN_US, arrival::ArrivalStatistics, packet_store::PacketStore};

/// Frames after which one that has not come counts as lost: 0.24 s.
const SETTLED: i64 = 12;
/// Frames over which shares are averaged: 5 s. At the beginning, all there were.
const WINDOW: f32 = 250.0;
/// Frames that the delay may grow by for what later packets restore.
const MOST_AWAITED: usize = 3;
/// Milliseconds of delay that it is worth to restore all frames instead of none: one frame more where 1.5 % come back by it …
const WORTH_MS: f32 = 1_333.0;
/// … and where it is awaited already, as long as 0.5 % do.
const WORTH_KEEPING_MS: f32 = 4_000.0;
/// Of the margin for arrivals to come there is less where packets are scattered: none beyond so many times that.
const SCATTERED: i64 = 8;
/// Late frames that the next packet restores in time are not missing. They sound a little worse, so they may only be so many times
/// as many as may be missing.
const LEFT_TO_COPIES: f64 = 3.0;
/// Steps in which the delay is weighed.
const STEP_US: i64 = 2_000;

/// Shares of frames, as exponential averages.
#[derive(Debug, Default)]
pub(super) struct LossStatistics {
    /// The frame that is judged next.
    next: i64,
    /// Frames judged so far, up to [`WINDOW`].
    judged: f32,
    /// Frames whose own packet never came.
    lost: f32,
    /// Frames whose packets carry copies of the one before.
    copying: f32,
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
    pub(super) fn judge(&mut self, newest: i64, store: &PacketStore, arrivals: &ArrivalStatistics) {
        // After a jump only as far back as is remembered.
        self.next = self.next.max(newest - 2 * SETTLED);
        if self.next > newest - SETTLED {
            return;
        }
        for index in self.next..=newest - SETTLED {
            self.judged = (self.judged + 1.0).min(WINDOW);
            let weight = 1.0 / self.judged;
            let came = store.has_seen(index);
            let restored_after = (!came)
                .then(|| store.restorable_after(index, MOST_AWAITED))
                .flatten();
            self.lost += (f32::from(u8::from(!came)) - self.lost) * weight;
            if came {
                let copies = store.restorable_after(index - 1, 1).is_some();
                self.copying += (f32::from(u8::from(copies)) - self.copying) * weight;
            }
            for (after, share) in (1..).zip(&mut self.restorable) {
                let one = if restored_after == Some(after) {
                    1.0
                } else {
                    0.0
                };
                *share += (one - *share) * weight;
            }
        }
        self.next = newest - SETTLED + 1;
        let cushion = self.cushion(arrivals, LATE);
        let best = |worth_ms| self.best_wait(arrivals, cushion, worth_ms);
        let least = best(WORTH_MS);
        let most = best(WORTH_KEEPING_MS).max(least);
        self.awaited = self.awaited.clamp(least, most);
    }

    /// The recent share of frames whose own packet never came, 0 to 1.
    pub(super) fn lost(&self) -> f32 {
        self.lost
    }

    /// The cushion with which no more than a share `missing` of the frames that come is missing at its turn.
    pub(super) fn cushion(&self, arrivals: &ArrivalStatistics, missing: f64) -> i64 {
        let without_copies = arrivals.lateness(1.0 - missing);
        let least = arrivals.lateness(1.0 - LEFT_TO_COPIES * missing);
        let is_enough = |cushion| {
            let late = 1.0 - arrivals.share_within(cushion);
            let restored = self.copying * arrivals.share_within(cushion - FRAME_US);
            f64::from(late * (1.0 - restored)) <= missing
        };
        let mut cushion = without_copies;
        while cushion - STEP_US >= least && is_enough(cushion - STEP_US) {
            cushion -= STEP_US;
        }
        cushion + (MARGIN_US - without_copies / SCATTERED).max(0)
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

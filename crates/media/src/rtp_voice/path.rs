//! What is known of the path to the peer, where it does not say how packets come but by RTCP.
//!
//! Loss is in receiver reports, which browsers send five seconds apart. What waits in queues is in none of them. It shows by the
//! round trips of connectivity checks, a second apart: by how much the last one is slower than the fastest of the last half minute,
//! less three times what one commonly differs from the next, for mere jitter is no queue. What waits on the way *here* is part of
//! them, and is none of our making: it is known by the peer's packets, and taken off.

use std::{collections::VecDeque, time::Duration};

use crate::{audio::FRAME_US, voice_report::VoiceReport};

/// Round trips that are kept: half a minute.
const KEPT: usize = 30;
/// What one differs from the next is judged by all of them, and by so many of the last, where it has just begun to.
const RECENT: usize = 6;
/// A queue as long as this is told as the longest that there is: how long it is, one check in a second does not tell so exactly.
const LONG: Duration = Duration::from_millis(160);
const LONGEST: Duration = Duration::from_millis(300);
/// How fast a queue is told to have grown, at most: by as much time as goes by. Round trips show the growth of a second at once.
const GROWTH: Duration = Duration::from_micros(FRAME_US as u64);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Path {
    loss_percent: Option<u8>,
    round_trips: VecDeque<Duration>,
    queue: Duration,
    told: Duration,
}

impl Path {
    /// Takes what a receiver report says.
    pub(super) fn record_loss(&mut self, percent: u8) {
        self.loss_percent = Some(percent);
    }

    /// Takes a round trip of which `here` was spent in queues on the way back.
    pub(super) fn record_round_trip(&mut self, round_trip: Duration, here: Duration) {
        if self.round_trips.len() == KEPT {
            self.round_trips.pop_front();
        }
        let there = round_trip.saturating_sub(here);
        self.round_trips.push_back(there);
        let fastest = self.round_trips.iter().min().copied();
        let queue = there
            .saturating_sub(fastest.unwrap_or(there))
            .saturating_sub(3 * self.jitter(KEPT).max(self.jitter(RECENT)));
        self.queue = if queue < LONG { queue } else { LONGEST };
    }

    /// Packets go another way from now on: how long they took before says nothing.
    pub(super) fn forget_round_trips(&mut self) {
        self.round_trips.clear();
        self.queue = Duration::ZERO;
    }

    /// What a peer of ours would report with the frame that leaves now; `None` before anything is known.
    pub(super) fn report(&mut self) -> Option<VoiceReport> {
        self.told = self.queue.min(self.told + GROWTH);
        if self.loss_percent.is_none() && self.round_trips.is_empty() {
            return None;
        }
        let loss = self.loss_percent.unwrap_or(0);
        // That losses come in bursts a receiver report does not say.
        let mean_burst = if loss == 0 { 0.0 } else { 1.0 };
        Some(VoiceReport::new(loss, mean_burst, self.told))
    }

    /// By how much one of so many of the last commonly differs from the next, growth aside.
    fn jitter(&self, last: usize) -> Duration {
        let from = self.round_trips.len().saturating_sub(last);
        let recent = self.round_trips.range(from..);
        let recent: Vec<i64> = recent.map(|it| it.as_micros() as i64).collect();
        let steps: Vec<i64> = recent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let growth = median(steps.clone());
        let beside = steps.iter().map(|step| (step - growth).abs()).collect();
        Duration::from_micros(median(beside).unsigned_abs())
    }
}

/// The lower one of two; of nothing it is zero.
fn median(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// What is told of the queue once these round trips are known, the last of them for a second.
    fn queue(path: &mut Path, round_trips: impl IntoIterator<Item = u32>) -> Duration {
        for round_trip in round_trips {
            path.record_round_trip(MS * round_trip, Duration::ZERO);
        }
        (0..50).for_each(|_| assert!(path.report().is_some()));
        path.report().unwrap().queueing_delay()
    }

    #[test]
    fn a_path_that_slows_down_has_a_queue_until_it_has_been_so_for_half_a_minute() {
        let mut path = Path::default();
        assert_eq!(path.report(), None);
        assert_eq!(queue(&mut path, [50; 10]), Duration::ZERO);
        assert_eq!(queue(&mut path, [200]), 140 * MS, "150, in steps of 20");
        assert_eq!(queue(&mut path, [250]), 300 * MS, "or more");
        assert_eq!(queue(&mut path, [50; 100]), Duration::ZERO);
        let queues: Vec<_> = (0..60).map(|_| queue(&mut path, [250])).collect();
        assert!(queues[..29].iter().all(|queue| *queue == 300 * MS));
        assert!(queues[29..].iter().all(Duration::is_zero));
    }

    #[test]
    fn jitter_is_hardly_ever_a_queue_that_lasts() {
        // Each way takes up to 100 ms longer, each time another time.
        let mut seed = 7_u32;
        let mut jitter = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % 101
        };
        let mut path = Path::default();
        let (mut lasts, mut lasting) = (0, 0);
        for second in 0..600 {
            let round_trip = match second {
                ..10 => 30,
                _ => 30 + jitter() + jitter(),
            };
            let queue = queue(&mut path, [round_trip]);
            lasts = if queue >= 40 * MS { lasts + 1 } else { 0 };
            // After three answers, two seconds, the path would count as narrow if there is loss as well.
            lasting += u32::from(lasts == 3);
        }
        assert!(lasting <= 3, "{lasting} times in ten minutes");
    }

    #[test]
    fn a_queue_that_grows_is_one_while_it_grows() {
        let mut path = Path::default();
        assert_eq!(queue(&mut path, [50; 10]), Duration::ZERO);
        let told: Vec<_> = (1..=4).map(|i| queue(&mut path, [50 + 60 * i])).collect();
        assert_eq!(told, [60, 120, 300, 300].map(|ms| ms * MS));
    }

    #[test]
    fn what_waits_on_the_way_here_is_not_of_our_making() {
        let mut path = Path::default();
        assert_eq!(queue(&mut path, [50; 10]), Duration::ZERO);
        for _ in 0..5 {
            path.record_round_trip(350 * MS, 290 * MS);
        }
        assert_eq!(queue(&mut path, []), Duration::ZERO);
    }

    #[test]
    fn a_queue_grows_no_faster_than_time_goes_by() {
        let mut path = Path::default();
        assert_eq!(queue(&mut path, [50; 10]), Duration::ZERO);
        path.record_round_trip(900 * MS, Duration::ZERO);
        let told: Vec<_> = (0..20)
            .map(|_| path.report().unwrap().queueing_delay())
            .collect();
        for (frame, queue) in (1..).zip(told) {
            assert_eq!(queue, (20 * MS * frame).min(300 * MS));
        }
    }

    #[test]
    fn another_path_is_no_queue() {
        let mut path = Path::default();
        assert_eq!(queue(&mut path, [50; 10]), Duration::ZERO);
        path.forget_round_trips();
        assert_eq!(queue(&mut path, [250]), Duration::ZERO);
    }
}

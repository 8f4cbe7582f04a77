//! How hard encoder and decoder work: as hard as the machine holds, which shows by whether ticks come in time.
//!
//! Lowered within seconds where many ticks are late, raised again after longer and longer times without. A machine that is held
//! up once is not a slow one: it is the share of late ticks that counts, not by how much they were late, and those that only make
//! up for what was missed do not count. What a call begins with is measured before ([`measured_effort`]).

mod measurement;

use std::time::Duration;

use web_time::Instant;

pub use self::measurement::measured_effort;
use crate::{backoff::Backoff, opus_codec::Effort};

/// A tick that comes so late is late: half of its length.
const LATE: Duration = Duration::from_millis(5);
/// A tick that is less late than the one before it by so much follows it at once: it catches up.
const CATCHES_UP: Duration = Duration::from_millis(8);
/// Ticks that are judged together: a second.
const JUDGED: u32 = 100;
/// So many late ones among them are too many …
const TOO_MANY: u32 = 10;
/// … and so many are few enough to try more.
const FEW: u32 = 1;
/// Time in order before more effort is tried: at first, and at most. It doubles with each trial that fails.
const UP_AFTER: Duration = Duration::from_secs(30);
const MAX_UP_AFTER: Duration = Duration::from_secs(960);
/// More effort that went well for so long was no failure.
const TRIAL: Duration = Duration::from_secs(60);

/// Chooses the effort by how late ticks come.
#[derive(Debug)]
pub struct EffortControl {
    effort: Effort,
    ticks: u32,
    late_ticks: u32,
    /// How late the last tick was.
    last: Duration,
    /// Since when ticks have been in time.
    in_order_since: Option<Instant>,
    up: Backoff,
}

impl Default for EffortControl {
    fn default() -> Self {
        Self {
            effort: Effort::High,
            ticks: 0,
            late_ticks: 0,
            last: Duration::ZERO,
            in_order_since: None,
            up: Backoff::new(UP_AFTER, MAX_UP_AFTER),
        }
    }
}

impl EffortControl {
    /// The greatest effort, until ticks come late.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with this effort: what the machine was last known to hold.
    pub fn starting_with(effort: Effort) -> Self {
        Self {
            effort,
            ..Self::default()
        }
    }

    /// Takes note of what the machine was [measured](measured_effort) to hold. Ticks that come in time raise it above that.
    pub fn limit(&mut self, measured: Effort) {
        self.effort = self.effort.min(measured);
    }

    /// Takes note of a tick that came `late` after it was due.
    pub fn handle_tick(&mut self, now: Instant, late: Duration) {
        let in_order_since = *self.in_order_since.get_or_insert(now);
        self.ticks += 1;
        let last = std::mem::replace(&mut self.last, late);
        self.late_ticks += u32::from(late >= LATE && late + CATCHES_UP > last);
        if self.ticks < JUDGED {
            return;
        }
        let late_ticks = std::mem::take(&mut self.late_ticks);
        self.ticks = 0;
        if late_ticks > FEW {
            self.in_order_since = Some(now);
        }
        if late_ticks >= TOO_MANY {
            self.lower(now);
        } else if now.saturating_duration_since(in_order_since) >= self.up.wait()
            && late_ticks <= FEW
        {
            self.raise(now);
        }
    }

    /// How hard encoder and decoder should work.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    fn lower(&mut self, now: Instant) {
        self.up.fail_if_young(now, TRIAL);
        self.effort = self.effort.lower().unwrap_or(self.effort);
    }

    fn raise(&mut self, now: Instant) {
        if let Some(higher) = self.effort.higher() {
            self.effort = higher;
            self.up.begin(now);
            self.in_order_since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_netem::virtual_start;

    use super::*;

    const TICK: Duration = Duration::from_millis(10);
    const IN_TIME: Duration = Duration::from_millis(1);
    const TOO_LATE: Duration = Duration::from_millis(8);

    /// Ticks of so many seconds, each as late as `late` says for its number and the effort; the effort after each second.
    fn efforts(seconds: u32, late: impl Fn(u32, Effort) -> Duration) -> Vec<Effort> {
        let start = virtual_start();
        let mut control = EffortControl::new();
        let ticks = 0..seconds * 100;
        let after = ticks.map(|number| {
            control.handle_tick(start + TICK * number, late(number, control.effort()));
            control.effort()
        });
        after.skip(99).step_by(100).collect()
    }

    #[test]
    fn where_ticks_come_in_time_the_effort_is_greatest() {
        assert_eq!(efforts(600, |_, _| IN_TIME), [Effort::High; 600]);
    }

    #[test]
    fn ticks_that_come_late_lower_it_within_seconds_to_nothing() {
        let all_late = efforts(6, |_, _| TOO_LATE);
        assert_eq!(all_late[..2], [Effort::Medium, Effort::Low]);
        assert_eq!(all_late[2..], [Effort::Low; 4]);
    }

    #[test]
    fn a_few_late_ticks_and_one_stall_lower_nothing() {
        let few = |number, _| match number % 100 {
            0..9 => TOO_LATE,
            _ => IN_TIME,
        };
        assert_eq!(efforts(60, few), [Effort::High; 60]);
        // Once held up for five seconds, which are let go; once for 190 ms, which are made up for.
        let stall = |number: u32, _| match number {
            500 => Duration::from_secs(5),
            1_000..1_019 => Duration::from_millis(190) - TICK * (number - 1_000),
            _ => IN_TIME,
        };
        assert_eq!(efforts(60, stall), [Effort::High; 60]);
    }

    #[test]
    fn frames_that_take_longer_than_they_last_lower_it_although_ticks_between_catch_up() {
        // Every second tick encodes for 25 ms; what is missed is let go at 200 ms.
        let slow = |number: u32, effort| match effort {
            Effort::Low => IN_TIME,
            _ => Duration::from_millis(u64::from(number / 2 % 40 * 5 + number % 2 * 15)),
        };
        assert_eq!(efforts(4, slow)[2..], [Effort::Low; 2]);
    }

    #[test]
    fn it_settles_where_the_machine_holds_it_and_tries_more_ever_more_rarely() {
        let slow = |_, effort| {
            if effort > Effort::Medium {
                TOO_LATE
            } else {
                IN_TIME
            }
        };
        let seconds = efforts(3_600, slow);
        assert_eq!(seconds[2], Effort::Medium);
        let tries: Vec<_> = seconds
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0] < pair[1])
            .map(|(second, _)| second)
            .collect();
        assert!((4..9).contains(&tries.len()), "{tries:?}");
        for three in tries.windows(3) {
            let (first, second) = (three[1] - three[0], three[2] - three[1]);
            assert!(second >= first, "{tries:?}");
        }
        let well = seconds.iter().filter(|it| **it == Effort::Medium).count();
        assert!(well > 3_560, "{well}");
    }

    #[test]
    fn a_machine_that_was_measured_too_low_gets_there_by_its_ticks() {
        let mut control = EffortControl::starting_with(Effort::Medium);
        control.limit(Effort::High);
        assert_eq!(control.effort(), Effort::Medium);
        control.limit(Effort::Low);
        assert_eq!(control.effort(), Effort::Low);
        let start = virtual_start();
        (0..10_000).for_each(|number| control.handle_tick(start + TICK * number, IN_TIME));
        assert_eq!(control.effort(), Effort::High);
    }

    #[test]
    fn it_rises_again_when_the_machine_has_time_again() {
        let busy = |number, _| if number < 1_000 { TOO_LATE } else { IN_TIME };
        let seconds = efforts(200, busy);
        assert_eq!((seconds[9], seconds[199]), (Effort::Low, Effort::High));
        let jumps = [Effort::Low, Effort::High];
        assert!(seconds.windows(2).all(|it| it != jumps), "a step at a time");
    }
}

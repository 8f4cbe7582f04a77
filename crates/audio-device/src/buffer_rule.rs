//! How much of a sound card is buffered: as little as it holds without glitches.
//!
//! A rule without a clock: it is told of each tick of 10 ms, and how many glitches there were in it. It begins with
//! the smallest buffer, takes the next larger one when glitches repeat, and tries a smaller one after minutes without.

/// Sizes that are tried, in milliseconds. The tick has 10 ms, so that less would save little.
const STEPS_MS: [u32; 7] = [10, 15, 20, 30, 40, 60, 80];

const SECOND: u64 = 100;

/// Glitches so close together have one cause: a machine that stood still for a moment.
const SAME_CAUSE: u64 = SECOND / 2;

/// One glitch may happen to anybody; the next one within this time is the buffer's fault.
const REPEATED_WITHIN: u64 = 10 * SECOND;

/// A change disturbs the sound itself: what glitches so soon after it says nothing.
const SETTLING: u64 = SECOND;

/// So long without a glitch, and a smaller buffer is tried.
const PATIENCE: u64 = 3 * 60 * SECOND;

/// A smaller buffer that glitches within this time was a step too far.
const TRIAL: u64 = 60 * SECOND;

/// Each step too far doubles the patience, up to this.
const MAX_PATIENCE: u64 = 16 * PATIENCE;

/// Decides on the size of a card's buffer.
#[derive(Debug)]
pub(crate) struct BufferRule {
    /// Index into the sizes.
    step: usize,
    /// Ticks so far.
    now: u64,
    /// When the last glitch came that had a cause of its own, if it still counts.
    glitched_at: Option<u64>,
    /// What comes before does not count.
    settled_at: u64,
    quiet_since: u64,
    patience: u64,
    /// A smaller buffer is on trial until then.
    trial_until: Option<u64>,
}

impl BufferRule {
    pub(crate) fn new() -> Self {
        Self {
            step: 0,
            now: 0,
            glitched_at: None,
            settled_at: SETTLING,
            quiet_since: 0,
            patience: PATIENCE,
            trial_until: None,
        }
    }

    /// The size now, in milliseconds.
    pub(crate) fn buffer_ms(&self) -> u32 {
        STEPS_MS.get(self.step).copied().unwrap_or(STEPS_MS[0])
    }

    /// A tick with so many glitches; says whether the size is another one now.
    pub(crate) fn tick(&mut self, glitches: u32) -> bool {
        self.now += 1;
        if glitches > 0 {
            self.glitch()
        } else if self.now - self.quiet_since >= self.patience && self.step > 0 {
            self.trial_until = Some(self.now + TRIAL);
            self.change(self.step - 1);
            true
        } else {
            false
        }
    }

    fn glitch(&mut self) -> bool {
        self.quiet_since = self.now;
        if self.now < self.settled_at {
            return false;
        }
        let since_last = self.glitched_at.map(|at| self.now - at);
        if since_last.is_some_and(|ticks| ticks < SAME_CAUSE) {
            return false;
        }
        self.glitched_at = Some(self.now);
        let on_trial = self.trial_until.is_some_and(|until| self.now < until);
        let repeated = since_last.is_some_and(|ticks| ticks < REPEATED_WITHIN);
        if !on_trial && !repeated || self.step + 1 == STEPS_MS.len() {
            return false;
        }
        if on_trial {
            self.patience = (2 * self.patience).min(MAX_PATIENCE);
        }
        self.trial_until = None;
        self.change(self.step + 1);
        true
    }

    fn change(&mut self, step: usize) {
        self.step = step;
        self.glitched_at = None;
        self.settled_at = self.now + SETTLING;
        self.quiet_since = self.now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60 * SECOND;

    /// Lets so many ticks pass without a glitch.
    fn quiet(rule: &mut BufferRule, ticks: u64) {
        for _ in 0..ticks {
            rule.tick(0);
        }
    }

    /// A rule whose first second is over.
    fn settled() -> BufferRule {
        let mut rule = BufferRule::new();
        quiet(&mut rule, 2 * SECOND);
        rule
    }

    /// Glitches each second until the size is so many milliseconds.
    fn grown_to(buffer_ms: u32) -> BufferRule {
        let mut rule = settled();
        while rule.buffer_ms() < buffer_ms {
            quiet(&mut rule, SECOND);
            rule.tick(1);
        }
        rule
    }

    #[test]
    fn it_begins_with_10_ms_and_a_single_glitch_changes_nothing() {
        let mut rule = settled();
        for _ in 0..20 {
            assert!(!rule.tick(3));
            quiet(&mut rule, 11 * SECOND);
        }
        assert_eq!(rule.buffer_ms(), 10);
    }

    #[test]
    fn glitches_that_repeat_make_it_grow_step_by_step_and_not_without_end() {
        let mut rule = settled();
        let mut sizes = vec![rule.buffer_ms()];
        for _ in 0..60 {
            quiet(&mut rule, 2 * SECOND);
            if rule.tick(1) {
                sizes.push(rule.buffer_ms());
            }
        }
        assert_eq!(sizes, STEPS_MS);
    }

    #[test]
    fn a_burst_of_glitches_counts_as_one_and_one_that_does_not_end_as_many() {
        let mut rule = settled();
        for _ in 0..SAME_CAUSE {
            assert!(!rule.tick(2));
        }
        assert!(rule.tick(2), "it goes on");
        assert_eq!(rule.buffer_ms(), 15);
    }

    #[test]
    fn what_breaks_when_it_starts_or_changes_does_not_count() {
        let mut rule = BufferRule::new();
        for _ in 0..SETTLING - 1 {
            rule.tick(1);
        }
        quiet(&mut rule, 2 * SECOND);
        assert!(!rule.tick(1), "the first that counts");
        quiet(&mut rule, SECOND);
        assert!(rule.tick(1));
        for _ in 0..SETTLING - 1 {
            assert!(!rule.tick(1));
        }
        assert_eq!(rule.buffer_ms(), 15);
    }

    #[test]
    fn after_minutes_without_a_glitch_it_shrinks_one_step_at_a_time() {
        let mut rule = grown_to(30);
        quiet(&mut rule, PATIENCE - 1);
        assert_eq!(rule.buffer_ms(), 30);
        quiet(&mut rule, 1);
        assert_eq!(rule.buffer_ms(), 20);
        quiet(&mut rule, PATIENCE);
        assert_eq!(rule.buffer_ms(), 15);
        quiet(&mut rule, 10 * PATIENCE);
        assert_eq!(rule.buffer_ms(), 10, "and never below");
    }

    #[test]
    fn a_glitch_now_and_then_keeps_it_from_shrinking() {
        let mut rule = grown_to(20);
        for _ in 0..30 {
            quiet(&mut rule, 2 * MINUTE);
            rule.tick(1);
        }
        assert_eq!(rule.buffer_ms(), 20);
    }

    #[test]
    fn a_step_too_far_is_taken_back_at_the_first_glitch_and_tried_again_later_and_later() {
        let mut rule = grown_to(20);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let mut waited = 0;
            while !rule.tick(0) {
                waited += 1;
            }
            assert_eq!(rule.buffer_ms(), 15);
            waits.push((waited + 1) / PATIENCE);
            quiet(&mut rule, 5 * SECOND);
            assert!(rule.tick(1));
            assert_eq!(rule.buffer_ms(), 20);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 16]);
    }

    #[test]
    fn a_glitch_after_the_trial_is_one_like_any_other() {
        let mut rule = grown_to(20);
        quiet(&mut rule, PATIENCE);
        assert_eq!(rule.buffer_ms(), 15);
        quiet(&mut rule, TRIAL);
        assert!(!rule.tick(1));
        assert_eq!(rule.buffer_ms(), 15);
    }
}

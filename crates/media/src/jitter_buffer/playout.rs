//! Frames that are here: played, and stretched or cut until the cushion is what it should be.

use super::{FRAME_US, JitterBuffer, State, TICK_US, samples_to_us};
use crate::audio::{FRAME_SAMPLES, TICK_SAMPLES};

/// A cushion that is off by more than this is mended at every frame, and with less good seams.
const URGENT_US: i64 = 30_000;
/// A cushion that is too large by more than this is not worth stretching for: frames are passed over.
const SKIP_US: i64 = 250_000;
/// How alike a period and the next must be for one to go or come, and where there is hurry.
const ALIKE: f32 = 0.85;
const ALIKE_ENOUGH: f32 = 0.6;
/// Frames between two stretches of speech.
const REST: u32 = 3;
/// Frames after one that came late in which nothing is cut: what it says of the network is seen from those that follow.
const CAUTION: u32 = 10;

impl JitterBuffer {
    /// Puts at least one sample to the output, or moves on.
    pub(super) fn refill(&mut self, now: i64) {
        if self.state == State::Idle && !self.start(now) {
            self.output
                .idle(!self.has_played() || self.voice.is_muted());
            self.note_gap();
            return;
        }

        // Before the frame is looked for: which one is next follows from how late we are.
        let cushion = self.smooth_cushion(now);
        let surplus = cushion - self.target().aim;
        if let Some(last) = self.store.last()
            && surplus > SKIP_US
            && last > self.next
        {
            self.pass_over(last.min(self.next + surplus / FRAME_US));
        }

        if self.store.peek(self.next).is_some() {
            self.play_next(cushion);
        } else if self.store.first().is_some() {
            self.bridge(cushion);
        } else {
            self.conceal();
        }
    }

    /// Starts playing if what is here has waited long enough.
    fn start(&mut self, now: i64) -> bool {
        let (Some(first), Some(last)) = (self.store.first(), self.store.last()) else {
            return false;
        };
        let due = now
            .saturating_sub(self.arrivals.base())
            .saturating_sub(self.target().aim)
            .div_euclid(FRAME_US);
        if due < first {
            return false;
        }
        let Some(next) = self.store.first_from(due.min(last)) else {
            return false;
        };
        self.pass_over(next);
        self.state = State::Playing;
        true
    }

    /// The frame whose turn it is is here.
    fn play_next(&mut self, cushion: i64) {
        let decoded = match self.store.peek(self.next) {
            Some(payload) => self.voice.decode(payload, &mut self.frame).is_ok(),
            None => false,
        };
        let is_copy = !self.store.has_seen(self.next);
        self.store.release(self.next);
        if !decoded {
            self.figures.frames_malformed += 1;
            self.take_turn();
            self.conceal_frame();
            return;
        }
        if is_copy {
            self.figures.frames_from_copies += 1;
        } else {
            self.figures.frames_decoded += 1;
        }
        self.take_turn();

        let held = std::mem::take(&mut self.held);
        let extrapolated = std::mem::take(&mut self.extrapolated);
        self.note_turn(cushion, held);
        if held == 0 {
            self.append_frame(0);
            return;
        }
        self.figures.frames_awaited += 1;
        self.note_wait(true);
        let is_first = std::mem::replace(&mut self.frames_since_late, 0) > CAUTION;
        let had_enough = cushion - samples_to_us(held) >= self.target().least;
        if extrapolated == TICK_SAMPLES && is_first && had_enough {
            // One that is late where hardly any is: what went on meanwhile takes the place of its beginning, and nothing is shifted.
            self.shift_delay(-samples_to_us(held));
            self.append_frame(held);
        } else if extrapolated > 0 {
            // More will be late. It is played in full: what was made up meanwhile has become delay.
            let start = self.output.waiting();
            let more = self.output.append_in_phase(&self.frame);
            self.shift_delay(more as i64 * 1_000 / 48);
            self.stretch(start, false);
        } else {
            self.append_frame(0);
        }
    }

    /// Notes how well the tick is placed, at a frame whose turn came when it was due: what was waited for says nothing of it.
    pub(super) fn note_turn(&mut self, cushion: i64, held: usize) {
        self.spare = (held == 0).then(|| cushion - self.target().aim);
    }

    /// Puts `frame` without its first samples to the output, and stretches.
    pub(super) fn append_frame(&mut self, without: usize) {
        let start = self.output.waiting();
        let muted = self.voice.is_muted();
        // Nothing of a muted peer is background.
        let quiet = muted || self.output.observe(&self.frame);
        if muted != std::mem::replace(&mut self.was_muted, muted) {
            self.output.expect_seam();
        }
        if quiet && self.skips_quiet_frame(start) {
            self.output.expect_seam();
            self.note_stretch(FRAME_SAMPLES - without, -1);
            return;
        }
        self.output.append(&self.frame[without..]);
        self.stretch(start, quiet);
    }

    /// Whether the delay is better for a whole frame of background less.
    fn skips_quiet_frame(&self, waiting: usize) -> bool {
        let cushion = self
            .delay
            .map(|delay| delay as i64 - samples_to_us(waiting));
        cushion.is_some_and(|cushion| cushion - self.target().aim > FRAME_US + TICK_US)
    }

    /// Cuts out or repeats a period where that brings the cushion nearer to its target. `residue`: samples that were pending before
    /// this frame.
    fn stretch(&mut self, residue: usize, quiet: bool) {
        self.frames_since_stretch = self.frames_since_stretch.saturating_add(1);
        self.frames_since_late = self.frames_since_late.saturating_add(1);
        let Some(delay) = self.delay else { return };
        let cushion = delay as i64 - samples_to_us(residue);
        let target = self.target();
        let (deficit, surplus) = (target.least - cushion, cushion - target.aim);
        let urgent = deficit.max(surplus) > URGENT_US;
        // Between words nobody hears it.
        if self.frames_since_stretch < if urgent || quiet { 1 } else { REST } {
            return;
        }
        let least_correlation = match (quiet, urgent) {
            (true, _) => -1.0,
            (false, true) => ALIKE_ENOUGH,
            (false, false) => ALIKE,
        };

        if deficit > 0 {
            if let Some(lag) = self.output.expand(least_correlation) {
                self.note_stretch(lag, 1);
            }
            return;
        }
        if self.frames_since_late <= CAUTION {
            return;
        }
        // Whole ticks of cushion can go, and what waits decoded beyond whole ticks.
        let ticks = (surplus / TICK_US).clamp(0, 10);
        let longest = residue + ticks as usize * TICK_SAMPLES;
        if let Some(lag) = self.output.accelerate(longest, least_correlation) {
            self.note_stretch(lag, -1);
        }
    }

    fn note_stretch(&mut self, samples: usize, sign: i64) {
        self.frames_since_stretch = 0;
        self.shift_delay(sign * samples_to_us(samples));
        self.figures.stretched_ms += samples as f64 / 48.0;
    }
}

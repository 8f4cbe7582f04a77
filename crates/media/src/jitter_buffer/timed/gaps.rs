//! What is not here at its turn: late, lost, or never sent.

use super::{
    super::{LATE, TICK_US, output::FADE_TO},
    TimedJitterBuffer, media_us,
};
use crate::audio::TICK_SAMPLES;

/// Nothing is restored over a longer gap than this: 60 ms. Only its end would be.
const LONGEST_RESTORED: i64 = 6 * TICK_SAMPLES as i64;
/// What libopus takes for the length of a gap is a multiple of this: 2.5 ms.
const OPUS_STEP: i64 = 120;

impl TimedJitterBuffer {
    /// The next packet begins later, and one before it is lost.
    pub(super) fn bridge(&mut self, start: i64, cushion: i64) {
        let gap = start - self.next;
        if self.held > 0 {
            // Its time has been made up already, if there is enough cushion. Otherwise the wait has become delay.
            let made_up = (self.held as i64).min(gap);
            self.held = 0;
            if cushion - media_us(made_up) >= self.least() {
                self.next += made_up;
                self.shift_delay(-media_us(made_up));
                self.figures.frames_lost += 1;
                self.output.expect_seam();
            }
            return;
        }
        if gap <= LONGEST_RESTORED
            && gap % OPUS_STEP == 0
            && let Some(later) = self.queue.first()
            && self.decoder.recover(later, gap as usize, &mut self.samples)
        {
            self.figures.frames_recovered += 1;
            self.next = start;
            self.append(0, cushion);
            return;
        }
        if gap < TICK_SAMPLES as i64 {
            self.next = start;
            self.output.expect_seam();
            return;
        }
        self.figures.frames_lost += 1;
        self.next += TICK_SAMPLES as i64;
        self.make_up();
    }

    /// Nothing is here, and nobody has said why.
    pub(super) fn wait(&mut self) {
        if self.output.gap() >= FADE_TO {
            self.go_idle();
            return;
        }
        self.held += TICK_SAMPLES;
        self.shift_delay(TICK_US);
        self.make_up();
    }

    /// The peer is silent up to there.
    pub(super) fn hush_until(&mut self, start: i64, cushion: i64) {
        if start - self.next < TICK_SAMPLES as i64 {
            self.next = start;
            self.output.expect_seam();
        } else {
            self.hush(cushion);
            self.next = self.next.min(start);
        }
    }

    /// 10 ms of a silence. It passes faster or slower if the delay is the better for it.
    pub(super) fn hush(&mut self, cushion: i64) {
        self.held = 0;
        let ticks = if cushion < self.least() {
            0
        } else if cushion - self.cushion_for(LATE) >= TICK_US {
            2
        } else {
            1
        };
        self.next += ticks * TICK_SAMPLES as i64;
        self.shift_delay((1 - ticks) * TICK_US);
        self.output.idle(false);
    }

    /// 10 ms in place of what is missing.
    pub(super) fn make_up(&mut self) {
        if self.decoder.has_concealment() {
            let tick = self.decoder.conceal();
            self.output.append_made_up(tick, false);
        } else if self.output.gap() < FADE_TO / 2 {
            self.output.extrapolate(self.output.gap() == 0);
        } else {
            self.output.append_made_up([0.0; TICK_SAMPLES], false);
        }
        self.figures.concealed_ms += 10.0;
        self.note_gap();
    }
}

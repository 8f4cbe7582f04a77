//! Frames that are not here at their turn: restored from a later packet, waited for, made up.

use super::{FRAME_US, JitterBuffer, State, TICK_US, output::FADE_TO, samples_to_us};
use crate::audio::{FRAME_SAMPLES, TICK_SAMPLES};

/// Weight of one wait in the belief that what is missing is only late.
const WAIT_WEIGHT: f32 = 1.0 / 16.0;

impl JitterBuffer {
    /// The frame whose turn it is is not here, but a later one is.
    pub(super) fn bridge(&mut self, cushion: i64) {
        let least = self.target().least;
        if self.held >= FRAME_SAMPLES && cushion > least {
            // Its time has been made up already. What is left of it is as far behind as it was.
            self.give_up_extrapolating();
            self.held -= FRAME_SAMPLES;
            self.figures.frames_lost += 1;
            self.note_wait(false);
            self.take_turn();
            self.shift_delay(-FRAME_US);
            return;
        }
        // The nearest packet has the best copy. Those between are restored at their own turns, in order.
        let restored = self
            .store
            .restorer(self.next)
            .is_some_and(|(later, after)| self.voice.recover(later, after, &mut self.frame));
        if !restored {
            self.conceal();
            return;
        }
        // Enough cushion: what was made up while we waited takes the place of that much of the
        // frame. Otherwise the frame is played whole, and the wait has become delay.
        let held = self.held.min(TICK_SAMPLES);
        let made_up = if cushion - samples_to_us(held) >= least {
            held
        } else {
            0
        };
        self.note_turn(cushion, self.held);
        if self.held > 0 {
            self.output.expect_seam();
            self.note_wait(false);
        }
        self.shift_delay(-samples_to_us(made_up));
        self.held = 0;
        self.extrapolated = 0;
        self.figures.frames_recovered += 1;
        self.take_turn();
        self.append_frame(made_up);
    }

    /// Makes up 10 ms and stays at the frame whose turn it is.
    pub(super) fn conceal(&mut self) {
        self.spare = None;
        if self.output.gap() >= FADE_TO {
            self.go_idle();
            return;
        }
        // What is late follows on what was before. The decoder, if it made something up, would not be where it should be then.
        let begins = self.held == 0 && self.output.gap() == 0;
        let goes_on = self.extrapolated > 0 && self.extrapolated < FRAME_SAMPLES;
        if goes_on || begins && self.is_probably_late() {
            self.output.extrapolate(begins);
            self.extrapolated += TICK_SAMPLES;
            self.figures.concealed_ms += 10.0;
            self.note_gap();
        } else {
            self.give_up_extrapolating();
            self.make_up_tick();
        }
        self.held += TICK_SAMPLES;
        self.shift_delay(TICK_US);
    }

    /// Makes up a whole frame.
    pub(super) fn conceal_frame(&mut self) {
        self.give_up_extrapolating();
        self.figures.frames_lost += 1;
        self.make_up_tick();
        self.make_up_tick();
    }

    pub(super) fn go_idle(&mut self) {
        self.state = State::Idle;
        self.held = 0;
        self.extrapolated = 0;
        self.delay = None;
        self.spare = None;
    }

    /// Whether what was missing of late came after all.
    fn is_probably_late(&self) -> bool {
        self.late_belief >= 0.5
    }

    pub(super) fn note_wait(&mut self, came: bool) {
        let one = if came { 1.0 } else { 0.0 };
        self.late_belief += (one - self.late_belief) * WAIT_WEIGHT;
    }

    /// Takes the decoder over the time that was made up without it.
    fn give_up_extrapolating(&mut self) {
        let extrapolated = std::mem::take(&mut self.extrapolated);
        for _ in 0..extrapolated / TICK_SAMPLES {
            self.voice.conceal();
        }
        if extrapolated > 0 {
            self.output.expect_seam();
        }
    }

    fn make_up_tick(&mut self) {
        let tick = self.voice.conceal();
        self.output.append_made_up(tick, self.voice.is_muted());
        self.figures.concealed_ms += 10.0;
        self.note_gap();
    }

    pub(super) fn note_gap(&mut self) {
        if self.has_played() {
            let gap = self.output.gap() as f32 / 48.0;
            self.figures.longest_gap_ms = self.figures.longest_gap_ms.max(gap);
        }
    }
}

//! What is played: decoded audio that waits for its tick, what was played before it, and what stands in for audio that is not there.

use super::{
    background::Background,
    continuation::{Continuation, HISTORY},
    time_stretch,
};
use crate::audio::{FRAME_SAMPLES, TICK_SAMPLES, Tick};

/// Made-up audio fades to the peer's background from here …
const FADE_FROM: usize = 6 * TICK_SAMPLES;
/// … to here.
pub(super) const FADE_TO: usize = 16 * TICK_SAMPLES;
/// A seam is a fade over 5 ms.
const SEAM: usize = 240;
/// The decoder may step from what it made up to what it decodes. Its resampler has the step within 1 ms …
const STEP_WITHIN: usize = 48;
/// … and it is so many times as steep as anything within 2.5 ms before and after.
const STEP_RATIO: f32 = 1.4;
const STEP_NEAR: usize = 120;

/// The end of everything: samples for the speaker.
#[derive(Debug)]
pub(super) struct Output {
    /// Complete and not yet played.
    pending: Vec<f32>,
    /// The last samples that were put to `pending`.
    history: [f32; HISTORY],
    continuation: Continuation,
    background: Background,
    /// Samples since the last of the peer's own.
    gap: usize,
    /// What comes next does not go on from what came last.
    seam: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            pending: Vec::with_capacity(4 * FRAME_SAMPLES),
            history: [0.0; HISTORY],
            continuation: Continuation::new(),
            background: Background::new(),
            gap: 0,
            seam: false,
        }
    }

    /// Samples that wait for their tick.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Samples since the last of the peer's own.
    pub(super) fn gap(&self) -> usize {
        self.gap
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.pending.capacity()
    }

    /// Takes a tick out. There must be one.
    pub(super) fn take(&mut self, tick: &mut Tick) {
        tick.copy_from_slice(&self.pending[..TICK_SAMPLES]);
        self.pending.drain(..TICK_SAMPLES);
    }

    /// Says that what comes next was not made to follow what came last.
    pub(super) fn expect_seam(&mut self) {
        self.seam = true;
    }

    /// Measures a frame of the peer; returns whether it holds nothing but background.
    pub(super) fn observe(&mut self, frame: &[f32; FRAME_SAMPLES]) -> bool {
        self.background.observe(frame)
    }

    /// Puts audio of the peer.
    pub(super) fn append(&mut self, samples: &[f32]) {
        let start = self.pending.len();
        self.pending.extend_from_slice(samples);
        let seam = std::mem::take(&mut self.seam);
        if seam || self.gap > 0 && steps(&self.history, samples) {
            self.continuation.begin(&self.history);
            self.fade_in(start);
        }
        self.gap = 0;
        self.remember(start);
    }

    /// Puts audio of the peer after a wait that was bridged with [`extrapolate`](Self::extrapolate): whole periods lie between what
    /// was before and this then, so it goes on as it would have without. Returns how many samples more were put than it has.
    pub(super) fn append_in_phase(&mut self, samples: &[f32]) -> isize {
        let start = self.pending.len();
        let phase = self.continuation.phase().unwrap_or(0);
        if phase < 0 {
            self.pending.resize(start + phase.unsigned_abs(), 0.0);
            self.continuation.fill(&mut self.pending[start..]);
        }
        let begin = self.pending.len();
        self.pending
            .extend_from_slice(&samples[phase.max(0) as usize..]);
        self.fade_in(begin);
        self.seam = false;
        self.gap = 0;
        self.remember(start);
        -phase
    }

    /// Puts 10 ms of what the decoder made up.
    pub(super) fn append_made_up(&mut self, mut tick: Tick, silent: bool) {
        let mut noise = [0.0; TICK_SAMPLES];
        if !silent && self.gap + TICK_SAMPLES > FADE_FROM {
            self.background.fill(&mut noise);
        }
        for (i, (sample, noise)) in tick.iter_mut().zip(&noise).enumerate() {
            let beyond = (self.gap + i).saturating_sub(FADE_FROM) as f32;
            let fade = (beyond / (FADE_TO - FADE_FROM) as f32).min(1.0);
            // Voice and noise are unlike each other, so their energies add.
            *sample = *sample * (1.0 - fade) + noise * (fade * (2.0 - fade)).sqrt();
        }
        let start = self.pending.len();
        self.pending.extend_from_slice(&tick);
        if std::mem::take(&mut self.seam) {
            self.continuation.begin(&self.history);
            self.fade_in(start);
        }
        self.gap = self.gap.saturating_add(TICK_SAMPLES);
        self.seam = self.gap > FADE_FROM;
        self.remember(start);
    }

    /// Puts 10 ms of the peer's last period.
    pub(super) fn extrapolate(&mut self, is_first: bool) {
        if is_first {
            self.continuation.begin(&self.history);
        }
        let start = self.pending.len();
        self.pending.resize(start + TICK_SAMPLES, 0.0);
        self.continuation.fill(&mut self.pending[start..]);
        self.gap = self.gap.saturating_add(TICK_SAMPLES);
        self.seam = true;
        self.remember(start);
    }

    /// Puts a tick of what is behind the peer's voice, or of silence.
    pub(super) fn idle(&mut self, silent: bool) {
        let start = self.pending.len();
        self.pending.resize(start + TICK_SAMPLES, 0.0);
        if !silent {
            self.background.fill(&mut self.pending[start..]);
        }
        self.gap = self.gap.saturating_add(TICK_SAMPLES);
        self.seam = true;
        self.remember(start);
    }

    /// Cuts a period of at most `longest` samples out; how many it was.
    pub(super) fn accelerate(&mut self, longest: usize, least_correlation: f32) -> Option<usize> {
        let lag = time_stretch::find_lag(&self.pending, longest, least_correlation)?;
        time_stretch::accelerate(&mut self.pending, lag);
        Some(lag)
    }

    /// Repeats a period; how many samples it has.
    pub(super) fn expand(&mut self, least_correlation: f32) -> Option<usize> {
        let longest = time_stretch::MAX_LAG;
        let lag = time_stretch::find_lag(&self.pending, longest, least_correlation)?;
        time_stretch::expand(&mut self.pending, lag);
        Some(lag)
    }

    /// Fades from the continuation to what is pending from `start` on.
    fn fade_in(&mut self, start: usize) {
        let mut before = [0.0; SEAM];
        self.continuation.fill(&mut before);
        for (i, (sample, before)) in self.pending[start..].iter_mut().zip(before).enumerate() {
            let fade = (i + 1) as f32 / (SEAM + 1) as f32;
            *sample = *sample * fade + before * (1.0 - fade);
        }
    }

    fn remember(&mut self, start: usize) {
        let new = &self.pending[start..];
        let new = &new[new.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }
}

/// Whether the beginning of what comes is steeper than what was before it, and than what is behind it.
fn steps(before: &[f32], after: &[f32]) -> bool {
    let greatest = |samples: &[f32]| {
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    };
    let before = &before[before.len().saturating_sub(STEP_NEAR)..];
    let Some((begin, after)) = after.split_at_checked(STEP_WITHIN) else {
        return false;
    };
    let last = before.last().copied().unwrap_or_default();
    let first = begin.first().copied().unwrap_or_default();
    let step = greatest(begin).max((first - last).abs());
    let near = greatest(before).max(greatest(&after[..after.len().min(STEP_NEAR)]));
    step > STEP_RATIO * near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(at: usize) -> f32 {
        (at as f32 * 0.03).sin() * 0.2
    }

    #[test]
    fn a_step_from_what_was_made_up_is_faded_away_and_nothing_else_is_touched() {
        // After 20 samples the decoder is at what was sent.
        let stepping = |i: usize| if i < 20 { tone(FRAME_SAMPLES + i) } else { 0.0 };
        let silent: [f32; FRAME_SAMPLES] = std::array::from_fn(stepping);
        let going_on: [f32; FRAME_SAMPLES] = std::array::from_fn(|i| tone(FRAME_SAMPLES + i));
        for (made_up, after, faded) in [
            (true, silent, true),
            (true, going_on, false),
            // What a voice does by itself is its own.
            (false, silent, false),
        ] {
            let mut output = Output::new();
            let before: [f32; FRAME_SAMPLES] = std::array::from_fn(tone);
            if made_up {
                for tick in before.as_chunks().0 {
                    output.append_made_up(*tick, false);
                }
            } else {
                output.append(&before);
            }
            output.append(&after);
            let played = &output.pending[FRAME_SAMPLES..];
            assert_eq!(played != after, faded);
            if faded {
                let all = output.pending[FRAME_SAMPLES - 1..].windows(2);
                let steepest = all
                    .map(|pair| (pair[1] - pair[0]).abs())
                    .fold(0.0, f32::max);
                assert!(steepest < 0.03, "{steepest}");
            }
            assert_eq!(played[SEAM..], after[SEAM..]);
        }
    }
}

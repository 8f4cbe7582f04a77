//! What of the microphone goes into frames: all of it, or nothing while muted, with a fade between the two.

use crate::audio::{TICK_SAMPLES, Tick};

/// Mutes and unmutes over one tick, without a click.
#[derive(Debug)]
pub(crate) struct MuteFade {
    muted: bool,
    /// At the end of the last tick.
    gain: f32,
}

impl MuteFade {
    pub(crate) const fn new() -> Self {
        Self {
            muted: false,
            gain: 1.0,
        }
    }

    /// Fills `out` with the tick as it may be heard; returns whether that is nothing at all of it.
    pub(crate) fn apply(&mut self, tick: &Tick, out: &mut [f32]) -> bool {
        let target = if self.muted { 0.0 } else { 1.0 };
        let step = (target - self.gain) / TICK_SAMPLES as f32;
        for (i, (slot, sample)) in out.iter_mut().zip(tick).enumerate() {
            let gain = self.gain + step * (i + 1) as f32;
            // A driver's NaN would stay in the encoder's state for good.
            *slot = if sample.is_finite() {
                sample.clamp(-1.0, 1.0) * gain
            } else {
                0.0
            };
        }
        // Both: the tick that fades out still holds voice.
        let silent = self.gain == 0.0 && target == 0.0;
        self.gain = target;
        silent
    }

    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.muted
    }
}

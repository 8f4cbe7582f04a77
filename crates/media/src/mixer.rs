//! The voices of several peers as one, tick by tick.
//!
//! ```text
//! member ──volume──▶┐
//! member ──volume──▶┼─ sum ──▶ Limiter ──▶ speaker
//! member ──volume──▶┘
//! ```
//!
//! A sum of voices can be louder than full scale, one voice hardly ever. So whoever speaks alone is heard as it came, to the bit,
//! and it is only where several are loud at once that all of them are turned down together ([`limiter`]). Nothing is delayed: what
//! goes in with a tick comes out with it.

mod limiter;

use self::limiter::Limiter;
use crate::audio::{TICK_SAMPLES, Tick};

/// A sample beyond this is no voice: 12 dB over full scale. A decoder gives more than 50 dB over it for frames that no encoder makes,
/// and all members would be turned down for that, for seconds.
const LOUDEST: f32 = 4.0;

/// How loud one member is heard. A change takes a tick, so that it does not click.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    wanted: f32,
    /// At the end of the last tick.
    reached: f32,
}

impl Volume {
    /// 12 dB more than it came. More would only turn the others down.
    pub const MAX: f32 = 4.0;

    /// As it comes.
    pub const fn new() -> Self {
        Self {
            wanted: 1.0,
            reached: 1.0,
        }
    }

    /// Multiplies what is heard by this from the next tick on: 0 to [`MAX`](Self::MAX), and as much as these for less and more.
    pub const fn set(&mut self, gain: f32) {
        if !gain.is_nan() {
            self.wanted = gain.clamp(0.0, Self::MAX);
        }
    }

    /// What was asked for.
    pub const fn wanted(&self) -> f32 {
        self.wanted
    }

    fn is_unity(&self) -> bool {
        self.wanted == 1.0 && self.reached == 1.0
    }
}

impl Default for Volume {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes one tick of several.
#[derive(Debug)]
pub struct Mixer {
    sum: Tick,
    members: u32,
    /// Each of them as it came.
    untouched: bool,
    limiter: Limiter,
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

impl Mixer {
    /// A mixer that has heard nothing.
    pub const fn new() -> Self {
        Self {
            sum: [0.0; TICK_SAMPLES],
            members: 0,
            untouched: true,
            limiter: Limiter::new(),
        }
    }

    /// Adds what is heard of one member. A tick with a sample that is no number, or that is no voice, is left out: it would silence
    /// all others.
    pub fn add(&mut self, tick: &Tick, volume: &mut Volume) {
        if !tick
            .iter()
            .fold(true, |all, it| all & (it.abs() <= LOUDEST))
        {
            return;
        }
        let first = self.members == 0;
        self.members += 1;
        if volume.is_unity() {
            if first {
                self.sum = *tick;
            } else {
                for (sum, sample) in self.sum.iter_mut().zip(tick) {
                    *sum += sample;
                }
            }
            return;
        }
        self.untouched = false;
        if first {
            self.sum.fill(0.0);
        }
        let (gain, step) = ramp(volume.reached, volume.wanted, TICK_SAMPLES);
        for (i, (sum, sample)) in self.sum.iter_mut().zip(tick).enumerate() {
            *sum += sample * (gain + step * (i + 1) as f32);
        }
        volume.reached = volume.wanted;
    }

    /// Gives what is heard of all that were added since the last time: silence if nobody was.
    pub fn mix(&mut self, out: &mut Tick) {
        let members = std::mem::take(&mut self.members);
        let untouched = std::mem::replace(&mut self.untouched, true);
        if members == 0 {
            self.sum.fill(0.0);
        }
        *out = self.sum;
        // One voice that is too loud by itself is nothing of ours.
        let alone = members == 1 && untouched && self.limiter.is_at_rest();
        if !alone {
            self.limiter.apply(out);
        }
    }
}

/// Where a gain begins and what each sample adds to it, so that it is `to` at the last of `samples`.
fn ramp(from: f32, to: f32, samples: usize) -> (f32, f32) {
    (from, (to - from) / samples as f32)
}

#[cfg(test)]
mod tests;

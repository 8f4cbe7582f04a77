//! Keeps a sum within full scale by a gain that follows what is loud, fast down and slowly up.
//!
//! A tick is known as a whole before any of it is heard. Each of its milliseconds has a gain that it bears; the gain falls by at
//! most 3 dB from one to the next, so it begins to fall before the loud one. Only where something is loud from one tick to
//! the next, and by more than a voice ever grows in a millisecond, is there no room for that, and what is left is bent
//! rather than cut off. Up it goes by 12 dB a second, far slower than a wave or a syllable: nothing is heard to pump.

use super::ramp;
use crate::audio::{TICK_SAMPLES, Tick};

/// A millisecond.
const PART: usize = 48;
const PARTS: usize = TICK_SAMPLES / PART;
/// The gain falls by at most so much from one part to the next: 3 dB.
const FALL: f32 = 1.412_537_6;
/// And rises by at most so much: 0.012 dB.
const RISE: f32 = 1.001_382_6;
/// What could not be turned down in time is bent from here on.
const KNEE: f32 = 0.8;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Limiter {
    /// At the end of the last tick.
    gain: f32,
    /// How much of each sample was bent there, 0 to 1.
    bend: f32,
}

impl Limiter {
    pub(super) const fn new() -> Self {
        Self {
            gain: 1.0,
            bend: 0.0,
        }
    }

    /// Whether it turns nothing down.
    pub(super) fn is_at_rest(&self) -> bool {
        self.gain == 1.0
    }

    pub(super) fn apply(&mut self, tick: &mut Tick) {
        let peaks = peaks(tick);
        if self.is_at_rest() && peaks.iter().all(|peak| *peak <= 1.0) {
            return;
        }
        let ends = self.ends(&peaks);
        let (parts, _) = tick.as_chunks_mut::<PART>();
        for ((part, peak), end) in parts.iter_mut().zip(peaks).zip(ends) {
            let (gain, step) = ramp(self.gain, end, PART);
            for (i, sample) in part.iter_mut().enumerate() {
                *sample *= gain + step * (i + 1) as f32;
            }
            let is_over = peak * self.gain.max(end) > 1.0;
            self.bend(part, if is_over { 1.0 } else { 0.0 });
            self.gain = end;
        }
    }

    /// Bends a part: as much as the last one at its beginning, and so much at its end. All at once would be a click.
    fn bend(&mut self, part: &mut [f32; PART], end: f32) {
        if self.bend > 0.0 || end > 0.0 {
            let (bend, step) = ramp(self.bend, end, PART);
            for (i, sample) in part.iter_mut().enumerate() {
                let share = bend + step * (i + 1) as f32;
                let cut = sample.clamp(-1.0, 1.0);
                *sample = cut + (bent(*sample) - cut) * share;
            }
            self.bend = end;
        }
    }

    /// The gain at the end of each part: what it and the next one bear, and no sooner reached than may be.
    fn ends(&self, peaks: &[f32; PARTS]) -> [f32; PARTS] {
        let bears = peaks.map(|peak| peak.max(1.0).recip());
        let mut ends = bears;
        for k in (0..PARTS - 1).rev() {
            ends[k] = bears[k].min(bears[k + 1]).min(ends[k + 1] * FALL);
        }
        let mut gain = self.gain;
        for end in &mut ends {
            gain = end.min(gain * RISE).max(gain / FALL).min(1.0);
            *end = gain;
        }
        ends
    }

    /// The gain before the first of these milliseconds, and after each.
    #[cfg(test)]
    pub(super) fn gains(&self, tick: &Tick) -> [f32; PARTS + 1] {
        let ends = self.ends(&peaks(tick));
        std::array::from_fn(|k| if k == 0 { self.gain } else { ends[k - 1] })
    }

    #[cfg(test)]
    pub(super) const fn gain(&self) -> f32 {
        self.gain
    }
}

/// The greatest magnitude in each part.
fn peaks(tick: &Tick) -> [f32; PARTS] {
    let mut peaks = [0.0_f32; PARTS];
    for (peak, part) in peaks.iter_mut().zip(tick.as_chunks::<PART>().0) {
        *peak = part.iter().fold(0.0, |peak, sample| peak.max(sample.abs()));
    }
    peaks
}

/// The same below the knee, and below full scale whatever it is.
fn bent(sample: f32) -> f32 {
    let over = (sample.abs() - KNEE).max(0.0) / (1.0 - KNEE);
    let magnitude = sample.abs().min(KNEE) + (1.0 - KNEE) * over / (1.0 + over);
    magnitude.copysign(sample)
}

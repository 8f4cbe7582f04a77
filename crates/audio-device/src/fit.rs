//! A tick that is to last a little shorter or longer, for the one after it comes before or after its time.

use std::borrow::Cow;

use crate::device::{TICK_SAMPLES, Tick};

/// What a tick may become longer or shorter by: 1 %, more than anybody asks for.
pub(crate) const MOST: i32 = 5;

/// No more samples than a tick can become longer or shorter by.
pub(crate) fn limited(earlier: i32) -> i32 {
    earlier.clamp(-MOST, MOST)
}

/// Ticks, each as long as until the next one.
#[derive(Debug, Default)]
pub(crate) struct Fit {
    /// By how many samples the tick that is written next is shorter.
    shorter: i32,
}

impl Fit {
    /// The tick after the next comes so many samples earlier.
    pub(crate) fn move_next(&mut self, earlier: i32) {
        self.shorter = limited(earlier);
    }

    /// What is played of a tick.
    pub(crate) fn fit<'a>(&mut self, samples: &'a Tick) -> Cow<'a, [f32]> {
        match std::mem::take(&mut self.shorter) {
            0 => Cow::Borrowed(samples),
            shorter => {
                let length = TICK_SAMPLES.saturating_add_signed(-shorter as isize);
                Cow::Owned(resampled(samples, length))
            }
        }
    }
}

/// The same from its first sample to its last, in so many: a cubic curve (Catmull and Rom's) through each four.
fn resampled(samples: &Tick, length: usize) -> Vec<f32> {
    let last = TICK_SAMPLES - 1;
    let step = last as f64 / length.saturating_sub(1).max(1) as f64;
    let at = |index: isize| samples[index.clamp(0, last as isize) as usize];
    let sample = |i: usize| {
        let place = i as f64 * step;
        let (before, t) = (place as isize, place.fract() as f32);
        let [a, b, c, d] = [before - 1, before, before + 1, before + 2].map(at);
        let curve = a.mul_add(-1.0, d) + 3.0 * (b - c);
        let bend = 2.0 * a - 5.0 * b + 4.0 * c - d;
        b + 0.5 * t * ((c - a) + t * (bend + t * curve))
    };
    (0..length).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, first: usize) -> Tick {
        std::array::from_fn(|i| {
            let seconds = (first + i) as f32 / 48_000.0;
            (std::f32::consts::TAU * hertz * seconds).sin()
        })
    }

    #[test]
    fn a_tick_that_nobody_moves_stays_as_it_is_to_the_bit() {
        let tick = tone(440.0, 0);
        let mut fit = Fit::default();
        assert!(matches!(fit.fit(&tick), Cow::Borrowed(same) if same == tick));
        fit.move_next(1);
        assert_eq!(fit.fit(&tick).len(), TICK_SAMPLES - 1);
        assert_eq!(fit.fit(&tick).len(), TICK_SAMPLES, "once");
        fit.move_next(-1);
        assert_eq!(fit.fit(&tick).len(), TICK_SAMPLES + 1);
        fit.move_next(i32::MIN);
        assert!(fit.fit(&tick).len() < TICK_SAMPLES + 10);
    }

    #[test]
    fn what_is_played_has_no_seams_and_keeps_its_height() {
        for (hertz, allowed) in [(440.0, 0.002), (3_000.0, 0.02), (7_000.0, 0.12)] {
            for earlier in [1, -1] {
                let mut fit = Fit::default();
                let mut heard = Vec::new();
                for tick in 0..100 {
                    fit.move_next(earlier);
                    heard.extend_from_slice(&fit.fit(&tone(hertz, tick * TICK_SAMPLES)));
                }
                // A sine of a known frequency obeys x[i-1] + x[i+1] = 2 cos(w) x[i].
                let faster = TICK_SAMPLES as f32 / (TICK_SAMPLES as f32 - earlier as f32);
                let w = std::f32::consts::TAU * hertz * faster / 48_000.0;
                let off = heard
                    .windows(3)
                    .map(|it| it[0] + it[2] - 2.0 * w.cos() * it[1]);
                let worst = off.fold(0.0_f32, |worst, off| worst.max(off.abs()));
                assert!(worst < allowed, "{hertz} Hz, {earlier}: {worst}");
            }
        }
    }
}

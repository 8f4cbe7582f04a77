//! From one sound to another without a click.

use crate::device::{TICK_SAMPLES, Tick};

/// Turns `to`, within its 10 ms, from `from` into what it is.
pub(crate) fn cross_fade(from: &Tick, to: &mut Tick) {
    for (place, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let weight = (place as f32 + 0.5) / TICK_SAMPLES as f32;
        *to = from + weight * (*to - from);
    }
}

/// The same sound, from silence.
pub(crate) fn faded_in(samples: &Tick) -> Tick {
    let mut faded = *samples;
    cross_fade(&[0.0; TICK_SAMPLES], &mut faded);
    faded
}

/// The same sound, into silence.
pub(crate) fn faded_out(samples: &Tick) -> Tick {
    let mut faded = [0.0; TICK_SAMPLES];
    cross_fade(samples, &mut faded);
    faded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_larger_than_a_slope_of_10_ms() {
        let mut faded = [-1.0; TICK_SAMPLES];
        cross_fade(&[1.0; TICK_SAMPLES], &mut faded);
        let all: Vec<f32> = [1.0].into_iter().chain(faded).chain([-1.0]).collect();
        for pair in all.windows(2) {
            assert!((pair[0] - pair[1]).abs() < 2.01 / TICK_SAMPLES as f32);
        }
    }

    #[test]
    fn both_halves_make_the_whole() {
        let sound: Tick = std::array::from_fn(|place| (place as f32 * 0.05).sin());
        let (rising, falling) = (faded_in(&sound), faded_out(&sound));
        for place in 0..TICK_SAMPLES {
            assert!((rising[place] + falling[place] - sound[place]).abs() < 1e-6);
        }
        assert!(rising[0].abs() < 0.01 && falling[TICK_SAMPLES - 1].abs() < 0.01);
    }
}

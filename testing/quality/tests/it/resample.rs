//! Sample rates.

use std::f64::consts::PI;

use securecall_quality::resample;

#[test]
fn a_tone_stays_the_tone_it_was() {
    for (from, to) in [
        (16_000, 48_000),
        (44_100, 48_000),
        (48_000, 10_000),
        (22_050, 48_000),
    ] {
        let tone = |rate: u32, i: usize| {
            let seconds = i as f64 / f64::from(rate);
            (seconds * 440.0 * 2.0 * PI).sin() as f32
        };
        let input: Vec<f32> = (0..rate_samples(from)).map(|i| tone(from, i)).collect();
        let output = resample(&input, from, to);
        assert_eq!(
            output.len(),
            (input.len() * to as usize).div_ceil(from as usize)
        );
        for (i, sample) in output.iter().enumerate().skip(2_000).take(4_000) {
            assert!(
                (sample - tone(to, i)).abs() < 0.005,
                "{from} to {to} at {i}"
            );
        }
    }
}

fn rate_samples(rate: u32) -> usize {
    rate as usize
}

#[test]
fn the_same_rate_and_nothing_at_all_stay_as_they_are() {
    assert_eq!(resample(&[0.25, -0.5], 48_000, 48_000), [0.25, -0.5]);
    assert!(resample(&[], 16_000, 48_000).is_empty());
}

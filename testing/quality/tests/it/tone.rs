use std::f64::consts::TAU;

use securecall_quality::tone_amplitude;

#[test]
fn each_of_two_tones_has_its_amplitude_whatever_its_phase() {
    let tone = |hertz: f64, phase: f64, index: f64| (TAU * hertz * index / 48e3 + phase).sin();
    let both = |index| 0.5 * tone(300.0, 1.0, index) + 0.1 * tone(1_100.0, 2.0, index);
    let samples: Vec<f32> = (0..4_800)
        .map(|index| both(f64::from(index)) as f32)
        .collect();
    for (hertz, amplitude) in [(300.0, 0.5), (1_100.0, 0.1), (700.0, 0.0)] {
        let found = tone_amplitude(&samples, hertz);
        assert!((found - amplitude).abs() < 1e-3, "{hertz} Hz: {found}");
    }
    assert_eq!(tone_amplitude(&[], 300.0), 0.0);
}

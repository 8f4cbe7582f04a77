//! Levels and distortion.

use securecall_quality::{level_curve, level_dbfs, sdr_db};

#[test]
fn levels_are_relative_to_full_scale() {
    assert_eq!(level_dbfs(&[1.0, -1.0, 1.0]), 0.0);
    assert!((level_dbfs(&[0.1; 480]) + 20.0).abs() < 1e-3);
    assert_eq!(level_dbfs(&[]), -100.0);
    assert_eq!(level_curve(&[1.0, 1.0, 0.0], 2), [0.0, -100.0]);
}

#[test]
fn distortion_is_told_from_gain() {
    let reference: Vec<f32> = (0..4_800).map(|i| (i as f32 * 0.05).sin()).collect();
    let quieter: Vec<f32> = reference.iter().map(|sample| sample * 0.5).collect();
    assert!(sdr_db(&reference, &quieter) > 60.0);
    let distorted: Vec<f32> = reference
        .iter()
        .enumerate()
        .map(|(i, sample)| sample + 0.1 * (i as f32 * 0.7).sin())
        .collect();
    assert!((sdr_db(&reference, &distorted) - 20.0).abs() < 0.2);
}

//! Our STOI against the figures that PyPI pystoi 0.4.1 gives for the same signals (`tests/reference.py` prints them).

use std::path::Path;

use securecall_quality::stoi;

fn speech(name: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../speech")
        .join(name);
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, 16_000);
    reader
        .samples::<i16>()
        .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
        .collect()
}

fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect()
}

fn with_noise(speech: &[f32], gain: f32) -> Vec<f32> {
    speech
        .iter()
        .zip(noise(speech.len()))
        .map(|(sample, noise)| sample + gain * noise)
        .collect()
}

#[track_caller]
fn assert_agrees(ours: f64, pystoi: f64) {
    assert!(
        (ours - pystoi).abs() < 0.0005,
        "ours {ours}, pystoi {pystoi}"
    );
}

#[test]
fn noise_costs_what_pystoi_says() {
    let a = speech("a.wav");
    assert_agrees(stoi(&a, &a, 16_000), 1.0);
    assert_agrees(stoi(&a, &with_noise(&a, 0.01), 16_000), 0.989_955);
    assert_agrees(stoi(&a, &with_noise(&a, 0.05), 16_000), 0.932_886);
    assert_agrees(stoi(&a, &with_noise(&a, 0.2), 16_000), 0.803_559);
    assert_agrees(stoi(&a, &with_noise(&a, 1.0), 16_000), 0.628_298);
}

#[test]
fn other_rates_cost_what_pystoi_says() {
    let a = speech("a.wav");
    assert_agrees(stoi(&a, &with_noise(&a, 0.2), 48_000), 0.782_025);
}

#[test]
fn clipping_gaps_delay_and_another_voice_cost_what_pystoi_says() {
    let (a, b) = (speech("a.wav"), speech("b.wav"));
    let clipped: Vec<f32> = b.iter().map(|sample| sample.clamp(-0.05, 0.05)).collect();
    assert_agrees(stoi(&b, &clipped, 16_000), 0.744_597);
    let gaps: Vec<f32> = b
        .iter()
        .enumerate()
        .map(|(i, sample)| if i % 1_600 < 1_280 { *sample } else { 0.0 })
        .collect();
    assert_agrees(stoi(&b, &gaps, 16_000), 0.856_479);
    assert_agrees(stoi(&a, &b, 16_000), 0.140_090);
    assert_agrees(stoi(&b[160..], &b, 16_000), 0.897_527);
}

#[test]
fn too_little_speech_is_no_speech() {
    assert_eq!(stoi(&[], &[], 48_000), 1e-5);
    assert_eq!(stoi(&[0.1; 4_800], &[0.1; 4_800], 48_000), 1e-5);
}

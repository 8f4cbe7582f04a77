//! Finding what was sent in what was received.

use securecall_quality::{align, segment_delays};

/// Bursts of noise, different every time: as hard to confuse as speech.
fn bursts(length: usize) -> Vec<f32> {
    let mut state = 7_u32;
    let mut smooth = 0.0;
    (0..length)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            smooth += ((state >> 8) as f32 / (1 << 24) as f32 - 0.5 - smooth) * 0.3;
            smooth * (i as f32 / 9_000.0).sin().max(0.0)
        })
        .collect()
}

fn delayed(signal: &[f32], delay: i64) -> Vec<f32> {
    if delay >= 0 {
        let mut received = vec![0.0; delay as usize];
        received.extend_from_slice(signal);
        received
    } else {
        signal[(-delay) as usize..].to_vec()
    }
}

#[test]
fn any_delay_within_seconds_is_found_to_the_sample() {
    let sent = bursts(480_000);
    for delay in [-90_000, -1, 0, 1, 2_640, 144_001] {
        let mut received = delayed(&sent, delay);
        for (i, sample) in received.iter_mut().enumerate() {
            *sample = *sample * 0.4 + (i as f32 * 0.37).sin() * 0.01;
        }
        let found = align(&sent, &received, 240_000).unwrap();
        assert_eq!(found.delay, delay);
        assert!(found.correlation > 0.8, "{found:?}");
    }
}

#[test]
fn a_delay_that_changes_is_followed() {
    let sent = bursts(480_000);
    let mut received = delayed(&sent[..240_000], 2_000);
    received.extend_from_slice(&delayed(&sent[240_000..], 1_000));
    let whole = align(&sent, &received, 48_000).unwrap();
    let delays = segment_delays(&sent, &received, whole);
    assert!(delays.len() > 15);
    for segment in delays {
        let expected = if segment.start < 240_000 {
            2_000
        } else {
            3_000
        };
        assert_eq!(segment.delay, expected, "{segment:?}");
    }
}

#[test]
fn silence_is_nowhere() {
    let sent = bursts(48_000);
    assert_eq!(align(&sent, &[0.0; 48_000], 1_000), None);
    assert_eq!(align(&sent, &[], 1_000), None);
    assert_eq!(align(&[], &sent, 1_000), None);
}

//! Holes in speech.

use securecall_quality::longest_gap_ms;

/// Seconds of noise at about −20 dB.
fn noise(seconds: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..seconds * 48_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as f32 / 32_768.0 - 1.0) * 0.17
        })
        .collect()
}

#[test]
fn the_longest_of_several_gaps_counts() {
    let sent = noise(2);
    let mut received = sent.clone();
    received[4_800..5_760].fill(0.0);
    received[48_000..50_880].fill(0.0);
    assert!((longest_gap_ms(&sent, &received) - 60.0).abs() < 0.1);
}

#[test]
fn silence_where_nothing_was_said_is_no_gap() {
    let mut sent = noise(1);
    sent[9_600..48_000].fill(0.0);
    let mut received = sent.clone();
    // Comfort noise, a fade to a tenth and what is said without being sent are none either.
    received[20_000..30_000].fill(0.1);
    received[..9_600].iter_mut().for_each(|s| *s *= 0.1);
    assert!(longest_gap_ms(&sent, &received) < 0.1);
    assert!(longest_gap_ms(&[], &[]) < 0.1);
}

//! Holes in speech.

use crate::{SAMPLE_RATE, level_curve};

/// Speech is looked at in windows of 10 ms.
const WINDOW: usize = SAMPLE_RATE as usize / 100;
const WINDOW_MS: f64 = 10.0;
/// Louder windows hold speech, with talkers at some −23 dB.
const SPEECH_DBFS: f32 = -40.0;
/// What came so much weaker is nearly silence to somebody who listens to the rest.
const LOST_DB: f32 = 25.0;

/// The longest stretch, in milliseconds, in which speech was sent (−40 dB of full scale or louder) and what came is weaker by
/// 25 dB or more, window by window of 10 ms. The signals must be aligned.
pub fn longest_gap_ms(sent: &[f32], received: &[f32]) -> f64 {
    let (sent, received) = (level_curve(sent, WINDOW), level_curve(received, WINDOW));
    let (mut longest, mut run) = (0_u32, 0_u32);
    for (sent, received) in sent.iter().zip(&received) {
        let is_gap = *sent > SPEECH_DBFS && *received < sent - LOST_DB;
        run = if is_gap { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    f64::from(longest) * WINDOW_MS
}

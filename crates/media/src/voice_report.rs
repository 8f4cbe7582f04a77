//! What a side hears of the other's frames, told in each of its own: two bytes inside the sealed frame.
//!
//! Frames leave at one pace anyway, so a report costs no packet and shows to nobody. Its bits, the highest first: loss (6),
//! mean burst (4), queueing delay (4), and two that are zero when sent and ignored when read.
//! See `docs/protocol/frame.md`.

use std::time::Duration;

/// Bytes of a report.
pub(crate) const REPORT_BYTES: usize = 2;

const MAX_LOSS_PERCENT: u8 = 63;
/// In half frames.
const MAX_BURST_STEPS: u8 = 15;
const BURST_STEPS_PER_FRAME: u8 = 2;
const MAX_QUEUE_STEPS: u8 = 15;
/// What one step of queueing delay stands for.
const QUEUE_STEP_MS: u64 = 20;

/// How the frames of a peer come, by its own word or ours. Any two bytes are a report: what they can say is bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VoiceReport {
    loss_percent: u8,
    burst_steps: u8,
    queue_steps: u8,
}

impl VoiceReport {
    /// A report of these figures, each cut to what a report can say.
    pub fn new(loss_percent: u8, mean_burst: f32, queueing_delay: Duration) -> Self {
        let burst_steps = (mean_burst * f32::from(BURST_STEPS_PER_FRAME)).round() as u8;
        let queue_steps = queueing_delay.as_millis() / u128::from(QUEUE_STEP_MS);
        let queue_steps = u8::try_from(queue_steps).unwrap_or(u8::MAX);
        Self::of_steps(loss_percent, burst_steps, queue_steps)
    }

    fn of_steps(loss_percent: u8, burst_steps: u8, queue_steps: u8) -> Self {
        Self {
            loss_percent: loss_percent.min(MAX_LOSS_PERCENT),
            // Each says that something was lost, or neither does.
            burst_steps: match loss_percent {
                0 => 0,
                _ => burst_steps.clamp(BURST_STEPS_PER_FRAME, MAX_BURST_STEPS),
            },
            queue_steps: queue_steps.min(MAX_QUEUE_STEPS),
        }
    }

    /// Share of the frames of the last two seconds that did not come, in percent: 0 only if none was lost, 63 for that or more.
    pub fn loss_percent(self) -> u8 {
        self.loss_percent
    }

    /// How many frames in a row were lost at a time, as a mean: 0 for no loss, else 1 to 7.5, which stands for more, too.
    pub fn mean_burst(self) -> f32 {
        f32::from(self.burst_steps) / f32::from(BURST_STEPS_PER_FRAME)
    }

    /// By how much even the fastest frames of the last second were slower than the fastest of the last half minute: what waits
    /// in queues on the way. In steps of 20 ms, 300 ms for that or more.
    pub fn queueing_delay(self) -> Duration {
        Duration::from_millis(u64::from(self.queue_steps) * QUEUE_STEP_MS)
    }

    pub(crate) fn to_bytes(self) -> [u8; REPORT_BYTES] {
        let bits = u16::from(self.loss_percent) << 10
            | u16::from(self.burst_steps) << 6
            | u16::from(self.queue_steps) << 2;
        bits.to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; REPORT_BYTES]) -> Self {
        let bits = u16::from_be_bytes(bytes);
        let field = |shift: u32, mask: u8| (bits >> shift) as u8 & mask;
        Self::of_steps(
            field(10, MAX_LOSS_PERCENT),
            field(6, MAX_BURST_STEPS),
            field(2, MAX_QUEUE_STEPS),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_it_was_written() {
        for (loss, burst, queue_ms, bytes) in [
            (0, 0.0, 0, [0, 0]),
            (1, 1.0, 0, [0x04, 0x80]),
            (20, 3.0, 60, [0x51, 0x8c]),
            (63, 7.5, 300, [0xff, 0xfc]),
        ] {
            let report = VoiceReport::new(loss, burst, Duration::from_millis(queue_ms));
            assert_eq!(report.to_bytes(), bytes);
            assert_eq!(VoiceReport::from_bytes(bytes), report);
        }
    }

    #[test]
    fn figures_beyond_what_a_report_can_say_are_cut() {
        let report = VoiceReport::new(100, 50.0, Duration::from_secs(9));
        assert_eq!((report.loss_percent(), report.mean_burst()), (63, 7.5));
        assert_eq!(report.queueing_delay(), Duration::from_millis(300));
    }

    #[test]
    fn any_two_bytes_are_a_report_that_says_nothing_impossible_and_spare_bits_say_nothing() {
        for bits in 0..=u16::MAX {
            let report = VoiceReport::from_bytes(bits.to_be_bytes());
            assert_eq!(report.loss_percent() == 0, report.mean_burst() == 0.0);
            assert!(report.loss_percent() <= 63 && report.mean_burst() <= 7.5);
            assert!(report.queueing_delay() <= Duration::from_millis(300));
            assert_eq!(report.to_bytes()[1] & 0b11, 0);
            assert_eq!(VoiceReport::from_bytes((bits ^ 0b11).to_be_bytes()), report);
        }
    }
}

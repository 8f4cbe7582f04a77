//! How alike sent and received speech are: alignment, delay, level, gaps, STOI.
//!
//! Signals are `f32` from −1 to 1 at [`SAMPLE_RATE`], one channel. This crate measures after the fact and with everything at hand; nothing in it is for use in
//! a call.
//!
//! ```
//! use securecall_quality::{Comparison, SAMPLE_RATE};
//!
//! # let sent: Vec<f32> = (0..5 * SAMPLE_RATE).map(|i| { let t = i as f32 / 48e3; (t * t * 900.0).sin() * (t * 9.0).sin() * 0.3 }).collect();
//! let mut received = vec![0.0; 2_400];
//! received.extend_from_slice(&sent);
//! let comparison = Comparison::of(&sent, &received).expect("the same signal");
//! assert!((comparison.median_delay_ms - 50.0).abs() < 0.1);
//! assert!(comparison.stoi > 0.99);
//! ```

#![forbid(unsafe_code)]

mod alignment;
mod comparison;
mod gap;
mod level;
mod resample;
mod stoi;
mod tone;
mod wav;

pub use alignment::{Alignment, SegmentDelay, align, segment_delays};
pub use comparison::Comparison;
pub use gap::longest_gap_ms;
pub use level::{level_curve, level_dbfs, sdr_db};
pub use resample::resample;
pub use stoi::stoi;
pub use tone::tone_amplitude;
pub use wav::{WavError, read_wav, write_wav, write_wav_at};

/// Samples per second of every signal here: 48 kHz.
pub const SAMPLE_RATE: u32 = 48_000;

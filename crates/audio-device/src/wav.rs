//! WAV files as programs and recorders really write them.
//!
//! `header` reads the chunks up to the first sample without touching a file, `format` says what the samples are,
//! `reader` turns the bytes of a file into samples. `recording_header` is what our own recordings begin with.

mod format;
mod g711;
mod header;
mod other_files;
mod reader;
mod recording_header;

pub use format::{Coding, WavFormat};
pub use header::{HeaderReader, Wanted, WavHeader};
pub use reader::{WavError, WavReader};
pub(crate) use recording_header::recording_header;

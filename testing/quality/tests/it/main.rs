//! Integration tests of the quality measures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod alignment;
mod gap;
mod level;
mod resample;
mod stoi_reference;
mod tone;
mod wav_files;

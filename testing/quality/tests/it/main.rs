//! Integration tests of the quality measures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod stoi_reference;
mod wav_files;

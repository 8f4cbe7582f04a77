//! Codes written and read back, pictures as people send them, and files that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allocations;
mod animations;
mod avatars;
mod bad_input;
mod bombs;
mod cut_files;
mod pictures;
mod webp_headers;
mod written;

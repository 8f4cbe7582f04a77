//! What every daemon of ours is, whatever it serves.
//!
//! ```text
//!   program ── no core dumps, command line, log ──► a command ──► result or Failure ──► exit code
//!                                                      │
//!                 settings, files, clock, signals, figures, check
//! ```
//!
//! Here is what an operator meets in each of them alike: the same options, exit codes, JSON and findings of `check`. What a daemon
//! listens to, whom it lets in and what it limits is its own affair, and nothing here knows of it.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod check;
pub mod figures;
pub mod file;
pub mod settings;

mod clock;
mod core_dumps;
mod failure;
mod log;
mod output;
mod program;
mod signals;

pub use clock::unix_time;
pub use failure::{Failure, FailureKind};
pub use output::Output;
pub use program::{Global, Program, run, runtime};
pub use signals::StopSignals;

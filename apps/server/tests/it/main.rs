//! The real binary, beside homeservers that do as a test says, and beside real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod attacks;
mod client;
mod commands;
mod failures;
mod homeservers;
mod lifecycle;
mod operators;
mod pages;
mod place;
mod policy;
mod postgresql;
mod privacy;
mod process;
mod registration;
mod tokens;

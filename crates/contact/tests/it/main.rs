//! Addresses against the written vectors, and properties that hold for all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod address;
mod properties;
mod uncertain;
mod vectors;

//! The real binary on loopback, and a client of quinn and h3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod access;
mod client;
mod commands;
mod daemon;
mod directory;
mod entry;
mod exit;
mod hostile;
mod lifecycle;
mod masque_go;
mod nested;
mod privacy;
mod tokens;

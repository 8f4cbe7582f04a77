//! Scenarios and properties of the crypto engine, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod debug;
mod frame;
mod frame_properties;
mod handshake;
mod identity;
mod pair;
mod ratchet;
mod ratchet_properties;
mod words;

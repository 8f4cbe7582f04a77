//! Two clients in one process, a real homeserver between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod basics;
mod faults;
mod people;
mod relays;
mod roaming;
mod tone;

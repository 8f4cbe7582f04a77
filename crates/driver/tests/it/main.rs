//! Two clients in one process, a real homeserver between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod basics;
mod conferences;
mod expired_credentials;
mod faults;
mod lying_relays;
mod people;
mod probes;
mod relays;
mod roaming;
mod rooms;
mod tone;

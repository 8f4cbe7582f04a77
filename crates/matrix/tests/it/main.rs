//! Accounts and sealed messages against a real Synapse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod answers;
mod certificate;
mod group_rooms;
mod hostile;
mod hostile_group_rooms;
mod hostile_rooms;
mod kept_connections;
mod own_profile;
mod people;
mod registration;
mod restart;
#[cfg(target_os = "linux")]
mod roaming;
mod room_events;
mod rooms;
mod signal;
mod store;
mod unfinished;
mod victim;

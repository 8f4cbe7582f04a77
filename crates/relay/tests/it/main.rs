//! STUN and TURN from outside: on virtual time, and against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod coturn;
mod lies;
mod messages;
mod network;
mod properties;
mod reflexive;
mod refusals;
mod scripted_server;
mod streams;
mod turn_server;
mod uris;

//! STUN and TURN from outside: on virtual time, and against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bound_flow;
mod coturn;
mod discretion;
mod exits;
mod expired;
mod forged;
mod ghostnet;
mod lies;
mod messages;
mod nat_behavior;
mod network;
mod probe_world;
mod properties;
mod reflexive;
mod refusals;
mod scripted_server;
mod streams;
mod turn_probe;
mod turn_server;
mod uris;

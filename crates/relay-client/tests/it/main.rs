//! Streams and tunnels to relays, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod coturn;
mod names;
mod slow_network;
mod tunnels;

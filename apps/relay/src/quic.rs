//! QUIC for many connections that each carry little: quinn's engine, and what moves it.
//!
//! ```text
//!   socket ─► Endpoint::receive ─► Connection::handle ─► datagrams: to their flows, in the same call
//!                    │                    ▲   └───────► streams: those who wait are woken (`streams`, for h3)
//!                    ▼                    │
//!               who asks to           Endpoint::drive: timers, what was written to streams,
//!               be let in             what the socket had no room for
//! ```
//!
//! A connection has neither a task nor a queue nor a buffer of its own: of what it takes, nearly all is the engine's. A packet that comes is
//! dealt with where it is read, and what flows send leaves at once; all the rest, which is seldom, is one task's for all connections.

mod connection;
mod endpoint;
mod schedule;
mod streams;

#[cfg(test)]
mod tests;

pub(crate) use connection::{Connection, NotQueued, ReceivesDatagrams};
pub(crate) use endpoint::Endpoint;
pub(crate) use streams::{BidiStream, Streams};

//! Sockets for the candidate sources of [`securecall_relay`].
//!
//! The sources say what they want; here it is done: [`Streams`] opens TCP connections, with TLS in them
//! where a name is to be proved, [`Tunnels`] leads through two relays by nested QUIC connections, and
//! [`resolve`] finds the addresses of servers. Datagrams go through the sockets of the call, which belong to
//! whoever has the call; a tunnel alone has one of its own.

#![forbid(unsafe_code)]

mod https;
mod outbox;
mod resolver;
mod stream;
mod stream_news;
mod streams;
mod tls;
mod tunnels;

pub use https::{Https, HttpsError};
pub use resolver::{MAX_ADDRESSES, ResolveError, resolve};
pub use stream_news::StreamNews;
pub use streams::Streams;
pub use tls::{TlsError, TlsTrust};
pub use tunnels::{RelayProbeFailure, RelayShown, TunnelNews, Tunnels, probe_relay};

//! Addresses at TURN servers (RFC 8656).

mod allocation;
mod authentication;
mod channel_data;
mod discretion;
mod failure;
mod grant;
mod peers;
mod requests;
mod server;
mod stream_buffer;
mod transactions;
mod turn_source;
mod uri;

pub use failure::TurnFailure;
pub use grant::Grant;
pub use server::{Credentials, MAX_CREDENTIAL_LEN, ServerLink, TurnServer};
pub use stream_buffer::{MAX_FRAME_LEN, StreamBuffer, StreamError};
pub use turn_source::TurnSource;
pub use uri::{MAX_URI_LEN, Scheme, ServerUri, UriError};

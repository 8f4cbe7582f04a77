//! GhostNet: which two relays carry a call, and the tokens that pay for it.
//!
//! Everything here is sans-IO: bytes, the time of day and randomness come in as parameters.
//!
//! * [`directory`]: which relays there are, in a signed file.
//! * [`choice`]: which two of them carry a call.
//! * [`token`]: what lets a client in at a relay, and says nothing of who it is.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod choice;
pub mod directory;
mod host_name;
mod time;
pub mod token;

pub use host_name::{HostName, HostNameError, IssuerName};
pub use time::{UnixTime, Validity};

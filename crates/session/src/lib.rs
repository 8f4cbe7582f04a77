//! All calls of one device: signaling joined with cryptography, sans-IO.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod command;
mod config;
mod contacts;
mod delivery;
mod end_reason;
mod endpoint;
mod epochs;
mod event;
mod fingerprint;
mod media_event;
mod output;
mod party;
mod prologue;
mod replay_memory;
mod sealed_box;
mod session;

pub use command::{CallError, Callee, CommandError};
pub use config::{AnswerPolicy, CallOptions, Config, MAX_LIFETIME, OwnDevice, Require, Route};
pub use contacts::{Contact, Contacts, IdentityMismatch};
pub use end_reason::{EndReason, ExitClass};
pub use endpoint::{Endpoint, SignalRefused};
pub use event::{Event, MissedReason, Peer, RefusedReason, Tier};
pub use media_event::{MediaEvent, MediaFailure, PathRoute};
pub use output::{InboundSignal, MediaCommand, Output, PeerDevice, Request, RequestError, RequestId};
pub use replay_memory::ReplayMemoryError;
pub use sealed_box::SignalError;
pub use securecall_signaling::CallId;

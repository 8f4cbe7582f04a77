//! All calls of one device: signaling joined with cryptography, sans-IO.
//!
//! An [`Endpoint`] decides who may ring, makes a handshake with every device of the peer, seals and delivers what the calls say, orders the
//! media engine about and hands it the keys of each epoch. It opens no socket, knows no media library and no Matrix library, has no clock and no
//! randomness of its own.
//!
//! ```text
//!   homeserver ── handle_signal, handle_sync_complete, handle_devices, handle_response ─▶ ┌──────────┐ ─▶ Request
//!   rooms      ── handle_room_event, handle_room_left, handle_room_response ────────────▶ │          │
//!   media      ── handle_media, handle_control ─────────────────────────────────────────▶ │ Endpoint │ ─▶ Media, Control
//!   user       ── call, call_in_room, answer, reject, hang_up, set_muted ───────────────▶ │          │ ─▶ Event
//!   disk       ── handle_persisted ─────────────────────────────────────────────────────▶ │          │ ─▶ Persist
//!   time       ── handle_timeout ───────────────────────────────────────────────────────▶ └──────────┘ ─▶ Timeout
//! ```
//!
//! The loop: after every call into the endpoint, take outputs until [`Output::Timeout`], and carry them out in order.
//!
//! ```
//! use securecall_session::{Endpoint, Event, Output};
//!
//! fn carry_out(endpoint: &mut Endpoint) -> Option<web_time::Instant> {
//!     loop {
//!         match endpoint.poll_output() {
//!             Output::Request(_request) => { /* ask the homeserver, then handle_devices or handle_response */ }
//!             Output::Media(_call, _command) => { /* order the media engine */ }
//!             Output::Control(_call, _bytes) => { /* send on the data channel */ }
//!             Output::Event(Event::Incoming { peer, .. }) => println!("{} is calling", peer.matrix_id),
//!             Output::Event(_) => {}
//!             Output::Persist(_bytes) => { /* write to disk, then handle_persisted */ }
//!             Output::Timeout(at) => return at, // then handle_timeout
//!         }
//!     }
//! }
//! ```
//!
//! The protocol is written down in `docs/protocol/signaling.md`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod budget;
mod call;
mod call_handle;
mod command;
mod config;
mod contacts;
mod contract;
mod description_line;
mod end_reason;
mod endpoint;
mod event;
mod fingerprint;
mod group;
mod group_room;
mod io;
mod media_event;
mod output;
mod requests;
mod room;
mod sealed;
mod signal_refused;
mod tier;

pub use call_handle::{CallHandle, CallHandles, NamedCall};
pub use command::{CallError, Callee, CommandError};
pub use config::{
    AnswerPolicy, CallOptions, Config, MAX_LIFETIME, RelaysAvailable, RingPolicy, Route,
};
pub use contacts::{Contact, Contacts, Rule};
pub use end_reason::{EndReason, ExitClass};
pub use endpoint::{Endpoint, RoomInvitation};
pub use event::{Event, MissedReason, Peer, RefusedReason};
pub use group::{
    ConferenceEvent, ConferenceHandle, ConferenceHandles, GroupError, IncomingConference,
    LeftReason, NamedConference, RoomKeeps,
};
pub use group_room::{
    GroupRoomError, GroupRoomEvent, GroupRoomEventKind, GroupRoomOrder, GroupRoomState,
    InboundDeviceEvent,
};
pub use media_event::{MediaEvent, MediaFailure, PathRoute};
pub use output::{
    EpochSeeds, FoundRoom, InboundRoomEvent, InboundSignal, MediaCommand, NotPersisted, Output,
    Protection, Request, RequestError, RequestId, RoomFacts, RoomRequestError,
};
pub use sealed::replay_memory::ReplayMemoryError;
pub use sealed::sealed_box::{MAX_SIGNAL, SignalError};
pub use securecall_signaling::group_room::{
    DelayId, Failure as MembershipFailure, Request as MembershipRequest,
    Response as MembershipResponse,
};
pub use securecall_signaling::{
    ConferenceId, MAX_CANDIDATE, MAX_CANDIDATES, MAX_MEMBERS, WireCallId,
};
pub use signal_refused::SignalRefused;
pub use tier::{Require, Tier};

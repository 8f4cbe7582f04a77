//! The loop that turns the outputs of session, media and Matrix into real I/O.
//!
//! A [`Client`] is one device of one user that is on line: it waits for calls and places them. It joins four engines
//! that know nothing of each other:
//!
//! ```text
//!                 commands ↓        ↑ events
//!   ┌─────────────────────────────────────────────┐
//!   │ client    one task: session::Endpoint       │
//!   └──────┬───────────────────────────────┬──────┘
//!   requests ↓   ↑ signals      orders ↓   ↑ media events
//!   ┌──────────────────┐   ┌──────────────────────┐
//!   │ matrix::Account  │   │ call_media           │  a thread a conversation
//!   └──────────────────┘   └──┬────────────────┬──┘
//!                      peer_connection    audio_engine
//!               transport, sockets, keys    microphone, speaker, encoder
//! ```
//!
//! It decides nothing about a call: the rules are in `securecall-session`, the sound is in `securecall-media`.
//! It reads the clock and makes randomness, so that nobody below has to.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod audio;
mod audio_engine;
mod call_media;
mod client;
mod clock;
mod config;
mod event;
mod event_queue;
mod ghostnet;
mod host_addresses;
mod media_output;
mod named_server;
mod network_watch;
mod peer_connection;
pub mod probe;
mod queue;
mod replay_memory;
mod server_keeper;
mod udp;
mod voice_effort;
mod voice_thread;

pub use client::{
    Client, Handle, PlaceError, PlaceGroupError, RoomCallError, RoomCallOrder, StartError,
};
pub use clock::sleep_until;
pub use config::{CandidateMap, ClientConfig, Network, ServerSources, Servers, TurnLogin};
pub use event::{CallStats, Event};
pub use ghostnet::{DirectoryPlace, GhostNet, GhostNetMemory, GhostNetSources};
pub use replay_memory::{ReplayMemory, ReplayMemoryError};

pub use securecall_audio_device::{
    AudioSpec, DeviceFault, DeviceWish, MicrophoneSpec, ProcessingChoice, SpeakerSpec,
};
pub use securecall_media::Reach;
pub use securecall_relay::Credentials;
pub use securecall_relay::turn::{MAX_CREDENTIAL_LEN, Scheme as TurnScheme, ServerUri};
pub use securecall_relay_client::TlsTrust;
pub use securecall_session::{
    AnswerPolicy, CallError, CallHandle, CallHandles, CallOptions, Callee, CommandError,
    ConferenceEvent, ConferenceHandle, ConferenceHandles, ConferenceId, Contact, Contacts,
    EndReason, Event as CallEvent, ExitClass, GroupError, IncomingConference, LeftReason,
    MAX_MEMBERS, MissedReason, NamedCall, NamedConference, PathRoute, Peer, RefusedReason, Require,
    RingPolicy, RoomKeeps, Route, Rule, Tier, WireCallId,
};

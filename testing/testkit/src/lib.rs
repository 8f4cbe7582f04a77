//! A small deterministic universe: devices of several users on virtual time, a homeserver that can be as bad as we like, and a media
//! engine without sound that seals and opens real frames.
//!
//! ```
//! use securecall_testkit::{Universe, connected_pair};
//! use std::time::Duration;
//!
//! let mut pair = connected_pair();
//! pair.universe.run_for(Duration::from_secs(60));
//! assert!(pair.universe.ended(pair.caller).is_none());
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used)]

mod device;
mod fake_media;
mod homeserver;
mod indices;
mod ladder;
mod universe;

pub use device::{Device, DeviceOptions, Disk};
pub use fake_media::{FakeMedia, Network};
pub use homeserver::{DeviceScript, Envelope, Fate, Homeserver, Script};
pub use indices::{DeviceId, UserId};
pub use ladder::{Pair, connected_pair, pair, pair_in, ringing_pair};
pub use universe::Universe;

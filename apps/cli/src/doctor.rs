//! The checks of `securecall doctor`.
//!
//! Each looks at one thing and says in one line how it is, and what to do. They do not depend on each other but where one is of
//! no use without another: then it says so, and is no second failure. Nothing is sent to anybody but the own homeserver, the
//! STUN and TURN servers that it or the settings name, and the relays of GhostNet with who lists them and sells their tokens.
//!
//! ```text
//!   profile, config, identity          at once, one after the other: a passphrase may have to be typed
//!   ─────────────────────────────────────────────────────────────────────────────────────────────────
//!   account → homeserver → login → keys → round trip     ┐
//!                            └→ relays, nat              │ at the same time,
//!   GhostNet → its relays, tokens                        │
//!   ipv6 · microphone · speaker · link handler           ┘ told in a fixed order
//! ```

mod address;
mod check;
mod clock;
mod ghostnet;
mod homeserver;
mod link_handler;
mod microphone;
mod names;
mod nat;
mod order;
mod profile;
mod progress;
mod relay_words;
mod relays;
mod report;
mod speaker;
mod teller;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use address::ipv6;
pub(crate) use check::Check;
pub(crate) use ghostnet::GhostNetChecks;
pub(crate) use homeserver::Homeserver;
pub(crate) use link_handler::link_handler;
pub(crate) use microphone::microphone;
pub(crate) use profile::{Found, Session, look_at_profile};
pub(crate) use relays::Relays;
pub(crate) use report::Report;
pub(crate) use speaker::speaker;
pub(crate) use teller::{Teller, Told, teller};

/// How long all that may take that is done at the same time.
pub(crate) const TOTAL: Duration = Duration::from_secs(15);

/// How long one question to the homeserver may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long something takes.
#[derive(Clone, Copy, Debug)]
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn took(self) -> Duration {
        self.0.elapsed()
    }
}

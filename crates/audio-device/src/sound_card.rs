//! The sound card's default input and output, and outputs by their name, by cpal.
//!
//! A thread owns each stream, opens it with the first tick, again when it fails, and again with another buffer when
//! that is needed. The callbacks copy samples to or from a ring and note when they did: no lock, no allocation. See
//! `drift` for the other side of the ring.
//!
//! ```text
//!   tick ── card ── ring ── callback ── stream          buffer_rule  how large the buffers are
//!             │                           │             latency      how long sound is on its way
//!             └──────── keeper ── opener ─┘             outage       when a card that fails is tried again
//!                                                       error_report which errors are a failure
//! ```

mod capture;
mod card;
mod choice;
mod error_report;
mod format;
mod keeper;
mod opener;
mod outage;
mod playback;
mod quiet_alsa;

pub(crate) use capture::card_microphone;
pub(crate) use choice::{microphone_names, speaker_names};
pub(crate) use playback::card_speaker;

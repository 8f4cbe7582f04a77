//! The sound card's default input and output, and outputs by their name, by cpal.
//!
//! A thread owns each stream, opens it with the first tick and again when it fails. The callbacks copy samples to or
//! from a ring and nothing else: no lock, no allocation, no system call. See `drift` for the other side of the ring.

mod capture;
mod card;
mod choice;
mod format;
mod playback;
mod quiet_alsa;
mod stream;

pub(crate) use capture::CardMicrophone;
pub(crate) use playback::CardSpeaker;

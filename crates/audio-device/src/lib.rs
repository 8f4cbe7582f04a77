//! Microphones and speakers: sound card, WAV file, raw PCM, tone, null.
//!
//! Two traits, [`Microphone`] and [`Speaker`], each of them a [`Device`], behind which everything is 48 kHz mono `f32`, handed over in ticks of
//! 10 ms. No call blocks, whatever the other end of a pipe or a disk does. The crate knows nothing of calls, codecs or
//! networks; its user brings the 10 ms clock:
//!
//! ```text
//!            every 10 ms                            sound card (cpal)  default, card:NAME
//!   driver ──────────────► Speaker::write  ──────►  recording thread   FILE.wav, raw:FILE
//!          ──────────────► Microphone::read ◄─────  pipe, stdin/stdout raw:PATH, -
//!                 └─ Processing (echo, noise, gain) between the two, for sound cards
//! ```
//!
//! A device may be exchanged for another while ticks go on: [`open_device`], then [`AudioDevices::exchange`]. A sound
//! card that fails is opened again; [`CardFigures`] say how late it is, and how much of it is buffered.
//!
//! ```
//! use securecall_audio_device::{AudioSpec, MicrophoneSpec, SpeakerSpec, TICK_SAMPLES, open_devices};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = AudioSpec {
//!     microphone: "tone:440".parse()?,
//!     speaker: "null".parse()?,
//!     ..AudioSpec::default()
//! };
//! let mut devices = open_devices(&spec)?;
//! // While the call is set up, each tick:
//! devices.microphone.discard();
//! // Once it is connected, each tick:
//! let from_the_peer = [0.0; TICK_SAMPLES];
//! let mut to_the_peer = [0.0; TICK_SAMPLES];
//! devices.speaker.write(&from_the_peer);
//! devices.microphone.read(&mut to_the_peer);
//! assert!(to_the_peer.iter().any(|sample| *sample > 0.2));
//! // At its end:
//! devices.speaker.finish()?;
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(feature = "cpal", test))]
mod buffer_rule;
mod call_tone;
mod cross_fade;
mod device;
#[cfg(any(feature = "cpal", test))]
mod drift;
mod exchange;
mod fault;
mod file_kind;
mod file_resampler;
mod fit;
#[cfg(any(feature = "cpal", test))]
mod latency;
mod null;
mod open;
mod pcm;
mod processing;
mod raw_microphone;
mod raw_speaker;
mod readiness;
mod recording;
#[cfg(feature = "cpal")]
mod sound_card;
mod spec;
mod tone;
mod tone_player;
mod wav;
mod wav_microphone;

pub use call_tone::{CallTone, ToneSource};
pub use device::{
    AudioDevices, CardFigures, Device, Microphone, SAMPLE_RATE, Speaker, TICK_SAMPLES, Tick,
};
pub use fault::{Blame, DeviceFault, OpenError, WavProblem};
pub use open::{
    AudioSpec, DeviceWish, NewDevice, ProcessingChoice, ProcessingChoiceError, open_device,
    open_devices, open_microphone, open_speaker, sound_cards,
};
pub use spec::{MicrophoneSpec, SpeakerSpec, SpecError};
pub use tone_player::{TonePlayer, ToneProblem};
pub use wav::{Coding, HeaderReader, Wanted, WavError, WavFormat, WavHeader, WavReader};

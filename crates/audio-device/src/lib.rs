//! Microphones and speakers: sound card, WAV file, raw PCM, tone, null.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod device;
mod fault;
mod null;
mod open;
mod spec;
mod tone;

pub use device::{Microphone, SAMPLE_RATE, Speaker, TICK_SAMPLES, Tick};
pub use fault::{Blame, DeviceFault, OpenError, WavProblem};
pub use open::{
    AudioDevices, AudioSpec, ProcessingChoice, open_devices, open_microphone, open_speaker,
};
pub use spec::{MicrophoneSpec, SpeakerSpec, SpecError};

//! From what the user wrote to devices in use.

use std::str::FromStr;

use crate::device::{Microphone, Speaker};
use crate::fault::OpenError;
use crate::null::{NullMicrophone, NullSpeaker};
use crate::spec::{MicrophoneSpec, SpeakerSpec};
use crate::tone::ToneMicrophone;

/// When echo cancellation, noise suppression and gain control run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessingChoice {
    /// On sound cards only: files, pipes and tones must stay as they are.
    #[default]
    Automatic,
    /// `on`: always.
    On,
    /// `off`: never.
    Off,
}

impl FromStr for ProcessingChoice {
    type Err = ();

    fn from_str(value: &str) -> Result<Self, ()> {
        match value {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

/// Everything that says how a call sounds at this end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AudioSpec {
    /// Where the voice comes from.
    pub microphone: MicrophoneSpec,
    /// Where the peer's voice goes.
    pub speaker: SpeakerSpec,
    /// Whether the voice is processed.
    pub processing: ProcessingChoice,
}

/// The two ends of a call's sound, opened. Tick both every 10 ms: [`Speaker::write`], then [`Microphone::read`].
pub struct AudioDevices {
    /// Where the voice comes from.
    pub microphone: Box<dyn Microphone>,
    /// Where the peer's voice goes.
    pub speaker: Box<dyn Speaker>,
}

impl std::fmt::Debug for AudioDevices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioDevices").finish_non_exhaustive()
    }
}

/// Opens microphone and speaker, with the processing between them.
///
/// A sound card is only looked for here, not yet used; files are checked; pipes are opened and may be drained with
/// [`Microphone::discard`] from now on.
///
/// # Errors
///
/// See [`OpenError`]; its [`blame`](OpenError::blame) says whose it is.
pub fn open_devices(spec: &AudioSpec) -> Result<AudioDevices, OpenError> {
    let microphone = open_microphone(&spec.microphone)?;
    let speaker = open_speaker(&spec.speaker)?;
    Ok(AudioDevices {
        microphone,
        speaker,
    })
}

/// Opens a microphone without any processing.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_microphone(spec: &MicrophoneSpec) -> Result<Box<dyn Microphone>, OpenError> {
    Ok(match spec {
        MicrophoneSpec::Default => return Err(OpenError::NoSoundCardSupport),
        MicrophoneSpec::Null => Box::new(NullMicrophone),
        MicrophoneSpec::Tone(hertz) => Box::new(ToneMicrophone::new(*hertz)),
        MicrophoneSpec::Wav(path) | MicrophoneSpec::Raw(path) => {
            return Err(OpenError::NotFound { path: path.clone() });
        }
        MicrophoneSpec::Stdin => return Err(OpenError::NoSoundCardSupport),
    })
}

/// Opens a speaker without any processing.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_speaker(spec: &SpeakerSpec) -> Result<Box<dyn Speaker>, OpenError> {
    Ok(match spec {
        SpeakerSpec::Null => Box::new(NullSpeaker),
        SpeakerSpec::Default | SpeakerSpec::Stdout => return Err(OpenError::NoSoundCardSupport),
        SpeakerSpec::Wav(path) | SpeakerSpec::Raw(path) => {
            return Err(OpenError::NotFound { path: path.clone() });
        }
    })
}

//! From what the user wrote to devices in use.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;

use crate::device::{AudioDevices, Microphone, Speaker};
use crate::fault::OpenError;
use crate::file_kind::{FileKind, open_failed, same_file};
use crate::null::{NullMicrophone, NullSpeaker};
use crate::raw_microphone::RawMicrophone;
use crate::raw_speaker::RawSpeaker;
use crate::recording::{Container, Recording};
#[cfg(feature = "cpal")]
use crate::sound_card::{card_microphone, card_speaker, microphone_names, speaker_names};
use crate::spec::{MicrophoneSpec, SpeakerSpec};
use crate::tone::ToneMicrophone;
use crate::wav_microphone::WavMicrophone;

/// When echo cancellation, noise suppression and gain control run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessingChoice {
    /// When microphone and speaker are both the sound card: files, pipes and tones must stay as they are.
    #[default]
    Automatic,
    /// `on`: always.
    On,
    /// `off`: never.
    Off,
}

/// The value is neither `on` nor `off`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is neither `on` nor `off`")]
pub struct ProcessingChoiceError {
    value: String,
}

impl FromStr for ProcessingChoice {
    type Err = ProcessingChoiceError;

    fn from_str(value: &str) -> Result<Self, ProcessingChoiceError> {
        match value {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(ProcessingChoiceError {
                value: value.to_owned(),
            }),
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

impl AudioSpec {
    pub(crate) fn is_processed(&self) -> bool {
        match self.processing {
            ProcessingChoice::On => true,
            ProcessingChoice::Off => false,
            ProcessingChoice::Automatic => self.microphone.is_card() && self.speaker.is_card(),
        }
    }

    /// # Errors
    ///
    /// The speaker would overwrite what the microphone plays.
    fn check_files(&self) -> Result<(), OpenError> {
        match (self.microphone.path(), self.speaker.path()) {
            (Some(source), Some(sink)) if same_file(source, sink) => Err(OpenError::SameFile {
                path: sink.to_owned(),
            }),
            _ => Ok(()),
        }
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
    // Before the speaker is opened: it would empty the file.
    spec.check_files()?;
    let microphone = open_microphone(&spec.microphone)?;
    let speaker = open_speaker(&spec.speaker)?;
    Ok(AudioDevices::exchangeable(spec, microphone, speaker))
}

/// The sound cards that can be wished for, the default one of each role first; none in a build without sound cards. It may take a
/// while: each card is asked.
#[must_use]
pub fn sound_cards() -> Vec<DeviceWish> {
    #[cfg(not(feature = "cpal"))]
    return Vec::new();
    #[cfg(feature = "cpal")]
    {
        let microphones = microphone_names().into_iter().map(MicrophoneSpec::Card);
        let speakers = speaker_names().into_iter().map(SpeakerSpec::Card);
        let microphones = std::iter::once(MicrophoneSpec::Default).chain(microphones);
        let speakers = std::iter::once(SpeakerSpec::Default).chain(speakers);
        let wishes = microphones.map(DeviceWish::Microphone);
        wishes.chain(speakers.map(DeviceWish::Speaker)).collect()
    }
}

/// One device in place of another, while a call goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceWish {
    /// Another microphone.
    Microphone(MicrophoneSpec),
    /// Another speaker.
    Speaker(SpeakerSpec),
}

impl DeviceWish {
    /// The devices as they are with it.
    fn applied_to(&self, spec: &AudioSpec) -> AudioSpec {
        let mut spec = spec.clone();
        match self {
            Self::Microphone(microphone) => spec.microphone = microphone.clone(),
            Self::Speaker(speaker) => spec.speaker = speaker.clone(),
        }
        spec
    }
}

/// A device that was opened to take the place of another: see [`AudioDevices::exchange`].
pub struct NewDevice {
    /// All devices, with this one.
    pub(crate) spec: AudioSpec,
    pub(crate) device: EitherDevice,
}

pub(crate) enum EitherDevice {
    Microphone(Box<dyn Microphone>),
    Speaker(Box<dyn Speaker>),
}

impl NewDevice {
    /// All devices, with this one.
    #[must_use]
    pub fn spec(&self) -> &AudioSpec {
        &self.spec
    }

    /// What the user should know of it, once.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        match &self.device {
            EitherDevice::Microphone(microphone) => microphone.notice(),
            EitherDevice::Speaker(speaker) => speaker.notice(),
        }
    }
}

/// For the user, once it is there: `the microphone is now card:USB`.
impl fmt::Display for NewDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.device {
            EitherDevice::Microphone(_) => {
                write!(f, "the microphone is now {}", self.spec.microphone)
            }
            EitherDevice::Speaker(_) => write!(f, "the speaker is now {}", self.spec.speaker),
        }
    }
}

impl fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDevice").finish_non_exhaustive()
    }
}

/// Opens the device that is wished for, to take the place of the one in `spec`.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_device(spec: &AudioSpec, wish: &DeviceWish) -> Result<NewDevice, OpenError> {
    let spec = wish.applied_to(spec);
    spec.check_files()?;
    let device = match wish {
        DeviceWish::Microphone(microphone) => {
            EitherDevice::Microphone(open_microphone(microphone)?)
        }
        DeviceWish::Speaker(speaker) => EitherDevice::Speaker(open_speaker(speaker)?),
    };
    Ok(NewDevice { spec, device })
}

/// Opens a microphone without any processing.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_microphone(spec: &MicrophoneSpec) -> Result<Box<dyn Microphone>, OpenError> {
    Ok(match spec {
        MicrophoneSpec::Default => return card_microphone(None),
        MicrophoneSpec::Card(name) => return card_microphone(Some(name)),
        MicrophoneSpec::Null => Box::new(NullMicrophone),
        MicrophoneSpec::Tone(hertz) => Box::new(ToneMicrophone::new(*hertz)),
        MicrophoneSpec::Wav(path) => Box::new(WavMicrophone::open(path)?),
        MicrophoneSpec::Raw(path) => Box::new(RawMicrophone::open(path)?),
        MicrophoneSpec::Stdin => Box::new(RawMicrophone::standard_input()?),
    })
}

/// Opens a speaker without any processing.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_speaker(spec: &SpeakerSpec) -> Result<Box<dyn Speaker>, OpenError> {
    Ok(match spec {
        SpeakerSpec::Default => return card_speaker(None),
        SpeakerSpec::Card(name) => return card_speaker(Some(name)),
        SpeakerSpec::Null => Box::new(NullSpeaker),
        SpeakerSpec::Wav(path) => Box::new(Recording::open(path, Container::Wav)?),
        SpeakerSpec::Raw(path) => return raw_speaker(path),
        SpeakerSpec::Stdout => return standard_output(),
    })
}

/// A pipe or a device as it is; anything else is recorded to as a file.
fn raw_speaker(path: &Path) -> Result<Box<dyn Speaker>, OpenError> {
    Ok(match FileKind::of(path) {
        Ok(FileKind::Pipe | FileKind::CharacterDevice) => Box::new(RawSpeaker::open(path)?),
        Ok(FileKind::File) | Err(OpenError::NotFound { .. }) => {
            Box::new(Recording::open(path, Container::Raw)?)
        }
        Ok(other) => return Err(other.refusal(path, "a pipe or a file")),
        Err(error) => return Err(error),
    })
}

fn standard_output() -> Result<Box<dyn Speaker>, OpenError> {
    let name = Path::new("standard output");
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(OpenError::WrongKind {
            path: name.to_owned(),
            found: "a terminal",
            expected: "a pipe or a file",
        });
    }
    let failed = |error| open_failed(name, error);
    let sink = File::from(stdout.as_fd().try_clone_to_owned().map_err(failed)?);
    Ok(
        match FileKind::from_metadata(&sink.metadata().map_err(failed)?) {
            FileKind::File => Box::new(Recording::standard_output(sink)),
            kind => Box::new(RawSpeaker::standard_output(sink, kind)),
        },
    )
}

#[cfg(not(feature = "cpal"))]
fn card_microphone(_name: Option<&str>) -> Result<Box<dyn Microphone>, OpenError> {
    Err(OpenError::NoSoundCardSupport)
}

#[cfg(not(feature = "cpal"))]
fn card_speaker(_name: Option<&str>) -> Result<Box<dyn Speaker>, OpenError> {
    Err(OpenError::NoSoundCardSupport)
}

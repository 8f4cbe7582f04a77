//! What can go wrong when a device is opened, and while it is in use.

use std::io;
use std::path::{Path, PathBuf};

/// Who can mend it: tells the exit code of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The user named something that cannot be used.
    Input,
    /// This machine lacks something: a sound card, room on the disk.
    Machine,
}

/// Why a microphone or a speaker could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The named file or pipe is not there.
    #[error("{path} does not exist")]
    NotFound {
        /// As it was given.
        path: PathBuf,
    },
    /// It is there but is a directory, a socket, a device where a file is needed …
    #[error("{path} is {found}, but {expected} is needed")]
    WrongKind {
        /// As it was given, or `standard input`.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What would do.
        expected: &'static str,
    },
    /// The operating system refused.
    #[error("cannot open {path}: {source}")]
    Io {
        /// As it was given.
        path: PathBuf,
        /// Why, as the operating system says it.
        source: io::Error,
    },
    /// A WAV file that cannot be played.
    #[error("{path} {problem}")]
    Wav {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: WavProblem,
    },
    /// Microphone and speaker are the same file.
    #[error("{path} is both the microphone and the speaker: the recording would overwrite it")]
    SameFile {
        /// As it was given for the speaker.
        path: PathBuf,
    },
    /// There is no room to record.
    #[error("the disk is full: {path} cannot be written")]
    DiskFull {
        /// As it was given.
        path: PathBuf,
    },
    /// This machine has no such sound device.
    #[error("this machine has no {role}{}", available_text(.available, "by name it may have"))]
    NoDevice {
        /// `microphone` or `speaker`.
        role: &'static str,
        /// The devices that it has for either role.
        available: Vec<String>,
    },
    /// This machine has no sound device of this name.
    #[error("this machine has no sound device {name:?}{}", available_text(.available, "there are"))]
    UnknownDevice {
        /// As it was given.
        name: String,
        /// The devices that it has.
        available: Vec<String>,
    },
    /// The sound device is there but cannot be used.
    #[error("the {role} {device:?} cannot be used: {detail}")]
    DeviceUnusable {
        /// `microphone` or `speaker`.
        role: &'static str,
        /// The device as the operating system names it.
        device: String,
        /// The reason as the operating system gives it.
        detail: String,
    },
    /// The program was built without sound cards.
    #[error("this program was built without sound card support")]
    NoSoundCardSupport,
}

/// What is wrong with a WAV file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WavProblem {
    /// No byte in it.
    #[error("is empty")]
    EmptyFile,
    /// A header but no sample.
    #[error("is a WAV file without a single sample")]
    NoSamples,
    /// Something else than RIFF/WAVE.
    #[error("is not a WAV file")]
    NotWav,
    /// A format that is known, but not played: "a FLAC file".
    #[error("is {0}, not a WAV file")]
    OtherFile(&'static str),
    /// The header is damaged or ends early.
    #[error("has a damaged WAV header: {0}")]
    BadHeader(String),
    /// ADPCM, GSM, MP3 … inside a WAV file.
    #[error("is a WAV file that holds {0}, which is not played")]
    Coding(String),
    /// More than any recorder has.
    #[error("has {0} channels, but at most 256 can be mixed")]
    Channels(u16),
    /// Slower than telephony or faster than any studio.
    #[error("has {0} samples a second, but 4000 to 384000 are needed")]
    SampleRate(u32),
}

impl OpenError {
    /// Who can mend it.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotFound { .. }
            | Self::WrongKind { .. }
            | Self::Io { .. }
            | Self::Wav { .. }
            | Self::SameFile { .. } => Blame::Input,
            Self::DiskFull { .. }
            | Self::NoDevice { .. }
            | Self::UnknownDevice { .. }
            | Self::DeviceUnusable { .. }
            | Self::NoSoundCardSupport => Blame::Machine,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "check the path; `mkfifo PATH` makes a pipe for raw:PATH",
            Self::WrongKind { .. } | Self::Io { .. } => "name another file, or a pipe as raw:PATH",
            Self::Wav { problem, .. } => problem.help(),
            Self::SameFile { .. } => "give --mic and --speaker different files",
            Self::DiskFull { .. } => "make room on the disk, or record to another one",
            Self::UnknownDevice { .. } => "name one of those that are there",
            Self::NoDevice { .. } => {
                "connect a sound device, name one as card:NAME, or use a file, a pipe or `null` for --mic and --speaker"
            }
            Self::DeviceUnusable { .. } | Self::NoSoundCardSupport => {
                "connect a sound device, or use a file, a pipe or `null` for --mic and --speaker"
            }
        }
    }
}

impl WavProblem {
    fn help(&self) -> &'static str {
        match self {
            Self::EmptyFile | Self::NoSamples => "record it again, or use `null` for silence",
            Self::NotWav
            | Self::OtherFile(_)
            | Self::BadHeader(_)
            | Self::Coding(_)
            | Self::Channels(_)
            | Self::SampleRate(_) => {
                "convert it with `ffmpeg -i FILE -ac 1 -ar 48000 -c:a pcm_s16le OUT.wav`"
            }
        }
    }
}

/// What there is instead. Sound systems name ways to cards, too, whether or not there is a card at their end.
fn available_text(available: &[String], words: &str) -> String {
    if available.is_empty() {
        return "; no sound device was found at all".to_owned();
    }
    let names: Vec<String> = available.iter().map(|name| format!("{name:?}")).collect();
    format!("; {words}: {}", names.join(", "))
}

/// What went wrong with a device in use. The call goes on unless the caller decides otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// The sound card stopped, or cannot be opened; it is tried again.
    #[error("the {device} stopped and is opened again: {detail}")]
    Interrupted {
        /// As the user chose it: `default microphone`, `speaker "USB Headset"`.
        device: String,
        /// The reason as the operating system gives it.
        detail: String,
    },
    /// The sound card has been away for half a minute. It is still tried, every few seconds.
    #[error("the {device} is lost: {detail}")]
    Lost {
        /// As the user chose it.
        device: String,
        /// The reason as the operating system gives it.
        detail: String,
    },
    /// A file could not be read to its end.
    #[error("cannot read {path}: {detail}")]
    ReadFailed {
        /// As it was given.
        path: PathBuf,
        /// The reason as the operating system gives it.
        detail: String,
    },
    /// The recording ends here.
    #[error("cannot write {path}: {detail}")]
    WriteFailed {
        /// As it was given.
        path: PathBuf,
        /// The reason as the operating system gives it.
        detail: String,
    },
    /// The recording ends here: there is no room for more.
    #[error("the disk is full: the recording {path} ends here")]
    DiskFull {
        /// As it was given.
        path: PathBuf,
    },
    /// Nobody reads standard output any more.
    #[error("standard output was closed by its reader")]
    OutputClosed,
}

impl DeviceFault {
    /// What to do about it in a call.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => {
                "the call goes on, with silence there until it works again; nothing to do"
            }
            Self::Lost { .. } => {
                "the call goes on; plug the device in again, or choose another: order `microphone SOURCE` or `speaker SINK`"
            }
            Self::ReadFailed { .. }
            | Self::WriteFailed { .. }
            | Self::DiskFull { .. }
            | Self::OutputClosed => "the call goes on",
        }
    }

    /// A recording that cannot go on; a full disk or quota is told apart from all else.
    pub(crate) fn of_write(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::WriteFailed {
                path,
                detail: error.to_string(),
            },
        }
    }
}

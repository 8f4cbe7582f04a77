//! What the user writes after `--mic` and `--speaker`.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the call's voice comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum MicrophoneSpec {
    /// `default`: the sound card's default input.
    #[default]
    Default,
    /// `card:NAME`: the sound card of this name.
    Card(String),
    /// `null`: silence.
    Null,
    /// `FILE.wav`: played once from the first [`read`](crate::Microphone::read), then silence.
    Wav(PathBuf),
    /// `raw:PATH`: s16le, 48 kHz, mono, from a named pipe or a file.
    Raw(PathBuf),
    /// `-`: the same from standard input.
    Stdin,
    /// `tone:HZ`: a sine of amplitude 0.25.
    Tone(f32),
}

/// Where the peer's voice goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SpeakerSpec {
    /// `default`: the sound card's default output.
    #[default]
    Default,
    /// `card:NAME`: the sound card of this name.
    Card(String),
    /// `null`: nowhere.
    Null,
    /// `FILE.wav`: 16 bit, 48 kHz, mono, written in real time.
    Wav(PathBuf),
    /// `raw:PATH`: s16le, 48 kHz, mono, to a named pipe or a file.
    Raw(PathBuf),
    /// `-`: the same to standard output.
    Stdout,
}

/// The lowest and highest tone that makes sense at 48 kHz, in hertz.
const TONE_RANGE: std::ops::RangeInclusive<f32> = 20.0..=20_000.0;

/// Why a `--mic` or `--speaker` value was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Nothing was given.
    #[error("no {role} was named: expected {expected}")]
    Empty {
        /// `microphone` or `speaker`.
        role: &'static str,
        /// The forms this role understands.
        expected: &'static str,
    },
    /// None of the forms fits.
    #[error("{value:?} names no {role}: expected {expected}")]
    Unknown {
        /// What was given.
        value: String,
        /// `microphone` or `speaker`.
        role: &'static str,
        /// The forms this role understands.
        expected: &'static str,
    },
    /// `card:` without a name.
    #[error("`card:` needs the name of a sound card: card:NAME")]
    CardWithoutName,
    /// `raw:` without a path.
    #[error("`raw:` needs a path: raw:PATH")]
    RawWithoutPath,
    /// The frequency is not a number or out of range.
    #[error("{value:?} is no tone: expected a frequency from 20 to 20000 Hz, such as tone:440")]
    Frequency {
        /// What came after `tone:`.
        value: String,
    },
    /// A tone cannot be a speaker.
    #[error("a tone can only be a microphone; a speaker is {expected}")]
    ToneAsSpeaker {
        /// The forms a speaker understands.
        expected: &'static str,
    },
}

const MICROPHONE_FORMS: &str = "`default`, card:NAME, `null`, FILE.wav, raw:PATH, `-` or tone:HZ";
const SPEAKER_FORMS: &str = "`default`, card:NAME, `null`, FILE.wav, raw:PATH or `-`";

/// The forms that microphones and speakers share.
enum Shared {
    Default,
    Card(String),
    Null,
    Wav(PathBuf),
    Raw(PathBuf),
    Standard,
}

fn parse_shared(
    value: &OsStr,
    role: &'static str,
    expected: &'static str,
) -> Result<Shared, SpecError> {
    if let Some(path) = after_raw(value) {
        if path.is_empty() {
            return Err(SpecError::RawWithoutPath);
        }
        return Ok(Shared::Raw(path.into()));
    }
    match value.to_str() {
        Some("") => Err(SpecError::Empty { role, expected }),
        Some("default") => Ok(Shared::Default),
        Some("card:") => Err(SpecError::CardWithoutName),
        Some(text) if text.starts_with("card:") => Ok(Shared::Card(text["card:".len()..].into())),
        Some("null") => Ok(Shared::Null),
        Some("-") => Ok(Shared::Standard),
        _ if has_wav_extension(Path::new(value)) => Ok(Shared::Wav(value.into())),
        _ => Err(SpecError::Unknown {
            value: value.to_string_lossy().into_owned(),
            role,
            expected,
        }),
    }
}

/// What comes after `raw:`. On Unix the name of a file is bytes, which need not be text.
fn after_raw(value: &OsStr) -> Option<&OsStr> {
    const PREFIX: &str = "raw:";
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let path = value.as_bytes().strip_prefix(PREFIX.as_bytes())?;
        Some(OsStr::from_bytes(path))
    }
    #[cfg(not(unix))]
    Some(OsStr::new(value.to_str()?.strip_prefix(PREFIX)?))
}

fn has_wav_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        extension.eq_ignore_ascii_case("wav") || extension.eq_ignore_ascii_case("wave")
    })
}

impl MicrophoneSpec {
    /// The file or pipe that it names.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Wav(path) | Self::Raw(path) => Some(path),
            Self::Default | Self::Card(_) | Self::Null | Self::Stdin | Self::Tone(_) => None,
        }
    }

    /// Whether it is a sound card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        matches!(self, Self::Default | Self::Card(_))
    }
}

impl SpeakerSpec {
    /// The file or pipe that it names.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Wav(path) | Self::Raw(path) => Some(path),
            Self::Default | Self::Card(_) | Self::Null | Self::Stdout => None,
        }
    }

    /// Whether it is a sound card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        matches!(self, Self::Default | Self::Card(_))
    }
}

impl FromStr for MicrophoneSpec {
    type Err = SpecError;

    fn from_str(value: &str) -> Result<Self, SpecError> {
        OsStr::new(value).try_into()
    }
}

impl FromStr for SpeakerSpec {
    type Err = SpecError;

    fn from_str(value: &str) -> Result<Self, SpecError> {
        OsStr::new(value).try_into()
    }
}

/// As the operating system gives it: the path in it need not be text.
impl TryFrom<&OsStr> for MicrophoneSpec {
    type Error = SpecError;

    fn try_from(value: &OsStr) -> Result<Self, SpecError> {
        let text = value.to_str().unwrap_or_default();
        if let Some(frequency) = text.strip_prefix("tone:") {
            return frequency
                .parse()
                .ok()
                .filter(|hertz| TONE_RANGE.contains(hertz))
                .map(Self::Tone)
                .ok_or_else(|| SpecError::Frequency {
                    value: frequency.to_owned(),
                });
        }
        Ok(match parse_shared(value, "microphone", MICROPHONE_FORMS)? {
            Shared::Default => Self::Default,
            Shared::Card(name) => Self::Card(name),
            Shared::Null => Self::Null,
            Shared::Wav(path) => Self::Wav(path),
            Shared::Raw(path) => Self::Raw(path),
            Shared::Standard => Self::Stdin,
        })
    }
}

/// As the operating system gives it: the path in it need not be text.
impl TryFrom<&OsStr> for SpeakerSpec {
    type Error = SpecError;

    fn try_from(value: &OsStr) -> Result<Self, SpecError> {
        if value.to_str().is_some_and(|text| text.starts_with("tone:")) {
            return Err(SpecError::ToneAsSpeaker {
                expected: SPEAKER_FORMS,
            });
        }
        Ok(match parse_shared(value, "speaker", SPEAKER_FORMS)? {
            Shared::Default => Self::Default,
            Shared::Card(name) => Self::Card(name),
            Shared::Null => Self::Null,
            Shared::Wav(path) => Self::Wav(path),
            Shared::Raw(path) => Self::Raw(path),
            Shared::Standard => Self::Stdout,
        })
    }
}

impl fmt::Display for MicrophoneSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Card(name) => write!(f, "card:{name}"),
            Self::Null => f.write_str("null"),
            Self::Wav(path) => path.display().fmt(f),
            Self::Raw(path) => write!(f, "raw:{}", path.display()),
            Self::Stdin => f.write_str("-"),
            Self::Tone(hertz) => write!(f, "tone:{hertz}"),
        }
    }
}

impl fmt::Display for SpeakerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Card(name) => write!(f, "card:{name}"),
            Self::Null => f.write_str("null"),
            Self::Wav(path) => path.display().fmt(f),
            Self::Raw(path) => write!(f, "raw:{}", path.display()),
            Self::Stdout => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_microphone_is_read_and_printed_alike() {
        for text in [
            "default",
            "card:USB Headset, Mono",
            "card:hw:CARD=1,DEV=0",
            "card:.wav",
            "null",
            "speech.wav",
            "a dir/SPEECH.WAV",
            "raw:/tmp/voice",
            "-",
        ] {
            assert_eq!(text.parse::<MicrophoneSpec>().unwrap().to_string(), text);
            assert_eq!(text.parse::<SpeakerSpec>().unwrap().to_string(), text);
        }
        assert_eq!("tone:440".parse(), Ok(MicrophoneSpec::Tone(440.0)));
        assert_eq!(
            "tone:440".parse::<MicrophoneSpec>().unwrap().to_string(),
            "tone:440"
        );
    }

    #[test]
    fn a_path_wins_over_what_it_looks_like() {
        assert_eq!("raw:x.wav".parse(), Ok(SpeakerSpec::Raw("x.wav".into())));
        assert_eq!(
            "./default.wav".parse(),
            Ok(SpeakerSpec::Wav("./default.wav".into()))
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let spec = |bytes| MicrophoneSpec::try_from(OsStr::from_bytes(bytes));
        let path = |bytes| OsStr::from_bytes(bytes).into();
        assert_eq!(
            spec(b"a\xff.WAV"),
            Ok(MicrophoneSpec::Wav(path(b"a\xff.WAV")))
        );
        assert_eq!(spec(b"raw:\xff"), Ok(MicrophoneSpec::Raw(path(b"\xff"))));
        let speaker = SpeakerSpec::try_from(OsStr::from_bytes(b"raw:/\xfe/a"));
        assert_eq!(speaker, Ok(SpeakerSpec::Raw(path(b"/\xfe/a"))));
        let error = spec(b"\xff.mp3").unwrap_err().to_string();
        assert!(error.contains("names no microphone"), "{error}");
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_was_expected() {
        let error = |text: &str| text.parse::<MicrophoneSpec>().unwrap_err().to_string();
        assert_eq!(
            error("speech.mp3"),
            "\"speech.mp3\" names no microphone: expected `default`, card:NAME, `null`, FILE.wav, raw:PATH, `-` or tone:HZ"
        );
        assert!(error("card:").contains("card:NAME"));
        assert!(error("").starts_with("no microphone was named"));
        assert_eq!(error("raw:"), "`raw:` needs a path: raw:PATH");
        for wrong in [
            "tone:",
            "tone:A4",
            "tone:0",
            "tone:24000",
            "tone:NaN",
            "tone:-5",
        ] {
            assert!(error(wrong).contains("from 20 to 20000 Hz"), "{wrong}");
        }
        let error = "tone:440".parse::<SpeakerSpec>().unwrap_err().to_string();
        assert!(
            error.starts_with("a tone can only be a microphone"),
            "{error}"
        );
    }
}

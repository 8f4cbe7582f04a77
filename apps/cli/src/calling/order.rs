//! What a script may order, one command a line on standard input.

use securecall_audio_device::SpecError;
use securecall_driver::{DeviceWish, MicrophoneSpec, SpeakerSpec};

use crate::error::{ErrorKind, Failure};

/// One order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Take the call that rings here.
    Answer,
    /// Decline it.
    Reject,
    /// Send silence.
    Mute,
    /// Send the microphone again.
    Unmute,
    /// Put the call on hold.
    Hold,
    /// Go on with it.
    Resume,
    /// End the call.
    Hangup,
    /// Mark the peer as verified: the safety words are the same on both sides.
    Verify,
    /// Call somebody.
    Call(String),
    /// Go on with another microphone or speaker.
    Exchange(DeviceWish),
    /// End the program.
    Quit,
}

impl Order {
    /// Reads a line; `None` if it is blank.
    ///
    /// # Errors
    ///
    /// It is none of the commands, or names a device that cannot be.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, Failure> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        Ok(Some(match (word, rest) {
            ("", _) => return Ok(None),
            ("answer", "") => Self::Answer,
            ("reject", "") => Self::Reject,
            ("mute", "") => Self::Mute,
            ("unmute", "") => Self::Unmute,
            ("hold", "") => Self::Hold,
            ("resume", "") => Self::Resume,
            ("hangup", "") => Self::Hangup,
            ("verify", "") => Self::Verify,
            ("quit", "") => Self::Quit,
            ("microphone", source) => Self::Exchange(microphone(source)?),
            ("speaker", sink) => Self::Exchange(speaker(sink)?),
            ("call", who) if !who.is_empty() => Self::Call(who.to_owned()),
            _ => return Err(not_understood(line)),
        }))
    }

    /// The word for it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Reject => "reject",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Hangup => "hangup",
            Self::Verify => "verify",
            Self::Call(_) => "call",
            Self::Exchange(DeviceWish::Microphone(_)) => "microphone",
            Self::Exchange(DeviceWish::Speaker(_)) => "speaker",
            Self::Quit => "quit",
        }
    }
}

fn not_understood(line: &str) -> Failure {
    let shown: String = line.chars().take(60).collect();
    Failure::new(
        ErrorKind::Usage,
        format!("not a command: '{}'", shown.escape_debug()),
    )
    .help("one a line: answer, reject, mute, unmute, hold, resume, verify, hangup, microphone SOURCE, speaker SINK, call WHO, quit")
}

fn microphone(source: &str) -> Result<DeviceWish, Failure> {
    match source.parse().map_err(|error| no_device(&error))? {
        MicrophoneSpec::Stdin => Err(Failure::new(
            ErrorKind::Usage,
            "standard input carries orders, and no sound",
        )
        .help("name a pipe: microphone raw:PATH")),
        spec => Ok(DeviceWish::Microphone(spec)),
    }
}

fn speaker(sink: &str) -> Result<DeviceWish, Failure> {
    match sink.parse().map_err(|error| no_device(&error))? {
        SpeakerSpec::Stdout => Err(Failure::new(
            ErrorKind::Usage,
            "standard output carries events, and no sound",
        )
        .help("name a pipe: speaker raw:PATH")),
        spec => Ok(DeviceWish::Speaker(spec)),
    }
}

fn no_device(error: &SpecError) -> Failure {
    Failure::new(ErrorKind::Usage, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read() {
        for order in [
            Order::Answer,
            Order::Reject,
            Order::Mute,
            Order::Unmute,
            Order::Hold,
            Order::Resume,
            Order::Hangup,
            Order::Verify,
            Order::Quit,
        ] {
            assert_eq!(
                Order::parse(&format!(" {}\r\n", order.name())).unwrap(),
                Some(order)
            );
        }
        assert_eq!(
            Order::parse("call Ada Lovelace").unwrap(),
            Some(Order::Call("Ada Lovelace".to_owned()))
        );
        let wish = |line| match Order::parse(line) {
            Ok(Some(Order::Exchange(wish))) => wish,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            wish("microphone card:USB Headset, Mono"),
            DeviceWish::Microphone(MicrophoneSpec::Card("USB Headset, Mono".to_owned()))
        );
        assert_eq!(
            wish(" speaker\tdefault "),
            DeviceWish::Speaker(SpeakerSpec::Default)
        );
        assert_eq!(Order::parse("  \n").unwrap(), None);
    }

    #[test]
    fn what_is_no_command_is_named() {
        for line in [
            "call",
            "answer now",
            "Answer",
            "{\"command\":\"answer\"}",
            "microphone",
            "microphone -",
            "speaker -",
            "speaker tone:440",
            "speaker USB",
        ] {
            let failure = Order::parse(line).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Usage, "{line}");
        }
    }
}

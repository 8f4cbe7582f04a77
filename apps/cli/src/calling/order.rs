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
    /// The same with one member of a group call.
    VerifyMember(String),
    /// Call somebody.
    Call(String),
    /// Bring somebody into the call, which is a group call from then on.
    Add(String),
    /// How loud a member of a group call is to be heard.
    Volume(String, Volume),
    /// Go on with another microphone or speaker.
    Exchange(DeviceWish),
    /// End the program.
    Quit,
}

/// How loud somebody is to be heard: 100 is as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Volume(u16);

impl Volume {
    /// As it came.
    pub(crate) const AS_IT_CAME: Self = Self(100);
    /// Four times that.
    const MOST: u16 = 400;

    /// A step of a quarter louder, or quieter.
    #[must_use]
    pub(crate) fn stepped(self, louder: bool) -> Self {
        const STEP: u16 = 25;
        Self(match louder {
            true => (self.0 + STEP).min(Self::MOST),
            false => self.0.saturating_sub(STEP),
        })
    }

    /// Percent.
    pub(crate) const fn percent(self) -> u16 {
        self.0
    }

    /// What samples are multiplied with.
    pub(crate) fn gain(self) -> f32 {
        f32::from(self.0) / 100.0
    }
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
            ("verify", who) => Self::VerifyMember(who.to_owned()),
            ("add", who) if !who.is_empty() => Self::Add(who.to_owned()),
            ("volume", rest) => volume(rest)?,
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
            Self::Verify | Self::VerifyMember(_) => "verify",
            Self::Add(_) => "add",
            Self::Volume(..) => "volume",
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
    .help("one a line: answer, reject, mute, unmute, hold, resume, verify, verify WHO, hangup, microphone SOURCE, speaker SINK, call WHO, add WHO, volume WHO PERCENT, quit")
}

/// Whom it is about may have spaces in the name; how loud is the last word.
fn volume(rest: &str) -> Result<Order, Failure> {
    let refused = || {
        Failure::new(
            ErrorKind::Usage,
            format!(
                "'volume' takes somebody and a number from 0 to {}: 100 is as it came",
                Volume::MOST
            ),
        )
        .help("for example: volume Ada 150")
    };
    let (who, percent) = rest.rsplit_once(char::is_whitespace).ok_or_else(refused)?;
    let percent = percent
        .parse()
        .ok()
        .filter(|percent| *percent <= Volume::MOST);
    let percent = percent.ok_or_else(refused)?;
    Ok(Order::Volume(who.trim().to_owned(), Volume(percent)))
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
        assert_eq!(
            Order::parse("add Bo").unwrap(),
            Some(Order::Add("Bo".to_owned()))
        );
        assert_eq!(
            Order::parse("verify Ada Lovelace").unwrap(),
            Some(Order::VerifyMember("Ada Lovelace".to_owned()))
        );
        assert_eq!(
            Order::parse("volume Ada Lovelace  400").unwrap(),
            Some(Order::Volume("Ada Lovelace".to_owned(), Volume(400)))
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
    fn a_volume_is_never_more_than_four_times_nor_less_than_nothing() {
        let mut volume = Volume::AS_IT_CAME;
        assert_eq!(volume.gain(), 1.0);
        for _ in 0..20 {
            volume = volume.stepped(true);
        }
        assert_eq!(volume.gain(), 4.0);
        for _ in 0..20 {
            volume = volume.stepped(false);
        }
        assert_eq!(volume.percent(), 0);
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
            "add",
            "volume",
            "volume 50",
            "volume Ada",
            "volume Ada 401",
            "volume Ada -1",
            "volume Ada 1.5",
            "volume Ada loud",
        ] {
            let failure = Order::parse(line).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Usage, "{line}");
        }
    }
}

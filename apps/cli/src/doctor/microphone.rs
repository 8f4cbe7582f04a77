//! The microphone: whether it can be opened, and delivers more than silence.

use std::time::Duration;

use securecall_audio_device::{CardFigures, Microphone, TICK_SAMPLES, open_microphone};
use securecall_driver::{DeviceFault, MicrophoneSpec};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval, timeout};

use super::Stopwatch;
use super::check::Check;
use super::names::Name;
use crate::error::{ErrorKind, Failure};

/// How long a sound card may take to start: a headset without a cord has to be woken.
pub(super) const START: Duration = Duration::from_secs(5);
/// Between two ticks.
const TICK: Duration = Duration::from_millis(10);
/// A second of sound.
const TICKS_TO_LISTEN: u32 = 100;
/// So long a card runs: a sound server that starts says for a second that it is late.
pub(super) const TICKS_TO_TRY: u32 = 200;

/// What was heard within a second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    /// Not a single sample of the card.
    Nothing,
    /// Samples, all of them zero.
    Silence,
    /// Sound, however quiet; the greatest sample, up to 1.
    Sound { peak: f32 },
}

/// When the next 10 ms are over.
#[derive(Debug)]
pub(super) enum Pace {
    /// As a card has it.
    Real(Interval),
    /// At once: what is no card is never late.
    AtOnce,
}

impl Pace {
    pub(super) fn of(is_card: bool) -> Self {
        match is_card {
            true => Self::Real(interval(TICK)),
            false => Self::AtOnce,
        }
    }

    pub(super) async fn wait(&mut self) {
        match self {
            Self::Real(ticks) => {
                ticks.tick().await;
            }
            Self::AtOnce => {}
        }
    }
}

/// Opens the microphone and listens to it for a second.
pub(crate) async fn microphone(spec: MicrophoneSpec) -> Check {
    match &spec {
        MicrophoneSpec::Raw(path) if path.exists() => {
            let words = format!("{} is read by a call; not tried", path.display());
            return Check::good(Name::Microphone, words);
        }
        MicrophoneSpec::Stdin => {
            return Check::good(
                Name::Microphone,
                "standard input is read by a call; not tried",
            );
        }
        _ => {}
    }
    let watch = Stopwatch::start();
    let is_card = spec.is_card();
    let is_null = spec == MicrophoneSpec::Null;
    let trying = async {
        let opened = spawn_blocking(move || open_microphone(&spec)).await;
        let mut microphone = opened.map_err(Failure::bug)??;
        listen_to(&mut *microphone, Pace::of(is_card)).await
    };
    let outcome = timeout(START + Duration::from_secs(3), trying).await;
    let outcome = outcome.unwrap_or_else(|_| Err(out_of_time("microphone")));
    let judged = outcome.and_then(|(heard, card)| Ok((judge(heard, is_card)?, card)));
    let check = match judged {
        Ok(_) if is_null => Check::good(Name::Microphone, "null, as asked: nobody hears you"),
        Ok((words, card)) => {
            let words = card.map_or_else(|| words.clone(), |card| with_card(&words, &card));
            Check::good(Name::Microphone, words).of_card(card)
        }
        Err(failure) => Check::bad(Name::Microphone, failure),
    };
    check.took(watch.took())
}

/// `delivers sound; 48 kHz, 12 ms late`.
pub(super) fn with_card(words: &str, card: &CardFigures) -> String {
    let kilohertz = f64::from(card.sample_rate) / 1_000.0;
    let late = card
        .latency_ms
        .map_or_else(String::new, |ms| format!(", {ms:.0} ms late"));
    format!("{words}; {kilohertz} kHz{late}")
}

/// What was heard, and of which card.
async fn listen_to(
    microphone: &mut dyn Microphone,
    mut pace: Pace,
) -> Result<(Heard, Option<CardFigures>), Failure> {
    let mut tick = [0.0; TICK_SAMPLES];
    let mut heard = Heard::Nothing;
    let mut listened = 0;
    while listened < TICKS_TO_TRY {
        pace.wait().await;
        microphone.read(&mut tick);
        match microphone.take_fault() {
            // It is opened again, and may work then.
            None | Some(DeviceFault::Interrupted { .. }) => {}
            Some(fault) => return Err(broken(&fault)),
        }
        if microphone.is_running() {
            listened += 1;
            if listened <= TICKS_TO_LISTEN {
                heard = heard.and(&tick);
            }
        }
    }
    Ok((heard, microphone.card()))
}

impl Heard {
    fn and(self, tick: &[f32]) -> Self {
        let peak = tick
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
            // A card may deliver anything.
            .min(1.0);
        match self {
            Self::Sound { peak: before } => Self::Sound {
                peak: before.max(peak),
            },
            Self::Nothing | Self::Silence if peak > 0.0 => Self::Sound { peak },
            Self::Nothing | Self::Silence => Self::Silence,
        }
    }
}

/// A file may begin with silence, and `null` is nothing else; a card has at least its noise.
fn judge(heard: Heard, is_card: bool) -> Result<String, Failure> {
    match heard {
        Heard::Sound { peak } => Ok(format!(
            "delivers sound; the loudest in a second had {:.0} dBFS",
            20.0 * peak.log10()
        )),
        Heard::Silence if is_card => Err(unavailable(
            "the microphone delivers nothing but digital silence: nobody would hear you",
        )
        .help("it seems to be muted: look for a switch at it, and for the sound settings of this machine")),
        Heard::Silence => Ok("delivers silence".to_owned()),
        Heard::Nothing => Err(unavailable("the microphone delivers nothing").help(CHECK_CARD)),
    }
}

const CHECK_CARD: &str = "check the sound settings of this machine, or name a file, a pipe or `null` for --mic and --speaker";

/// A device that stopped.
pub(super) fn broken(fault: &DeviceFault) -> Failure {
    unavailable(fault.to_string()).help(CHECK_CARD)
}

/// A device that does not start.
pub(super) fn out_of_time(role: &str) -> Failure {
    let seconds = START.as_secs();
    unavailable(format!("the {role} did not start within {seconds} s")).help(CHECK_CARD)
}

fn unavailable(message: impl Into<crate::harmless::Line>) -> Failure {
    Failure::new(ErrorKind::AudioUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    async fn heard_of(spec: MicrophoneSpec) -> Heard {
        let mut microphone = open_microphone(&spec).unwrap();
        let listened = listen_to(&mut *microphone, Pace::of(false)).await;
        listened.unwrap().0
    }

    #[test]
    fn a_card_is_told_with_its_rate_and_its_latency() {
        let card = |latency_ms| CardFigures {
            sample_rate: 44_100,
            latency_ms,
            period_ms: 10.0,
            buffer_ms: 10,
            glitches: 0,
        };
        let words = |latency_ms| with_card("works", &card(latency_ms));
        assert_eq!(words(Some(12.4)), "works; 44.1 kHz, 12 ms late");
        assert_eq!(words(None), "works; 44.1 kHz");
    }

    #[tokio::test]
    async fn silence_and_sound_are_told_apart() {
        assert_eq!(heard_of(MicrophoneSpec::Null).await, Heard::Silence);
        let tone = heard_of(MicrophoneSpec::Tone(440.0)).await;
        assert!(
            matches!(tone, Heard::Sound { peak } if (0.24..0.26).contains(&peak)),
            "{tone:?}"
        );
    }

    #[test]
    fn a_card_that_is_silent_to_the_last_bit_is_said_to_be_muted() {
        let failure = judge(Heard::Silence, true).unwrap_err();
        assert_eq!(failure.kind.exit_code(), ExitCode::Machine);
        assert!(failure.help.unwrap().contains("muted"));
        assert!(judge(Heard::Silence, false).is_ok());
        assert!(judge(Heard::Nothing, true).is_err());
        let quiet = judge(Heard::Sound { peak: 0.001 }, true).unwrap();
        assert!(quiet.contains("-60 dBFS"), "{quiet}");
    }
}

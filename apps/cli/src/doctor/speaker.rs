//! The speaker: whether it can be opened and takes sound.

use std::time::Duration;

use securecall_audio_device::{CardFigures, Speaker, TICK_SAMPLES, open_speaker};
use securecall_driver::{DeviceFault, SpeakerSpec};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Stopwatch;
use super::check::Check;
use super::microphone::{Pace, START, TICKS_TO_TRY, broken, out_of_time, with_card};
use super::names::Name;
use crate::error::Failure;

/// Opens the speaker and plays silence.
pub(crate) async fn speaker(spec: SpeakerSpec) -> Check {
    match &spec {
        SpeakerSpec::Default | SpeakerSpec::Card(_) | SpeakerSpec::Null => {}
        SpeakerSpec::Wav(path) | SpeakerSpec::Raw(path) => {
            let words = format!("{} is written by a call; not tried", path.display());
            return Check::good(Name::Speaker, words);
        }
        SpeakerSpec::Stdout => {
            return Check::good(
                Name::Speaker,
                "standard output is written by a call; not tried",
            );
        }
    }
    let watch = Stopwatch::start();
    let is_null = spec == SpeakerSpec::Null;
    let trying = async {
        let opened = spawn_blocking(move || open_speaker(&spec)).await;
        let mut speaker = opened.map_err(Failure::bug)??;
        play(&mut *speaker, Pace::of(!is_null)).await
    };
    let outcome = timeout(START + Duration::from_secs(3), trying).await;
    let check = match outcome.unwrap_or_else(|_| Err(out_of_time("speaker"))) {
        Ok(_) if is_null => Check::good(Name::Speaker, "null, as asked: nothing is heard"),
        Ok(card) => {
            let words = "opens and takes sound";
            let words = card.map_or_else(|| words.to_owned(), |card| with_card(words, &card));
            Check::good(Name::Speaker, words).of_card(card)
        }
        Err(failure) => Check::bad(Name::Speaker, failure),
    };
    check.took(watch.took())
}

/// Gives what the card says of itself.
async fn play(speaker: &mut dyn Speaker, mut pace: Pace) -> Result<Option<CardFigures>, Failure> {
    let silence = [0.0; TICK_SAMPLES];
    let mut played = 0;
    while played < TICKS_TO_TRY {
        pace.wait().await;
        speaker.write(&silence);
        played += u32::from(speaker.is_running());
        match speaker.take_fault() {
            // It is opened again, and may work then.
            None | Some(DeviceFault::Interrupted { .. }) => {}
            Some(fault) => return Err(broken(&fault)),
        }
    }
    Ok(speaker.card())
}

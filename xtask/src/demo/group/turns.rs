//! When who speaks, and with which voice: one after the other, so that what somebody has said can be found in what each of the
//! others has heard.

use std::path::Path;

use anyhow::Result;
use securecall_quality::{SAMPLE_RATE, read_wav, resample, write_wav};

use crate::call::group::said_by;
use crate::workspace::Workspace;

/// Nobody speaks until all are there, in seconds.
const LEAD_IN: u32 = 8;
/// Nobody speaks between two, in seconds.
const PAUSE: u32 = 1;
/// The shortest turn, in seconds.
const SHORTEST: u32 = 3;
/// How much higher or lower than they are recorded the two speakers of `testing/speech` are, for more voices than two.
const PITCHES: [f64; 4] = [1.0, 1.15, 0.88, 1.3];

/// Everybody's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turns {
    people: u32,
    /// How long each speaks, in seconds.
    length: u32,
}

impl Turns {
    /// Of so many people, who share so many seconds.
    pub(crate) fn of(people: usize, seconds: u32) -> Self {
        let people = u32::try_from(people).unwrap_or(u32::MAX).max(1);
        Self {
            people,
            length: (seconds / people).max(SHORTEST),
        }
    }

    /// How long the call is to be.
    pub(crate) const fn seconds(self) -> u32 {
        LEAD_IN + self.people * (self.length + PAUSE) + PAUSE
    }

    /// When somebody begins and ends to speak, in seconds after their microphone was opened.
    pub(super) fn turn(self, place: usize) -> [f64; 2] {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let begin = LEAD_IN + place * (self.length + PAUSE);
        [f64::from(begin), f64::from(begin + self.length)]
    }

    /// Writes what each of these says, with silence before and after it.
    pub(crate) fn write(
        self,
        workspace: &Workspace,
        names: &[&str],
        directory: &Path,
    ) -> Result<()> {
        let speakers = ["a.wav", "b.wav"]
            .map(|name| read_wav(workspace.root().join("testing/speech").join(name)));
        let [one, other] = speakers;
        let speakers = [one?, other?];
        for (place, name) in names.iter().enumerate() {
            let pitch = PITCHES[place / speakers.len() % PITCHES.len()];
            let voice = pitched(&speakers[place % speakers.len()], pitch);
            let [begin, end] = self.turn(place).map(samples);
            let mut said = vec![0.0; samples(f64::from(self.seconds()))];
            let words = voice.iter().cycle().take(end - begin);
            said[begin..end]
                .iter_mut()
                .zip(words)
                .for_each(|(to, from)| *to = *from);
            write_wav(said_by(directory, name), &said)?;
        }
        Ok(())
    }
}

/// The voice, so much higher, and as much faster.
fn pitched(voice: &[f32], pitch: f64) -> Vec<f32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sample rate times a number near one"
    )]
    let rate = (f64::from(SAMPLE_RATE) * pitch).round() as u32;
    match rate == SAMPLE_RATE {
        true => voice.to_vec(),
        false => resample(voice, rate, SAMPLE_RATE),
    }
}

/// So many seconds, in samples.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a demo"
)]
pub(super) fn samples(seconds: f64) -> usize {
    (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_each_other_with_a_pause_and_end_before_the_call_does() {
        for people in 2..=8 {
            let turns = Turns::of(people, 15);
            for place in 1..people {
                assert!(turns.turn(place)[0] > turns.turn(place - 1)[1]);
            }
            assert!(turns.turn(people - 1)[1] < f64::from(turns.seconds()));
            assert!(turns.turn(0)[1] - turns.turn(0)[0] >= f64::from(SHORTEST));
        }
    }

    #[test]
    fn a_higher_voice_is_a_shorter_one() {
        let voice = vec![0.1; 48_000];
        assert_eq!(pitched(&voice, 1.0).len(), 48_000);
        assert!(pitched(&voice, 1.3).len() < 40_000);
        assert!(pitched(&voice, 0.88).len() > 50_000);
    }
}

//! The tones around a call: our ring tone, and what a caller hears of the other end.
//!
//! All are synthesised, sample for sample the same each time. What the caller hears follows
//! [ITU-T E.180](https://www.itu.int/rec/T-REC-E.180) with 425 Hz, as most of the world's networks do.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use crate::device::{Device as _, Microphone as _, SAMPLE_RATE, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::wav_microphone::WavMicrophone;

/// A tone that tells the state of a call, made here or played from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallTone {
    /// A call comes in. For ever, until it is stopped.
    Ring,
    /// Our call rings at the other end. For ever, until it is stopped.
    Ringback,
    /// Our call did not come about. About two seconds.
    Busy,
    /// A call that was connected is over. A third of a second.
    End,
}

/// A stretch of a tone.
#[derive(Debug, Clone, Copy)]
struct Part {
    voice: Voice,
    milliseconds: u16,
}

/// How a part sounds.
#[derive(Debug, Clone, Copy)]
enum Voice {
    Silence,
    /// A sine of this frequency at this amplitude.
    Steady(f64, f64),
    /// A struck bell of this frequency, at this amplitude when it is struck.
    Bell(f64, f64),
}

const fn part(voice: Voice, milliseconds: u16) -> Part {
    Part {
        voice,
        milliseconds,
    }
}

/// E and A above it: a fourth that is easily heard in another room and hurts nobody.
const E5: f64 = 659.26;
const A5: f64 = 880.0;

/// Peak of the ring tone, of full scale: loud, for it is to be heard across a room.
const RING_AMPLITUDE: f64 = 0.35;

/// The other tones are at the ear, where a voice is expected next.
const QUIET_AMPLITUDE: f64 = 0.12;

/// A sound card still holds back some milliseconds when the last sample is written.
const TAIL: Part = part(Voice::Silence, 100);

/// So that nothing clicks.
const FADE_SECONDS: f64 = 0.008;

/// Between two rounds of a file, which may be a single note.
const PAUSE_TICKS: u32 = 100;

impl CallTone {
    /// One round, and whether it comes again.
    fn score(self) -> (&'static [Part], bool) {
        use Voice::{Bell, Silence, Steady};
        const RING: [Part; 6] = [
            part(Bell(E5, RING_AMPLITUDE), 300),
            part(Bell(A5, RING_AMPLITUDE), 600),
            part(Silence, 100),
            part(Bell(E5, RING_AMPLITUDE), 300),
            part(Bell(A5, RING_AMPLITUDE), 700),
            part(Silence, 2_000),
        ];
        const RINGBACK: [Part; 2] = [
            part(Steady(425.0, QUIET_AMPLITUDE), 1_000),
            part(Silence, 4_000),
        ];
        const BEEP: Part = part(Steady(425.0, QUIET_AMPLITUDE), 300);
        const GAP: Part = part(Silence, 300);
        const BUSY: [Part; 8] = [BEEP, GAP, BEEP, GAP, BEEP, GAP, BEEP, TAIL];
        const END: [Part; 3] = [
            part(Bell(A5, QUIET_AMPLITUDE), 120),
            part(Bell(E5, QUIET_AMPLITUDE), 180),
            TAIL,
        ];
        match self {
            Self::Ring => (&RING, true),
            Self::Ringback => (&RINGBACK, true),
            Self::Busy => (&BUSY, false),
            Self::End => (&END, false),
        }
    }
}

impl Part {
    /// Samples at 48 kHz.
    fn length(self) -> usize {
        usize::from(self.milliseconds) * (SAMPLE_RATE as usize / 1_000)
    }

    fn sample(self, index: usize) -> f32 {
        let time = index as f64 / f64::from(SAMPLE_RATE);
        let left = f64::from(self.milliseconds) / 1_000.0 - time;
        let sine = |hertz: f64| (TAU * hertz * time).sin();
        let sound = match self.voice {
            Voice::Silence => 0.0,
            Voice::Steady(hertz, amplitude) => amplitude * sine(hertz),
            Voice::Bell(hertz, amplitude) => {
                // The overtone dies away sooner, as in a bell.
                let bell = 0.8 * (-4.0 * time).exp() * sine(hertz)
                    + 0.2 * (-10.0 * time).exp() * sine(2.0 * hertz);
                amplitude * bell
            }
        };
        (sound * fade(time) * fade(left)) as f32
    }
}

/// From 0 to 1 within the first milliseconds.
fn fade(seconds: f64) -> f64 {
    let share = (seconds / FADE_SECONDS).clamp(0.0, 1.0);
    0.5 - 0.5 * (PI * share).cos()
}

/// A tone in ticks of 10 ms.
pub struct ToneSource(Source);

enum Source {
    Synthesised {
        parts: &'static [Part],
        repeats: bool,
        /// Which part, and which sample of it.
        at: (usize, usize),
    },
    File {
        file: Box<WavMicrophone>,
        /// Ticks of silence before it begins anew.
        pause: u32,
    },
}

impl std::fmt::Debug for ToneSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToneSource").finish_non_exhaustive()
    }
}

impl ToneSource {
    /// The tone as it is made here, with no file.
    #[must_use]
    pub fn synthesised(tone: CallTone) -> Self {
        let (parts, repeats) = tone.score();
        Self(Source::Synthesised {
            parts,
            repeats,
            at: (0, 0),
        })
    }

    /// A WAV file as a ring tone: played again and again, a second between.
    ///
    /// # Errors
    ///
    /// It is none that can be played.
    pub fn file(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Source::File {
            file: Box::new(WavMicrophone::open(path)?),
            pause: PAUSE_TICKS,
        }))
    }

    /// The next 10 ms; `false` behind the end, where there is only silence.
    pub fn fill(&mut self, out: &mut Tick) -> bool {
        match &mut self.0 {
            Source::Synthesised { parts, repeats, at } => fill_from(parts, *repeats, at, out),
            Source::File { file, pause } => {
                if !file.has_ended() {
                    file.read(out);
                    return true;
                }
                out.fill(0.0);
                *pause = pause.saturating_sub(1);
                if *pause == 0 {
                    *pause = PAUSE_TICKS;
                    return file.begin_anew();
                }
                true
            }
        }
    }

    /// What has gone wrong with the file.
    pub fn take_fault(&mut self) -> Option<DeviceFault> {
        match &mut self.0 {
            Source::Synthesised { .. } => None,
            Source::File { file, .. } => file.take_fault(),
        }
    }
}

fn fill_from(
    parts: &[Part],
    repeats: bool,
    (number, index): &mut (usize, usize),
    out: &mut Tick,
) -> bool {
    for place in out.iter_mut() {
        if repeats && *number == parts.len() {
            *number = 0;
        }
        let Some(part) = parts.get(*number) else {
            *place = 0.0;
            continue;
        };
        *place = part.sample(*index);
        *index += 1;
        if *index == part.length() {
            (*number, *index) = (*number + 1, 0);
        }
    }
    repeats || *number < parts.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::TICK_SAMPLES;

    /// What is heard within so many milliseconds, and how many ticks were not the end.
    fn heard(tone: CallTone, milliseconds: usize) -> (Vec<f32>, usize) {
        let mut source = ToneSource::synthesised(tone);
        let mut samples = Vec::new();
        let mut ticks = 0;
        for _ in 0..milliseconds / 10 {
            let mut tick = [9.0; TICK_SAMPLES];
            ticks += usize::from(source.fill(&mut tick));
            samples.extend_from_slice(&tick);
        }
        (samples, ticks)
    }

    /// How strong a frequency is between two milliseconds: the amplitude of its sine.
    fn strength(samples: &[f32], hertz: f64, from: usize, to: usize) -> f64 {
        let part = &samples[from * 48..to * 48];
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in part.iter().enumerate() {
            let angle = TAU * hertz * n as f64 / 48_000.0;
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * real.hypot(imaginary) / part.len() as f64
    }

    fn is_silent(samples: &[f32], from: usize, to: usize) -> bool {
        samples[from * 48..to * 48]
            .iter()
            .all(|sample| *sample == 0.0)
    }

    #[test]
    fn the_ring_tone_has_two_notes_twice_and_a_rest_and_comes_again() {
        let (samples, ticks) = heard(CallTone::Ring, 12_000);
        for round in [0, 4_000, 8_000] {
            for begin in [round, round + 1_000] {
                assert!(strength(&samples, E5, begin + 20, begin + 220) > 0.1);
                assert!(strength(&samples, A5, begin + 20, begin + 220) < 0.02);
                assert!(strength(&samples, A5, begin + 320, begin + 520) > 0.1);
                assert!(strength(&samples, E5, begin + 320, begin + 520) < 0.02);
            }
            assert!(is_silent(&samples, round + 2_000, round + 4_000));
        }
        assert_eq!(samples[..192_000], samples[192_000..384_000]);
        assert_eq!(ticks, 1_200, "it never ends by itself");
    }

    #[test]
    fn ringback_is_425_hz_for_one_second_of_five() {
        let (samples, ticks) = heard(CallTone::Ringback, 10_000);
        for round in [0, 5_000] {
            let strength = strength(&samples, 425.0, round + 100, round + 900);
            assert!((strength - QUIET_AMPLITUDE).abs() < 1e-3, "{strength}");
            assert!(is_silent(&samples, round + 1_000, round + 5_000));
        }
        assert_eq!(ticks, 1_000);
    }

    #[test]
    fn busy_and_end_tones_end_by_themselves() {
        let (samples, ticks) = heard(CallTone::Busy, 3_000);
        for beep in [0, 600, 1_200, 1_800] {
            assert!(strength(&samples, 425.0, beep + 50, beep + 250) > 0.11);
            assert!(is_silent(&samples, beep + 300, beep + 400));
        }
        assert!(is_silent(&samples, 2_100, 3_000));
        assert_eq!(ticks, 219, "2.2 s, of which the last tick is the end");

        let (samples, ticks) = heard(CallTone::End, 1_000);
        assert!(strength(&samples, A5, 10, 110) > 0.03);
        assert!(strength(&samples, E5, 130, 280) > 0.03);
        assert!(is_silent(&samples, 300, 1_000));
        assert_eq!(ticks, 39);
    }

    #[test]
    fn nothing_clicks_and_nothing_is_too_loud() {
        for (tone, amplitude) in [
            (CallTone::Ring, RING_AMPLITUDE),
            (CallTone::Ringback, QUIET_AMPLITUDE),
            (CallTone::Busy, QUIET_AMPLITUDE),
            (CallTone::End, QUIET_AMPLITUDE),
        ] {
            let (samples, _) = heard(tone, 8_000);
            let amplitude = amplitude as f32;
            assert!(samples.iter().all(|sample| sample.abs() <= amplitude));
            // The steepest that a sine of 1,760 Hz at a fifth, or 880 Hz, goes from one sample to the next.
            let steepest = samples.windows(2).fold(0.0_f32, |steepest, pair| {
                steepest.max((pair[1] - pair[0]).abs())
            });
            assert!(steepest < 0.15 * amplitude, "{tone:?}: {steepest}");
        }
    }
}

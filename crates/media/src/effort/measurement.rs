//! The effort that a call begins with: by what a frame costs on this machine, before it has to be in time.
//!
//! A frame of the costliest kind is coded a few times: at [`Effort::High`] with FEC and deep redundancy, and one of a peer made up
//! by the network. The least of the times counts, for whatever holds a machine up once makes it no slower. Whether it keeps up
//! beside everything else only ticks can tell ([`EffortControl`](super::EffortControl)), and they have the last word.

use std::time::Duration;

use web_time::Instant;

use crate::{
    audio::{FRAME_SAMPLES, TICK_SAMPLES},
    opus_codec::{CodecError, DRED_BESIDE_FEC, Decoder, Effort, Encoder, EncoderSettings},
};

/// Up to this cost a call begins at the highest effort. A fifth of the 20 ms that a frame lasts, so a fifth of a core; with the
/// seven peers of a full conference, of which all lose a frame at once, it is three times as much and still fits.
const HIGH: Duration = Duration::from_millis(4);
/// Up to this one at medium, which costs a tenth less, and a quarter less where nothing is missing. What falls on one tick of 10 ms
/// takes less than half of it then: the rest is for sealing, the network, the devices, and other peers.
const MEDIUM: Duration = Duration::from_millis(6);
/// Frames before the first that counts: until each carries copies of those before it, and the decoder knows the voice.
const WARM_UP: usize = 3;
/// Frames that count at most …
const ROUNDS: usize = 5;
/// … and so many of them that cost more than [`MEDIUM`] are enough: one or two may have been held up.
const TOO_SLOW: usize = 3;

/// The effort that a call should begin with on this machine: the highest whose cost it holds easily. `clock` says what time it is.
///
/// It takes four frames where the machine is fast, and at most eight. It is for a thread that has nothing else to do, before ticks
/// begin.
///
/// # Errors
///
/// [`CodecError`]: nothing could be measured.
pub fn measured_effort(mut clock: impl FnMut() -> Instant) -> Result<Effort, CodecError> {
    let mut trial = Trial::new(Effort::High)?;
    trial.warm_up()?;
    let mut too_slow = 0;
    let mut effort = Effort::Low;
    for _ in 0..ROUNDS {
        let begun = clock();
        trial.code_frame()?;
        let cost = clock().saturating_duration_since(begun);
        if cost <= HIGH {
            return Ok(Effort::High);
        } else if cost <= MEDIUM {
            effort = Effort::Medium;
        } else {
            too_slow += 1;
        }
        if too_slow == TOO_SLOW {
            break;
        }
    }
    Ok(effort)
}

/// An encoder and a decoder that nobody hears.
struct Trial {
    encoder: Encoder,
    decoder: Decoder,
    voice: Voice,
    payload: Vec<u8>,
    concealed: [f32; FRAME_SAMPLES],
}

impl Trial {
    fn new(effort: Effort) -> Result<Self, CodecError> {
        let (mut encoder, mut decoder) = (Encoder::new()?, Decoder::new()?);
        encoder.configure(EncoderSettings {
            expected_loss_percent: 20,
            dred_frames: effort.dred_frames(DRED_BESIDE_FEC),
            complexity: effort.encoder_complexity(),
            ..EncoderSettings::default()
        })?;
        decoder.set_effort(effort)?;
        Ok(Self {
            encoder,
            decoder,
            voice: Voice::default(),
            payload: Vec::new(),
            concealed: [0.0; FRAME_SAMPLES],
        })
    }

    /// Lets the decoder hear the voice, and begin to make it up.
    fn warm_up(&mut self) -> Result<(), CodecError> {
        let mut heard = [0.0; FRAME_SAMPLES];
        for _ in 0..WARM_UP {
            self.encode()?;
            self.decoder.decode(&self.payload, &mut heard)?;
        }
        self.conceal()
    }

    /// What each frame of a call costs at most: one of ours encoded, and one of the peer made up.
    fn code_frame(&mut self) -> Result<(), CodecError> {
        self.encode()?;
        self.conceal()
    }

    fn encode(&mut self) -> Result<(), CodecError> {
        let frame = self.voice.next_frame();
        self.encoder.encode(&frame, &mut self.payload)
    }

    fn conceal(&mut self) -> Result<(), CodecError> {
        for tick in self.concealed.as_chunks_mut::<TICK_SAMPLES>().0 {
            self.decoder.conceal(tick)?;
        }
        Ok(())
    }
}

/// A voice of sorts, the same each time: pulses at 125 Hz and some breath, through a formant at 700 Hz. To encode it costs about as
/// much as speech in the middle of a word.
#[derive(Default)]
struct Voice {
    sample: usize,
    noise: u32,
    last: [f32; 2],
}

impl Voice {
    const PERIOD: usize = 384;
    const PULSE: f32 = 0.03;
    const BREATH: f32 = 0.003;
    /// A resonance 90 Hz wide.
    const FORMANT: [f32; 2] = [1.979_9, -0.988_3];

    fn next_frame(&mut self) -> [f32; FRAME_SAMPLES] {
        std::array::from_fn(|_| {
            // Numerical Recipes' generator: it is to be the same everywhere, and nothing hangs on it.
            self.noise = self
                .noise
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            let breath = Self::BREATH * (self.noise as f32 / u32::MAX as f32 - 0.5);
            let pulse = match self.sample % Self::PERIOD {
                0 => Self::PULSE,
                _ => 0.0,
            };
            self.sample += 1;
            let [one, two] = self.last;
            let next = pulse + breath + Self::FORMANT[0] * one + Self::FORMANT[1] * two;
            self.last = [next, one];
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use securecall_netem::virtual_start;
    use securecall_opus::packet;

    use super::*;

    /// The effort that is chosen where the frames that count take so many microseconds, one after the other, and how many of them
    /// it took.
    fn chosen(costs: impl IntoIterator<Item = u64>) -> (Effort, usize) {
        let (mut now, mut calls, mut costs) = (virtual_start(), 0, costs.into_iter());
        let effort = measured_effort(|| {
            // The clock is looked at before and after each.
            if calls % 2 == 1 {
                now += Duration::from_micros(costs.next().unwrap());
            }
            calls += 1;
            now
        });
        assert_eq!(calls % 2, 0);
        (effort.unwrap(), calls / 2)
    }

    /// What the table in docs/performance.md says of a frame that is encoded and one that is made up.
    const HERE: u64 = 344 + 190;

    #[test]
    fn a_call_begins_with_as_much_effort_as_the_machine_is_fast_for() {
        for (slower, expected) in [
            (1, (Effort::High, 1)),
            (5, (Effort::High, 1)),
            (7, (Effort::High, 1)),
            (8, (Effort::Medium, 5)),
            (11, (Effort::Medium, 5)),
            (12, (Effort::Low, 3)),
            (100, (Effort::Low, 3)),
        ] {
            let costs = std::iter::repeat(slower * HERE);
            assert_eq!(chosen(costs), expected, "{slower} times slower");
        }
    }

    #[test]
    fn being_held_up_once_or_twice_makes_no_machine_slow() {
        let held_up = 30_000;
        assert_eq!(chosen([held_up, HERE]), (Effort::High, 2));
        assert_eq!(chosen([held_up, held_up, HERE]), (Effort::High, 3));
        let tenth = 10 * HERE;
        let costs = [tenth, held_up, tenth, held_up, tenth];
        assert_eq!(chosen(costs), (Effort::Medium, 5));
        // Three times is no accident, whatever was before.
        let costs = [tenth, held_up, held_up, held_up];
        assert_eq!(chosen(costs), (Effort::Medium, 4));
    }

    #[test]
    fn a_clock_too_coarse_for_it_leaves_the_choice_to_the_ticks() {
        assert_eq!(chosen(std::iter::repeat(0)), (Effort::High, 1));
    }

    #[test]
    fn what_is_measured_has_fec_deep_redundancy_and_concealment_by_the_network() {
        let mut trial = Trial::new(Effort::High).unwrap();
        let mut without = Trial::new(Effort::Low).unwrap();
        trial.warm_up().unwrap();
        without.warm_up().unwrap();
        for round in 0..ROUNDS {
            trial.code_frame().unwrap();
            without.code_frame().unwrap();
            assert!(packet::has_fec(&trial.payload), "{round}");
            // Something is heard, which fades, and not what is made up without a network.
            let power = |samples: &[f32]| samples.iter().map(|it| it * it).sum::<f32>();
            assert!(power(&trial.concealed) > 0.001, "{round}");
            assert!(trial.concealed != without.concealed, "{round}");
        }
        // In the midst of voice there is no room for deep redundancy, which is made all the same.
        let roomy = EncoderSettings {
            frame_bytes: 160,
            ..trial.encoder.settings()
        };
        trial.encoder.configure(roomy).unwrap();
        trial.code_frame().unwrap();
        assert!(without.decoder.reaches_back(&trial.payload) <= 1);
        assert!(trial.decoder.reaches_back(&trial.payload) > 1);
    }
}

//! What settings of Opus make of speech on lossy networks, without jitter or a jitter buffer: the codec alone.
//!
//! `cargo run --release -p securecall-media --example opus_trial SPEECH.wav OUT_DIR < TRIALS`: a trial is a line of `key=value`, see
//! [`Trial`]. For each, a line of JSON with STOI and times, and OUT_DIR/NAME.wav, aligned with the speech.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::{
    io::BufRead,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use securecall_media::{EncoderSettings, LOOKAHEAD_SAMPLES, TICK_SAMPLES};
use securecall_opus::{Application, Bandwidth, Decoder, Encoder, Redundancy, Signal, packet};
use securecall_quality::{SAMPLE_RATE, read_wav, stoi, write_wav};

const FRAME: usize = 960;

/// One set of settings on one network.
#[derive(Debug, Clone)]
struct Trial {
    name: String,
    /// Bytes of a packet.
    bytes: usize,
    /// Complexity of the encoder.
    complexity: u8,
    /// LBRR.
    fec: bool,
    /// Percent of loss that the encoder is told.
    expected: u8,
    /// DRED in units of 10 ms.
    dred: u8,
    audio: bool,
    voice: bool,
    bandwidth: Bandwidth,
    /// Complexity of the decoder.
    decoder: u8,
    /// Percent of packets that get lost, each by itself.
    loss: u32,
    /// Every 30th packet and this many in all get lost.
    burst: usize,
    /// How many frames may go back from a packet to what is restored out of it: the cushion.
    reach: usize,
    seed: u64,
    /// Bits a second at a variable rate, padded to `bytes`; 0 for a constant one.
    vbr: u32,
    /// Through the encoder and the decoder of calls, which know the rest themselves: of the settings above, `bytes`, `expected`
    /// (as it is), `dred` (in frames), `complexity` and the network count.
    ours: bool,
}

impl Trial {
    fn parse(line: &str) -> Self {
        let mut trial = Self {
            name: line.replace([' ', '='], "_"),
            bytes: 78,
            complexity: 9,
            fec: false,
            expected: 0,
            dred: 0,
            audio: false,
            voice: false,
            bandwidth: Bandwidth::Full,
            decoder: 5,
            loss: 0,
            burst: 0,
            reach: 50,
            seed: 1,
            vbr: 0,
            ours: false,
        };
        for setting in line.split_whitespace() {
            let (key, value) = setting.split_once('=').expect("key=value");
            let number: usize = value.parse().unwrap_or(0);
            match key {
                "name" => trial.name = value.to_owned(),
                "bytes" => trial.bytes = number,
                "complexity" => trial.complexity = number as u8,
                "fec" => trial.fec = number != 0,
                "expected" => trial.expected = number as u8,
                "dred" => trial.dred = number as u8,
                "audio" => trial.audio = number != 0,
                "voice" => trial.voice = number != 0,
                "bandwidth" => {
                    trial.bandwidth = match value {
                        "wide" => Bandwidth::Wide,
                        "superwide" => Bandwidth::Superwide,
                        _ => Bandwidth::Full,
                    }
                }
                "decoder" => trial.decoder = number as u8,
                "loss" => trial.loss = number as u32,
                "burst" => trial.burst = number,
                "reach" => trial.reach = number,
                "ours" => trial.ours = number != 0,
                "vbr" => trial.vbr = number as u32,
                "seed" => trial.seed = number as u64,
                _ => panic!("no such setting: {key}"),
            }
        }
        trial
    }

    fn encoder(&self) -> Encoder {
        let application = if self.audio {
            Application::Audio
        } else {
            Application::Voip
        };
        let made = || {
            let mut encoder = Encoder::new(application)?;
            encoder.set_variable_bit_rate(self.vbr > 0)?;
            encoder.set_bit_rate(if self.vbr > 0 {
                self.vbr
            } else {
                self.bytes as u32 * 400
            })?;
            encoder.set_complexity(self.complexity)?;
            encoder.set_inband_fec(self.fec)?;
            encoder.set_expected_loss(self.expected)?;
            encoder.set_redundancy_duration(self.dred)?;
            encoder.set_max_bandwidth(self.bandwidth)?;
            encoder.set_signal(if self.voice {
                Signal::Voice
            } else {
                Signal::Auto
            })?;
            Ok::<_, securecall_opus::OpusError>(encoder)
        };
        made().expect("settings")
    }

    fn arrives(&self, frames: usize) -> Vec<bool> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        (0..frames)
            .map(|frame| {
                let lost = random.next_u32() % 100 < self.loss;
                // The first is heard, so that there is something to go by.
                frame == 0 || !(lost || self.burst > 0 && frame % 30 < self.burst)
            })
            .collect()
    }
}

#[derive(Default)]
struct Outcome {
    heard: Vec<f32>,
    encoding: Duration,
    decoding: Duration,
    /// The longest that one frame took.
    worst: Duration,
    by_fec: usize,
    by_dred: usize,
    concealed: usize,
    /// Frames that packets reach back on average.
    reach: f64,
}

fn run(trial: &Trial, speech: &[f32]) -> Outcome {
    let mut encoder = trial.encoder();
    let lag = encoder.lookahead().expect("lookahead");
    let mut outcome = Outcome::default();
    let packets: Vec<Vec<u8>> = speech
        .chunks_exact(FRAME)
        .map(|frame| {
            let mut packet = vec![0; trial.bytes];
            let begun = Instant::now();
            let bytes = encoder.encode(frame, &mut packet).expect("encodes");
            outcome.encoding += begun.elapsed();
            if trial.vbr > 0 {
                packet.truncate(bytes);
            } else {
                assert_eq!(bytes, trial.bytes, "constant size");
            }
            packet
        })
        .collect();

    let arrives = trial.arrives(packets.len());
    let mut decoder = Decoder::new().expect("decoder");
    decoder.set_complexity(trial.decoder).expect("complexity");
    let mut redundancy = Redundancy::new().expect("DRED");
    let mut frame = [0.0; FRAME];
    for index in 0..packets.len() {
        let begun = Instant::now();
        let later = (index + 1..packets.len().min(index + 1 + trial.reach)).find(|n| arrives[*n]);
        if arrives[index] {
            decoder
                .decode(&packets[index], &mut frame)
                .expect("decodes");
        } else if let Some(later) = later {
            let back = later - index;
            let packet = &packets[later];
            let span = redundancy.parse(packet).expect("parses");
            if back == 1 && packet::has_fec(packet) {
                decoder.decode_fec(packet, &mut frame).expect("FEC");
                outcome.by_fec += 1;
            } else if span.oldest >= back * FRAME {
                redundancy.process().expect("processes");
                decoder
                    .decode_redundancy(&redundancy, back * FRAME, &mut frame)
                    .expect("DRED");
                outcome.by_dred += 1;
            } else {
                decoder.conceal(&mut frame).expect("conceals");
                outcome.concealed += 1;
            }
        } else {
            decoder.conceal(&mut frame).expect("conceals");
            outcome.concealed += 1;
        }
        let spent = begun.elapsed();
        outcome.decoding += spent;
        outcome.worst = outcome.worst.max(spent);
        outcome.heard.extend_from_slice(&frame);
    }
    let reaches = packets
        .iter()
        .map(|packet| redundancy.parse(packet).expect("parses").oldest / FRAME);
    outcome.reach = reaches.sum::<usize>() as f64 / packets.len() as f64;
    outcome.heard.drain(..lag);
    outcome
}

fn run_ours(trial: &Trial, speech: &[f32]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut encoder = securecall_media::Encoder::new().expect("encoder");
    let settings = EncoderSettings {
        frame_bytes: trial.bytes,
        expected_loss_percent: trial.expected,
        dred_frames: trial.dred,
        complexity: trial.complexity,
    };
    encoder.configure(settings).expect("settings");
    let packets: Vec<Vec<u8>> = speech
        .chunks_exact(FRAME)
        .map(|frame| {
            let mut packet = Vec::with_capacity(trial.bytes);
            let begun = Instant::now();
            encoder
                .encode(frame.try_into().expect("a frame"), &mut packet)
                .expect("encodes");
            outcome.encoding += begun.elapsed();
            packet
        })
        .collect();

    let arrives = trial.arrives(packets.len());
    let mut decoder = securecall_media::Decoder::new().expect("decoder");
    let mut frame = [0.0; FRAME];
    let mut reach = 0;
    for (index, packet) in packets.iter().enumerate() {
        let begun = Instant::now();
        let later = (index + 1..packets.len().min(index + 1 + trial.reach)).find(|n| arrives[*n]);
        let later = later.map(|later| (&packets[later], later - index));
        if arrives[index] {
            decoder.decode(packet, &mut frame).expect("decodes");
        } else if let Some((later, back)) =
            later.filter(|(later, back)| decoder.reaches_back(later) >= *back)
        {
            decoder.recover(later, back, &mut frame).expect("recovers");
            outcome.by_fec += usize::from(back == 1);
            outcome.by_dred += usize::from(back > 1);
        } else {
            for tick in frame.as_chunks_mut::<TICK_SAMPLES>().0 {
                decoder.conceal(tick).expect("conceals");
            }
            outcome.concealed += 1;
        }
        let spent = begun.elapsed();
        outcome.decoding += spent;
        outcome.worst = outcome.worst.max(spent);
        outcome.heard.extend_from_slice(&frame);
        reach += decoder.reaches_back(packet);
    }
    outcome.reach = reach as f64 / packets.len() as f64;
    outcome.heard.drain(..LOOKAHEAD_SAMPLES);
    outcome
}

fn main() {
    let [_, speech, directory] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("SPEECH.wav OUT_DIR");
    };
    let speech = read_wav(speech).expect("WAV");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        if line.trim().is_empty() {
            continue;
        }
        let trial = Trial::parse(&line);
        let outcome = if trial.ours {
            run_ours(&trial, &speech)
        } else {
            run(&trial, &speech)
        };
        let frames = (speech.len() / FRAME) as f64;
        let per_frame = |time: Duration| time.as_secs_f64() * 1e6 / frames;
        write_wav(format!("{directory}/{}.wav", trial.name), &outcome.heard).expect("WAV written");
        println!(
            "{{\"name\":\"{}\",\"stoi\":{:.4},\"encode_us\":{:.0},\"decode_us\":{:.0},\"worst_us\":{:.0},\"fec\":{},\"dred\":{},\"concealed\":{},\"reach\":{:.1}}}",
            trial.name,
            stoi(&speech, &outcome.heard, SAMPLE_RATE),
            per_frame(outcome.encoding),
            per_frame(outcome.decoding),
            outcome.worst.as_secs_f64() * 1e6,
            outcome.by_fec,
            outcome.by_dred,
            outcome.concealed,
            outcome.reach,
        );
    }
}

//! The networks of `docs/performance.md` on virtual time: what the jitter buffer does with them, and the least delay at which as
//! few frames would be missing. Prints a table in Markdown.
//! `cargo run --release --example playout_delay [SEED [DIRECTORY [NETWORK]]]`; what was sent and heard goes into the directory as
//! WAV files; of the networks, only those whose names contain the last argument.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    missing_docs
)]

#[path = "../tests/it/optimum.rs"]
mod optimum;
#[path = "../tests/it/simulated_call.rs"]
mod simulated_call;
#[path = "../tests/it/simulated_leg.rs"]
mod simulated_leg;

use std::{path::Path, time::Duration};

use simulated_call::{CODEC_MS, NETWORKS, Setup, run, speech};

const SECONDS: usize = 44;
/// When the receiver's ticks come, after the sender's: the delay can only be one of a grid, which lies where that puts it.
const PHASES_US: [u64; 4] = [1_200, 3_700, 6_200, 8_700];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|seed| seed.parse().ok());
    let directory = arguments.next();
    let only = arguments.next().unwrap_or_default();
    let write = |name: &str, samples: &[f32]| {
        if let Some(directory) = &directory {
            let path = Path::new(directory).join(name);
            securecall_quality::write_wav(path, samples).expect("WAV written");
        }
    };
    let sent = speech(SECONDS);
    write("sent.wav", &sent);

    println!(
        "| network | mouth to ear, ms | playout delay, ms | constant optimum | adaptive optimum | missing | late | concealed | worst gap, ms | STOI | stretched |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, weather) in NETWORKS {
        if !name.contains(&only) {
            continue;
        }
        let mut sums = [0.0; 10];
        for (i, phase) in PHASES_US.into_iter().enumerate() {
            let setup = Setup {
                seed: seed.unwrap_or(1) + i as u64,
                phase: Duration::from_micros(phase),
                ..Setup::default()
            };
            let outcome = run(&setup, sent.clone(), weather);
            write(
                &format!("{}_{i}.wav", name.replace(' ', "_")),
                &outcome.received,
            );
            let (comparison, mouth_to_ear) = outcome.comparison();
            let missing = outcome.missing_share();
            let playable = optimum::first_playable_ms(&outcome.transits_ms);
            let row = [
                mouth_to_ear,
                mouth_to_ear - CODEC_MS,
                optimum::constant_ms(&playable, missing),
                optimum::adaptive_ms(&playable, missing),
                missing * 100.0,
                outcome.late_share() * 100.0,
                outcome.concealed_without_fec() * 100.0,
                outcome.statistics().jitter_buffer.longest_gap_ms.into(),
                comparison.stoi,
                outcome.statistics().jitter_buffer.stretched_ms / SECONDS as f64 / 10.0,
            ];
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value / PHASES_US.len() as f64);
        }
        let [
            mouth_to_ear,
            delay,
            constant,
            adaptive,
            missing,
            late,
            concealed,
            gap,
            stoi,
            stretched,
        ] = sums;
        println!(
            "| {name} | {mouth_to_ear:.0} | {delay:.1} | {constant:.1} | {adaptive:.1} | {missing:.1} % | {late:.1} % | {concealed:.1} % | {gap:.0} | {stoi:.3} | {stretched:.1} % |"
        );
    }
}

//! The networks of `docs/performance.md` on virtual time: what the jitter buffer does with them, and the least delay at which as few frames would be missing.
//! Prints a table in Markdown. `cargo run --release --example playout_delay [SEED [DIRECTORY]]`; what was sent and heard goes into the directory as WAV files.
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

use std::path::Path;

use simulated_call::{NETWORKS, Setup, run, speech};

const SECONDS: usize = 44;
/// What no delay of the buffer can save: a frame's length and the look-ahead of Opus.
const CODEC_MS: f64 = 26.5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|seed| seed.parse().ok());
    let directory = arguments.next();
    let write = |name: &str, samples: &[f32]| {
        if let Some(directory) = &directory {
            let path = Path::new(directory).join(name);
            securecall_quality::write_wav(path, samples).expect("WAV written");
        }
    };
    let sent = speech(SECONDS);
    write("sent.wav", &sent);

    println!(
        "| network | mouth to ear, ms | playout delay, ms | constant optimum | adaptive optimum | missing | late | concealed | worst gap, ms | STOI |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, weather) in NETWORKS {
        let setup = Setup {
            seed: seed.unwrap_or(1),
            ..Setup::default()
        };
        let outcome = run(&setup, sent.clone(), weather);
        write(
            &format!("{}.wav", name.replace(' ', "_")),
            &outcome.received,
        );
        let (comparison, mouth_to_ear) = outcome.comparison();
        let figures = outcome.statistics().jitter_buffer;
        let missing = outcome.missing_share();
        let playable = optimum::first_playable_ms(&outcome.transits_ms);
        println!(
            "| {name} | {mouth_to_ear:.0} | {:.1} | {:.1} | {:.1} | {:.1} % | {:.1} % | {:.1} % | {:.0} | {:.3} |",
            mouth_to_ear - CODEC_MS,
            optimum::constant_ms(&playable, missing),
            optimum::adaptive_ms(&playable, missing),
            missing * 100.0,
            outcome.late_share() * 100.0,
            outcome.concealed_without_fec() * 100.0,
            figures.longest_gap_ms,
            comparison.stoi,
        );
    }
}

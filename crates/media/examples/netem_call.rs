//! A minute of speech over a bad network, on virtual time: prints one JSON object with the figures of the receiving side.
//!
//! 10 % of the packets are lost, each by itself, and each is delayed by 0 to 40 ms more, so that they overtake each other.
//! `cargo run --release --example netem_call [SEED] [OUT.wav]`; with `clean` for the seed, the network is perfect.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    missing_docs
)]

#[path = "../tests/it/simulated_call.rs"]
mod simulated_call;
#[path = "../tests/it/simulated_leg.rs"]
mod simulated_leg;

use std::time::{Duration, Instant};

use securecall_netem::Conditions;
use simulated_call::{Setup, run, speech};

const SECONDS: usize = 60;

fn main() {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "1".to_owned());
    let conditions = match argument.as_str() {
        "clean" => Conditions::default(),
        _ => Conditions {
            loss: 0.1,
            jitter: Duration::from_millis(40),
            ..Conditions::default()
        },
    };
    let setup = Setup {
        seed: argument.parse().unwrap_or(1),
        ..Setup::default()
    };
    let sent = speech(SECONDS);
    let begun = Instant::now();
    let outcome = run(&setup, sent, |_| conditions);
    let spent = begun.elapsed();
    if let Some(path) = std::env::args().nth(2) {
        securecall_quality::write_wav(path, &outcome.received).expect("WAV written");
    }

    let (comparison, mouth_to_ear_ms) = outcome.comparison();
    let statistics = outcome.statistics().jitter_buffer;
    println!(
        "{{\"playout_delay_median_ms\":{:.1},\"playout_delay_p95_ms\":{:.1},\"concealed_without_fec_fraction\":{:.4},\"longest_gap_ms\":{:.1},\
         \"stoi\":{:.3},\"stoi_one_delay\":{:.3},\"mouth_to_ear_median_ms\":{mouth_to_ear_ms:.1},\"frames_lost_by_network\":{},\"frames_recovered\":{},\
         \"frames_late\":{},\"stretched_ms\":{:.0},\"cpu_us_per_frame\":{:.1},\"cpu_percent_of_a_core\":{:.2}}}",
        outcome.playout_delay_ms(0.5),
        outcome.playout_delay_ms(0.95),
        outcome.concealed_without_fec(),
        statistics.longest_gap_ms,
        comparison.stoi,
        comparison.stoi_rigid,
        outcome.lost,
        statistics.frames_recovered,
        statistics.frames_late,
        statistics.stretched_ms,
        spent.as_micros() as f64 / (SECONDS * 50) as f64,
        spent.as_secs_f64() / SECONDS as f64 * 100.0,
    );
}

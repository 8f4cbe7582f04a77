//! Speech in a group call, on virtual time: prints one JSON object of what a third member is to the voice of one.
//!
//! * How much later it is heard, in the mix of three, than in a call of two with the same misfortunes.
//! * How it is heard where the path is clear, while another member's path loses 30 % of the packets each way: one encoder serves both.
//!
//! `cargo run --release --example group_call [SEED] [scores]`; with `scores`, PESQ and PLCMOS are computed as well, which needs Python.
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
#[path = "../tests/it/simulated_group.rs"]
mod simulated_group;
#[path = "../tests/it/simulated_leg.rs"]
mod simulated_leg;

use std::path::Path;
use std::time::Duration;

use securecall_interop::{SpeechPair, speech_scores};
use securecall_netem::Conditions;
use securecall_quality::{resample, write_wav_at};
use serde_json::{Value, json};
use simulated_call::speech;
use simulated_group::{Member, group_call};

const SECONDS: usize = 44;
/// PESQ listens at this rate.
const SCORED_RATE: u32 = 16_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(1);
    let with_scores = arguments.next().is_some();

    let voice = speech(SECONDS);
    let turned = voice[voice.len() / 2..]
        .iter()
        .chain(&voice[..voice.len() / 2]);
    let beside = turned.map(|sample| 0.3 * sample).collect();
    let silence = vec![0.0; voice.len()];
    let conditions = Conditions {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        ..Conditions::default()
    };
    let voices = [voice.clone(), silence.clone(), beside];
    let two = group_call(seed, &voices[..2], |_, _| conditions);
    let three = group_call(seed, &voices, |_, _| conditions);
    let [of_two, of_three] = [two, three].map(|call| call[1].hears(&call[0]).1);

    let steady = Conditions {
        delay: Duration::from_millis(20),
        ..Conditions::default()
    };
    let voices = [voice, silence.clone(), silence];
    let [beside_clear, beside_lossy] = [0.0, 0.3].map(|loss| {
        let call = group_call(seed, &voices, |from, to| Conditions {
            loss: if from + to == 1 { loss } else { 0.0 },
            ..steady
        });
        heard_by_the_third(&call, with_scores)
    });
    let printed = json!({
        "mouth_to_ear_of_two_ms": of_two,
        "mouth_to_ear_of_three_ms": of_three,
        "added_by_the_mixer_ms": of_three - of_two,
        "beside_a_clear_leg": beside_clear,
        "beside_a_leg_with_30_percent_loss": beside_lossy,
    });
    println!("{printed}");
}

/// How the third hears the first.
fn heard_by_the_third(call: &[Member], with_scores: bool) -> Value {
    let (comparison, mouth_to_ear_ms) = call[2].hears(&call[0]);
    let mut found = json!({
        "mouth_to_ear_ms": mouth_to_ear_ms,
        "stoi": comparison.stoi,
        "stoi_one_delay": comparison.stoi_rigid,
    });
    if with_scores {
        let delay = (comparison.median_delay_ms * 48.0) as usize;
        // Without the time in which the legs find out what their paths are like.
        let from = 10 * 48_000;
        let said = &call[0].said[from..call[0].said.len() - delay];
        let heard = &call[2].heard[from + delay..];
        let folder = std::env::temp_dir().join(format!("group_call.{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let pairs: Vec<SpeechPair> = said
            .chunks(8 * 48_000)
            .zip(heard.chunks(8 * 48_000))
            .enumerate()
            .map(|(number, (said, heard))| SpeechPair {
                reference: written(&folder, &format!("{number}-said.wav"), said),
                degraded: written(&folder, &format!("{number}-heard.wav"), heard),
            })
            .collect();
        let scores = speech_scores(&pairs).expect("scores");
        let _ = std::fs::remove_dir_all(folder);
        found["pesq"] = mean(scores.iter().filter_map(|it| it.pesq));
        found["plcmos"] = mean(scores.iter().map(|it| it.plcmos));
    }
    found
}

fn written(folder: &Path, name: &str, samples: &[f32]) -> std::path::PathBuf {
    let path = folder.join(name);
    write_wav_at(&path, &resample(samples, 48_000, SCORED_RATE), SCORED_RATE).expect("WAV written");
    path
}

fn mean(values: impl Iterator<Item = f64>) -> Value {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    json!(sum / count)
}

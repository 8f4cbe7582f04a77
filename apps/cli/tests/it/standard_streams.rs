//! A voice over standard input and output, as in a pipeline of shell commands.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::command::text;
use crate::talker::User;

/// 10 ms of s16le at 48 kHz, mono.
const TICK_BYTES: usize = 960;
/// As loud as a tone of the program's own: amplitude 0.25.
const LOUD: i16 = 8192;

/// 10 ms of a square wave of 500 Hz.
fn square_tick() -> Vec<u8> {
    let sample = |index: usize| {
        if (index / 48).is_multiple_of(2) {
            LOUD
        } else {
            -LOUD
        }
    };
    (0..TICK_BYTES / 2)
        .flat_map(|index| sample(index).to_le_bytes())
        .collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a microphone gives 10 ms of sound in 10 ms"
)]
fn a_voice_comes_from_standard_input_and_goes_to_standard_output() {
    let (ada, bo) = User::acquainted();
    let recording = bo.machine.file("heard.wav", "");
    let mut callee = bo.start(&[
        "listen",
        "--answer",
        "contacts",
        "--once",
        "--mic",
        "tone:440",
        "--speaker",
        text(&recording),
    ]);
    callee.wait_for("ready");

    let mut caller = ada
        .machine
        .command(&["call", "peer", "--mic", "-", "--speaker", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut voice = caller.stdin.take().unwrap();
    let speaking = thread::spawn(move || {
        // Until the program ends and the pipe breaks.
        while voice.write_all(&square_tick()).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let listening = thread::spawn(move || caller.wait_with_output().unwrap());
    callee.wait_for("first_audio");
    // Figures come each second.
    callee.so_far();
    for _ in 0..3 {
        callee.wait_for("stats");
    }
    callee.order("hangup");
    let ended = listening.join().unwrap();
    speaking.join().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(
        told.contains("end-to-end encrypted"),
        "events go to standard error: {told}"
    );

    let samples: Vec<i16> = ended
        .stdout
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let loud = |samples: &[i16]| {
        samples
            .iter()
            .filter(|sample| sample.unsigned_abs() > 3000)
            .count()
    };
    assert!(samples.len() > 48_000, "{} samples", samples.len());
    assert!(
        loud(&samples) > 10_000,
        "{} of {}",
        loud(&samples),
        samples.len()
    );

    assert_eq!(callee.end().0, 0);
    let mut bytes = Vec::new();
    std::fs::File::open(&recording)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let heard: Vec<i16> = hound::WavReader::new(&bytes[..])
        .unwrap()
        .samples::<i16>()
        .map(Result::unwrap)
        .collect();
    assert!(loud(&heard) > 10_000, "{} of {}", loud(&heard), heard.len());
}

#[test]
fn a_voice_on_standard_input_leaves_no_room_for_orders() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.start(&[
        "call",
        "peer",
        "--duration",
        "1",
        "--mic",
        "-",
        "--speaker",
        "null",
    ]);
    caller.wait_for("connected");
    // It is sound, not an order; the call goes on until its time is over.
    caller.order("hangup");
    let (code, rest) = caller.end();
    assert_eq!(code, 0);
    assert!(
        rest.iter().all(|event| event["event"] != "error"),
        "{rest:?}"
    );
    let duration = crate::talker::last(&rest, "ended")["duration_ms"]
        .as_u64()
        .unwrap();
    assert!(duration >= 1000, "{duration}");
}

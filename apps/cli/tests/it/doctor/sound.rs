//! Sound cards, as far as a machine without one can have them.

use std::process::Stdio;

use securecall_interop::SoundServer;

use super::{Told, says};
use crate::command::{Machine, end};

/// Runs of `doctor` of which one tells all of both sound cards: the first on a machine with time.
const RUNS: usize = 25;

/// ALSA's devices that are none: one is silent for ever, the other delivers noise.
#[test]
fn a_sound_card_that_is_muted_is_told_from_one_that_delivers_sound() {
    let (machine, _) = Machine::with_identity();
    let run = |sound: &str| {
        let file = machine.file(".asoundrc", format!("pcm.!default {{ {sound} }}\n"));
        let mut command = machine.command(&["--json", "doctor"]);
        command
            .env("HOME", file.parent().unwrap())
            .stdin(Stdio::null());
        Told::of(&end(&mut command))
    };
    let told = run("type null");
    assert_eq!(told.code, 6);
    assert!(
        told.wrong().contains(&("microphone", "audio_unavailable")),
        "{:?}",
        told.wrong()
    );
    says(told.check("microphone"), "help", "muted");
    assert_eq!(told.check("speaker")["ok"], true);
    let told = run("type file slave.pcm null file /dev/null infile /dev/urandom");
    assert_eq!(told.check("microphone")["ok"], true, "{:#?}", told.checks);
    says(told.check("microphone"), "message", "0 dBFS");
    // There is none at all.
    let told = run("type hw card 99");
    assert_eq!(told.code, 6);
    for name in ["microphone", "speaker"] {
        assert_eq!(told.check(name)["kind"], "audio_unavailable", "{name}");
        says(told.check(name), "message", "this machine has no");
    }
}

/// Whether both cards ran for long enough to be told of, and their callbacks in time: sound that a card comes too late for
/// counts as not late at all.
fn is_whole(told: &Told) -> bool {
    ["microphone", "speaker"].iter().all(|name| {
        let latency_ms = told.check(name)["latency_ms"].as_f64();
        latency_ms.is_some_and(|ms| ms >= 1.0)
    })
}

#[test]
fn a_sound_card_is_told_with_its_rate_and_how_late_it_is() {
    let (machine, _) = Machine::with_identity();
    let server = SoundServer::start(&["loop"]).unwrap();
    server
        .control(&["load-module", "module-sine", "sink=loop", "frequency=440"])
        .unwrap();
    let run = |arguments: &[&str]| {
        let mut command = machine.command(&[&["--json", "doctor"], arguments].concat());
        command.envs(server.environment()).stdin(Stdio::null());
        Told::of(&end(&mut command))
    };
    let devices = ["--mic", "card:loop", "--speaker", "card:loop"];
    for arguments in [&[][..], &devices[..]] {
        // A busy machine may keep a card from starting in the time that `doctor` has, or from running evenly.
        let told = (1..RUNS)
            .map(|_| run(arguments))
            .find(is_whole)
            .unwrap_or_else(|| run(arguments));
        for name in ["microphone", "speaker"] {
            let check = told.check(name);
            assert_eq!(check["ok"], true, "{check:#}");
            assert_eq!(check["sample_rate"], 48_000, "{check:#}");
            let latency_ms = check["latency_ms"].as_f64().unwrap();
            assert!(latency_ms >= 1.0, "{check:#}");
            says(check, "message", "48 kHz, ");
            says(check, "message", " ms late");
        }
    }
    let told = run(&["--mic", "card:headset"]);
    says(told.check("microphone"), "message", "\"headset\"");
    says(told.check("microphone"), "message", "\"loop\"");
}

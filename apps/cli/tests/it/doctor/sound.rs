//! Sound cards, as far as a machine without one can have them.

use std::process::Stdio;

use super::{Told, says};
use crate::command::{Machine, end};

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

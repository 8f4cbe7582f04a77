//! What a person at a terminal sees, and the keys that work.

use securecall_interop::SoundServer;

use crate::command::Machine;
use crate::pseudo_terminal::PseudoTerminal;
use crate::talker::User;

const AUDIO: [&str; 4] = ["--mic", "tone:440", "--speaker", "null"];

fn at_a_terminal(user: &User, arguments: &[&str]) -> PseudoTerminal {
    PseudoTerminal::run(user.machine.command(&[arguments, &AUDIO].concat()))
}

#[test]
fn a_call_shows_who_how_it_is_protected_and_the_words_and_keys_mute_and_hang_up() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--once"]);
    callee.wait_for("ready");
    let mut caller = at_a_terminal(&ada, &["call", "peer"]);
    caller.wait_for("ringing");
    assert!(caller.has_the_screen());
    callee.wait_for("incoming");
    callee.order("answer");
    let words = callee.wait_for("connected")["safety_words"].clone();
    let words: Vec<&str> = words
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let shown = caller.wait_for(&words.join("  "));
    for part in [
        "peer",
        &bo.id,
        "connected",
        "end-to-end encrypted (securecall)",
        "route direct",
    ] {
        assert!(shown.contains(part), "no {part}:\n{shown}");
    }
    // Our tone is seen in the meter.
    caller.wait_for("████████████");

    caller.press("m");
    assert_eq!(callee.wait_for("muted")["muted"], true);
    caller.wait_for("muted");
    caller.press("m");
    assert_eq!(callee.wait_for("muted")["muted"], false);
    callee.order("mute");
    caller.wait_for("muted");
    // Which sound cards there are is the machine's affair, but the default one is always offered.
    caller.press("d");
    caller.wait_for("Microphone: default");
    caller.press("\u{1b}[A");
    caller.wait_for("Speaker: ");
    caller.press("\u{1b}");
    caller.wait_for("hang up");
    caller.press("q");
    let (code, left) = caller.end();
    assert_eq!(code, 0, "{left}");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_key_shows_the_sound_cards_and_takes_one() {
    let server = SoundServer::start(&["built_in", "headset"]).unwrap();
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--once", "--answer", "contacts"]);
    callee.wait_for("ready");
    let mut command = ada
        .machine
        .command(&[&["call", "peer"], &AUDIO[..]].concat());
    command.envs(server.environment());
    let mut caller = PseudoTerminal::run(command);
    caller.wait_for("connected");
    callee.wait_for("first_audio");
    let streams = || {
        let streams = server.control(&["list", "sink-inputs"]).unwrap();
        streams.matches("Sink Input #").count()
    };
    assert_eq!(streams(), 0);
    caller.press("d");
    let mut shown = caller.wait_for("Microphone: default");
    let mut number = 1;
    while !shown.contains("Speaker: headset") {
        number += 1;
        assert!(number < 64, "{shown}");
        caller.press("\u{1b}[B");
        shown = caller.wait_for(&format!("  {number} of "));
    }
    caller.press("\r");
    caller.wait_for("the speaker is now card:headset");
    // The server may list it a moment later.
    assert!((0..1_000).any(|_| streams() == 1));
    caller.press("q");
    let (code, left) = caller.end();
    assert_eq!(code, 0, "{left}");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_terminal_that_takes_nothing_holds_up_nothing() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--once", "--answer", "contacts"]);
    callee.wait_for("ready");
    let mut caller = at_a_terminal(&ada, &["call", "peer"]);
    caller.wait_for("connected");
    callee.wait_for("first_audio");
    caller.stop(true);
    // More pictures than a terminal keeps for its reader; then keys that must be obeyed all the same.
    caller.press(&"\u{c}".repeat(200));
    caller.press("m");
    assert_eq!(callee.wait_for("muted")["muted"], true);
    caller.press("m");
    assert_eq!(callee.wait_for("muted")["muted"], false);
    // The newest picture comes when it goes on.
    caller.press("m");
    assert_eq!(callee.wait_for("muted")["muted"], true);
    caller.stop(false);
    caller.wait_for("unmute");
    caller.press("q");
    let (code, left) = caller.end();
    assert_eq!(code, 0, "{left}");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn who_listens_at_a_terminal_answers_and_declines_with_keys() {
    let (ada, bo) = User::acquainted();
    let mut callee = at_a_terminal(&bo, &["listen"]);
    callee.wait_for("Waiting for calls");

    let mut caller = ada.talk(&["call", "peer"]);
    let shown = callee.wait_for("is calling");
    assert!(shown.contains("peer") && shown.contains(&ada.id), "{shown}");
    callee.press("a");
    caller.wait_for("connected");
    callee.wait_for("Safety words");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    callee.wait_for("ended");

    let caller = ada.talk(&["call", "peer"]);
    callee.wait_for("is calling");
    callee.press("r");
    assert_eq!(caller.end().0, 4);
    callee.wait_for("declined");
    callee.press("q");
    let (code, left) = callee.end();
    assert_eq!(code, 0, "{left}");
}

#[test]
fn an_interrupt_gives_the_terminal_back() {
    let ada = User::new();
    let mut listener = at_a_terminal(&ada, &["listen"]);
    listener.wait_for("Waiting for calls");
    // In raw mode Ctrl-C is a key.
    listener.press("\u{3}");
    assert_eq!(listener.end().0, 130);
}

#[test]
fn a_phrase_may_be_pasted_in_several_lines() {
    let first = Machine::new();
    let identity = first.json(&["id", "new"]).remove(0);
    let phrase = identity["phrase"].as_str().unwrap();
    let words: Vec<&str> = phrase.split(' ').collect();
    let second = Machine::new();
    let mut restoring = PseudoTerminal::run(second.command(&["id", "restore"]));
    restoring.wait_for("24 words");
    for line in words.chunks(6) {
        restoring.press(&format!("{}\n", line.join(" ")));
    }
    let (code, shown) = restoring.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("18 more"), "{shown}");
    assert!(shown.contains(identity["id"].as_str().unwrap()), "{shown}");
    // One word may be one that is shown anyway.
    assert!(
        !shown.contains(&words[..2].join(" ")),
        "the phrase is not shown: {shown}"
    );
}

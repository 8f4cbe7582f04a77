//! What goes wrong around a running call: readers that stall, servers that hang, peers that die.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use securecall_interop::{Synapse, SynapseOptions};
use serde_json::Value;

use crate::talker::{User, last};

/// A pipe that holds as much as it can, so that the next byte written to it waits for a reader.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let blocking = |blocks: bool| {
        let flags = if blocks { 0 } else { libc::O_NONBLOCK };
        // SAFETY: the descriptor is open, and only its flags are set.
        let set = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, flags) };
        assert_eq!(set, 0);
    };
    blocking(false);
    let mut filler = writer.try_clone().unwrap();
    while filler.write(&[b'\n'; 4096]).is_ok() {}
    while filler.write(b"\n").is_ok() {}
    blocking(true);
    writer.flush().unwrap();
    (reader, writer)
}

#[test]
fn a_reader_that_stalls_holds_up_neither_a_call_nor_its_end() {
    let (ada, bo) = User::acquainted();
    let (reader, writer) = full_pipe();
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let arguments = [&["--json", "listen", "--answer", "contacts"], &audio[..]].concat();
    let mut listener = bo
        .machine
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(writer))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    // The listener may know a moment later that it is connected, and takes this order no sooner.
    let mut orders = listener.stdin.take().unwrap();
    let is_verified = || bo.machine.json(&["contact", "list"])[0]["verified"] == true;
    while !is_verified() {
        orders.write_all(b"verify\n").unwrap();
    }
    let process = libc::pid_t::try_from(listener.id()).unwrap();
    // SAFETY: a signal to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);

    // The peer is told, and the process ends, although nobody has read a line.
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("remote_hangup"))
    );
    assert_eq!(listener.wait().unwrap().code(), Some(0));
    drop(reader);
}

/// Lines that are no orders, each of which is an event: more than wait for a reader.
const NONSENSE: usize = 3000;

#[test]
fn a_reader_that_stalls_for_long_ends_no_call_and_is_told_what_it_missed() {
    let (ada, bo) = User::acquainted();
    let (reader, writer) = full_pipe();
    let (_stalled, stalled) = full_pipe();
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let arguments = [
        &["--json", "listen", "--answer", "contacts", "--once"],
        &audio[..],
    ]
    .concat();
    let mut listener = bo
        .machine
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(stalled)
        .spawn()
        .unwrap();
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");

    let mut orders = listener.stdin.take().unwrap();
    orders.write_all(&b"nonsense\n".repeat(NONSENSE)).unwrap();
    orders.write_all(b"mute\n").unwrap();
    // So everything before was read, nobody has read a line of its answers, and the call goes on.
    assert_eq!(caller.wait_for("muted")["muted"], true);
    orders.write_all(b"unmute\n").unwrap();
    assert_eq!(caller.wait_for("muted")["muted"], false);

    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // The pipe was full of empty ones.
            if !line.is_empty() {
                let _ = sender.send(serde_json::from_str::<Value>(&line).unwrap());
            }
        }
    });
    let mut told: Vec<Value> = Vec::new();
    let left_out = loop {
        let event = lines.recv().unwrap();
        match event["events"].as_u64() {
            Some(count @ 1..) => break usize::try_from(count).unwrap(),
            _ => told.push(event),
        }
    };
    let count = |name: &str| told.iter().filter(|event| event["event"] == name).count();
    for name in ["ready", "incoming", "connected", "first_audio"] {
        assert_eq!(count(name), 1, "{name}");
    }
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    let rest: Vec<Value> = lines.iter().collect();
    assert_eq!(last(&rest, "ended")["reason"], "remote_hangup");
    assert_eq!(listener.wait().unwrap().code(), Some(0));
    // The two changes of mute may be among what is missing.
    let all = count("error") + left_out;
    assert!(
        (NONSENSE..=NONSENSE + 2).contains(&all),
        "{} and {left_out}",
        count("error")
    );
}

#[test]
fn an_interrupt_while_the_homeserver_does_not_answer_ends_the_program() {
    let mut homeserver = Synapse::start(SynapseOptions::default()).unwrap();
    let ada = User::of(&homeserver);
    let address = homeserver.address();
    homeserver.stop().unwrap();
    let silent = TcpListener::bind(address).unwrap();

    let listener = ada.talk(&["listen"]);
    let (_connection, _) = silent.accept().unwrap();
    listener.signal(libc::SIGINT);
    assert_eq!(listener.end().0, 130);
}

#[test]
fn a_peer_that_dies_in_a_call_is_missed_then_given_up() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    drop(callee);
    caller.wait_for("reconnecting");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (5, &Value::from("ice_timeout"))
    );
}

#[test]
fn whoever_is_in_a_call_is_busy_for_others() {
    let (ada, bo) = User::acquainted();
    let cleo = User::new();
    cleo.add(&bo, "peer");
    bo.add(&cleo, "cleo");
    let mut callee = bo.talk(&["listen", "--answer", "contacts"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("connected");
    callee.wait_for("connected");

    let (code, rest) = cleo.talk(&["call", "peer"]).end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &Value::from("busy"))
    );
    assert_eq!(callee.wait_for("missed")["peer"]["id"], cleo.id);
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
}

#[test]
fn a_call_that_cannot_be_remembered_is_missed_until_it_can() {
    let (ada, bo) = User::acquainted();
    // A folder is in the way of the file.
    let in_the_way = bo.machine.profile().join("replay-memory.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    assert_eq!(callee.wait_for("error")["kind"], "storage_failed");
    let missed = callee.wait_for_any(&["missed", "incoming", "connected"]);
    assert_eq!(
        (&missed["event"], &missed["why"]),
        (&Value::from("missed"), &Value::from("storage_failed"))
    );
    caller.order("hangup");
    assert_eq!(caller.wait_for("ended")["reason"], "cancelled");

    std::fs::remove_dir(&in_the_way).unwrap();
    let mut caller = ada.talk(&["call", "peer"]);
    callee.wait_for("incoming");
    caller.wait_for("connected");
    // A call that is hung up before this side is connected, too, is missed.
    callee.wait_for("connected");
    caller.order("hangup");
    assert_eq!((caller.end().0, callee.end().0), (0, 0));
}

//! Output that cannot be written: closed from the start, a reader that has gone, a full disk.

#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use securecall_interop::hand_on;
use serde_json::Value;

use crate::command::{Ended, Machine, end, expect, pipe_without_reader};
use crate::talker::User;

/// Where standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// Nowhere: the shell closed it.
    Closed,
    /// A disk without room.
    FullDisk,
    /// A pipe whose reader has gone.
    BrokenPipe,
}

fn run(machine: &Machine, arguments: &[&str], to: To) -> Ended {
    let mut command = machine.command(arguments);
    match to {
        To::Closed => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "exec \"$0\" \"$@\" >&-"]);
            hand_on(&command, &mut shell);
            command = shell;
        }
        To::FullDisk => {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            command.stdout(full);
        }
        To::BrokenPipe => {
            command.stdout(pipe_without_reader());
        }
    }
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe has no other writer.
    drop(command);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::new(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn an_identity_whose_phrase_is_not_seen_is_not_made() {
    let machine = Machine::new();
    for to in [To::Closed, To::FullDisk, To::BrokenPipe] {
        for arguments in [&["id", "new"][..], &["--json", "id", "new"]] {
            let ended = run(&machine, arguments, to);
            assert_eq!(ended.code, 6, "{to:?} {ended:?}");
            assert!(
                ended.stderr.contains("no identity was made"),
                "{to:?} {ended:?}"
            );
            expect(machine.refused(&["id", "show"]), 2, "no_identity");
        }
    }
    machine.json(&["id", "new"]);
}

#[test]
fn a_command_that_is_for_its_output_fails_without_it() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["contact", "add", "@bo:example.org"]);
    for arguments in [
        &["id", "show"][..],
        &["--json", "id", "show"],
        &["contact", "share"],
        &["contact", "list"],
        &["contact", "add", "@cy:example.org"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        for to in [To::Closed, To::FullDisk] {
            let ended = run(&machine, arguments, to);
            assert_eq!(ended.code, 6, "{arguments:?} {to:?} {ended:?}");
            assert!(
                ended.stderr.contains("standard output cannot be written"),
                "{arguments:?} {to:?} {ended:?}"
            );
        }
        let ended = run(&machine, arguments, To::BrokenPipe);
        assert_eq!(ended.code, 141, "{arguments:?} {ended:?}");
    }
    // What it did besides is done.
    assert_eq!(machine.json(&["contact", "list"]).len(), 2);
}

#[test]
fn a_pipe_that_somebody_has_made_non_blocking_gets_every_line() {
    let machine = Machine::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the descriptor is open; its flags and the size of its pipe are set.
    let set = unsafe {
        libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) == 0
            && libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) >= 4096
    };
    assert!(set);
    let mut command = machine.command(&["man"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(command);
    // Nothing is read before the pipe is full and the program waits, or has ended.
    let waits = || {
        let mut held: libc::c_int = 0;
        // SAFETY: the descriptor is open, and the count is written.
        let asked = unsafe { libc::ioctl(reader.as_raw_fd(), libc::FIONREAD, &raw mut held) };
        let status = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let state = status.rsplit_once(") ").unwrap().1.chars().next();
        assert_eq!(asked, 0);
        state == Some('Z') || (held >= 4096 && state == Some('S'))
    };
    while !waits() {
        std::thread::yield_now();
    }
    let mut page = String::new();
    reader.read_to_string(&mut page).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(page.len() > 3 * 4096, "{}", page.len());
    assert_eq!(page, machine.run(&["man"]).stdout);
}

#[test]
fn a_file_gets_the_whole_phrase() {
    let machine = Machine::new();
    let path = machine.file("phrase", "");
    let mut command = machine.command(&["id", "new"]);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    command.stdin(Stdio::null()).stdout(file);
    assert_eq!(command.status().unwrap().code(), Some(0));
    let written = std::fs::read_to_string(&path).unwrap();
    let mut lines = written.lines();
    let shown = end(machine.command(&["id", "show"]).stdin(Stdio::null()));
    assert_eq!(lines.next(), Some(shown.stdout.trim_end()));
    assert_eq!(lines.next().unwrap().split(' ').count(), 24);
}

#[test]
fn a_full_disk_behind_standard_output_ends_no_call_and_is_told() {
    let (ada, bo) = User::acquainted();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let arguments = [
        &["--json", "listen", "--answer", "contacts", "--once"],
        &audio[..],
    ]
    .concat();
    let listener = bo
        .machine
        .command(&arguments)
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    caller.order("hangup");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &crate::talker::last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    let output = listener.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{told}");
    for part in ["warning: standard output cannot be written", "error: "] {
        assert_eq!(told.matches(part).count(), 1, "{told}");
    }
}

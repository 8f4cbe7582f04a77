//! A command that finds the profile in use by another that is about to end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};

use crate::command::{Ended, Machine, expect};
use crate::talker::{User, homeserver};

/// Holds the account's lock, as a command that runs does, until it is dropped.
fn held(machine: &Machine) -> File {
    let path = machine.profile().join("session.lock");
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).read(true).write(true);
    let file = options.open(path).unwrap();
    file.lock().unwrap();
    file
}

/// A command that has said that it waits.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Waiting {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let mut command = machine.command(&[&["--json"], arguments].concat());
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        assert!(said.contains("waiting a moment for it to end"), "{said}");
        Self {
            child,
            stderr,
            said,
        }
    }

    fn end(mut self) -> Ended {
        let mut stderr = self.said;
        self.stderr.read_to_string(&mut stderr).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr,
        }
    }
}

/// Of two that wait, the second knows what the first has done.
fn one_of_two(machine: &Machine, arguments: &[&str], kind: &str) {
    let lock = held(machine);
    let waiting = [(); 2].map(|()| Waiting::start(machine, arguments));
    drop(lock);
    let ended = waiting.map(Waiting::end);
    let (done, refused): (Vec<_>, Vec<_>) = ended.into_iter().partition(|ended| ended.code == 0);
    let ([done], [refused]) = (&done[..], &refused[..]) else {
        panic!("one of the two: {done:?} {refused:?}");
    };
    assert_eq!(done.events()[0]["event"], "account");
    expect(refused.error(), 2, kind);
}

#[test]
fn a_command_goes_on_once_the_one_before_has_let_go_and_sees_what_that_has_changed() {
    let (machine, _) = Machine::with_identity();
    let url = homeserver().base_url();
    let register = ["register", "--homeserver", &url];
    one_of_two(&machine, &register, "account_exists");
    one_of_two(&machine, &["logout"], "no_account");
}

#[test]
fn one_that_is_held_for_long_is_said_to_be_in_use() {
    let user = User::new();
    let _lock = held(&user.machine);
    let ended = Waiting::start(&user.machine, &["listen"]).end();
    expect(ended.error(), 6, "profile_in_use");
}

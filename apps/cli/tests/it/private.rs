//! What others of this machine may see: nothing of the profile's directory, and no image of the memory.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::command::{Machine, expect};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_profile_directory_that_others_can_look_into_is_closed_and_that_is_said() {
    let (machine, id) = Machine::with_identity();
    open_to_all(&machine.profile());
    let shown = machine.run(&["id", "show"]);
    assert_eq!((shown.code, shown.stdout.trim()), (0, id.as_str()));
    assert!(shown.stderr.contains("closed"), "{shown:?}");
    assert_eq!(mode(&machine.profile()), 0o700);
    // Once.
    assert_eq!(machine.run(&["id", "show"]).stderr, "");
}

#[test]
fn an_empty_directory_that_was_made_for_the_profile_is_closed() {
    let machine = Machine::new();
    fs::create_dir(machine.profile()).unwrap();
    open_to_all(&machine.profile());
    machine.json(&["id", "new"]);
    assert_eq!(mode(&machine.profile()), 0o700);
}

#[test]
fn a_directory_that_holds_other_things_is_not_ours_to_close() {
    for with_profile in [false, true] {
        let machine = Machine::new();
        fs::create_dir(machine.profile()).unwrap();
        if with_profile {
            machine.json(&["id", "new"]);
        }
        fs::write(machine.profile().join("photo.jpeg"), "").unwrap();
        open_to_all(&machine.profile());
        let error = expect(machine.refused(&["id", "show"]), 6, "storage_failed");
        assert!(error["help"].as_str().unwrap().contains("--profile"));
        expect(machine.refused(&["id", "new"]), 6, "storage_failed");
        assert_eq!(mode(&machine.profile()), 0o755);
        assert_eq!(
            machine.profile().join("profile.json").exists(),
            with_profile
        );
    }
}

#[test]
fn what_an_earlier_attempt_has_left_open_does_not_open_the_store() {
    let machine = Machine::new();
    fs::create_dir(machine.profile()).unwrap();
    let left_over = machine.profile().join("profile.new");
    fs::write(&left_over, "").unwrap();
    fs::set_permissions(&left_over, Permissions::from_mode(0o666)).unwrap();
    machine.json(&["id", "new"]);
    assert_eq!(mode(&machine.profile().join("profile.json")), 0o600);
}

/// The limit on core dumps of a process, soft and hard.
#[cfg(target_os = "linux")]
fn core_limits(process: u32) -> Option<Vec<String>> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))?;
    let words = line.split_whitespace().skip(4).take(2);
    Some(words.map(str::to_owned).collect())
}

#[cfg(target_os = "linux")]
#[expect(
    clippy::disallowed_methods,
    reason = "a process says by nothing but this that it has begun"
)]
#[test]
fn the_command_leaves_no_core_and_others_cannot_look_into_it() {
    const NOBODY: u32 = 65_534;
    let program = fs::File::open(env!("CARGO_BIN_EXE_securecall")).unwrap();
    // By descriptor, for somebody else may not get to where it lies. It waits for its phrase.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command
        .args(["--profile", "/nonexistent/profile", "id", "restore"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // SAFETY: geteuid only reads. What is root's looks the same with and without protection, so root runs it as somebody else.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().unwrap();
    let zero = || core_limits(child.id()).is_some_and(|limits| limits == ["0", "0"]);
    let owner = || {
        fs::metadata(format!("/proc/{}/mem", child.id()))
            .unwrap()
            .uid()
    };
    // Only a test that fails waits so long.
    let is_protected = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        zero() && owner() == 0
    });
    assert!(is_protected, "{:?}, {}", core_limits(child.id()), owner());
    drop(child.stdin.take().unwrap().write_all(b"no phrase"));
    child.wait().unwrap();
}

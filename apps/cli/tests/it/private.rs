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

use crate::command::{Machine, end, expect, text};

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

/// The program as somebody who is not root.
#[cfg(target_os = "linux")]
fn not_as_root(program: &fs::File, arguments: &[&str]) -> Command {
    const NOBODY: u32 = 65_534;
    // By descriptor, for somebody else may not get to where it lies.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.args(arguments);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    // SAFETY: geteuid only reads, and never fails.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_of_somebody_else_is_refused() {
    let program = fs::File::open(env!("CARGO_BIN_EXE_securecall")).unwrap();
    // Root's, and everybody may look into it.
    let mut places = vec![std::path::PathBuf::from("/")];
    let machine = Machine::new();
    if is_root() {
        // Root's, with nothing in it that could be a reason, too.
        fs::create_dir(machine.profile()).unwrap();
        open_to_all(&machine.profile());
        open_to_all(machine.profile().parent().unwrap());
        places.push(machine.profile());
    }
    for place in places {
        for task in ["show", "new"] {
            let arguments = ["--json", "--profile", text(&place), "id", task];
            let mut command = not_as_root(&program, &arguments);
            command
                .env("SECURECALL_PASSPHRASE", "correct horse")
                .stdin(Stdio::null());
            let error = expect(end(&mut command).error(), 6, "storage_failed");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("belongs to another user"), "{error}");
            assert!(!place.join("profile.json").exists());
        }
    }
}

/// A volume in a container, say.
#[test]
fn root_may_use_what_is_somebodys() {
    let (machine, id) = Machine::with_identity();
    if is_root() {
        std::os::unix::fs::chown(machine.profile(), Some(12_345), None).unwrap();
    }
    let shown = machine.run(&["id", "show"]);
    assert_eq!((shown.code, shown.stdout.trim()), (0, id.as_str()));
}

#[cfg(target_os = "linux")]
#[expect(
    clippy::disallowed_methods,
    reason = "a process says by nothing but this that it has begun"
)]
#[test]
fn the_command_leaves_no_core_and_others_cannot_look_into_it() {
    let program = fs::File::open(env!("CARGO_BIN_EXE_securecall")).unwrap();
    // It waits for its phrase. What is root's looks the same with and without protection, so root runs it as somebody else.
    let arguments = ["--profile", "/nonexistent/profile", "id", "restore"];
    let mut command = not_as_root(&program, &arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
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

//! What runs in a network ends with it, and nothing is left.

#![expect(clippy::disallowed_methods, reason = "waits for real processes")]

use std::{
    os::unix::process::ExitStatusExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use securecall_interop::network::{Delay, Nat, Network, NetworkError};

const SIGKILL: i32 = 9;

fn listed() -> String {
    let list = Command::new("ip").args(["netns", "list"]).output().unwrap();
    String::from_utf8(list.stdout).unwrap()
}

#[test]
fn programs_run_in_their_host_and_end_with_the_network() {
    let network = Network::new().unwrap();
    let host = network.internet().host("host").unwrap();
    let shown = host
        .run(Command::new("ip").args(["-brief", "address"]))
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&host.address().to_string()), "{shown}");
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 1000 & wait"]).stdin(Stdio::null());
    let mut program = host.spawn(&mut shell).unwrap();
    drop(network);
    assert_eq!(program.wait().unwrap().signal(), Some(SIGKILL));
    assert!(matches!(host.udp_socket(), Err(NetworkError::TornDown)));
}

#[test]
fn nothing_is_left_of_a_network_after_a_panic_either() {
    let mut names = Vec::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let network = Network::new().unwrap();
        let home = network.internet().nat("home", Nat::full_cone()).unwrap();
        let host = home.host("host").unwrap();
        host.link().set_delay(Delay::default(), 0).unwrap();
        names = network.namespaces();
        assert!(names.iter().all(|name| listed().contains(name)));
        panic!("as a test that fails");
    }));
    assert!(panic.is_err());
    assert_eq!(names.len(), 3);
    let left = listed();
    assert!(!names.iter().any(|name| left.contains(name)), "{left}");
}

#[test]
fn what_a_killed_process_left_goes_when_the_next_network_is_made() {
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let name = format!("securecall-{}-0-left", dead.id());
    assert!(
        Command::new("ip")
            .args(["netns", "add", &name])
            .status()
            .unwrap()
            .success()
    );
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &name, "sleep", "1000"]);
    let mut program = inside.spawn().unwrap();
    // Until it is inside: `ip` becomes what it executes.
    while !pids_in(&name).contains(&program.id().to_string()) {
        thread::sleep(Duration::from_millis(5));
    }
    let _network = Network::new().unwrap();
    assert!(!listed().contains(&name));
    assert_eq!(program.wait().unwrap().signal(), Some(SIGKILL));
}

fn pids_in(name: &str) -> String {
    let pids = Command::new("ip")
        .args(["netns", "pids", name])
        .output()
        .unwrap();
    String::from_utf8(pids.stdout).unwrap()
}

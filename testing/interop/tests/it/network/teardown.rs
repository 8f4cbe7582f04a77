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
    let mut owner = Command::new("sleep").arg("1000").spawn().unwrap();
    let name = format!("securecall-{}-0-left", owner.id());
    let added = Command::new("ip").args(["netns", "add", &name]).status();
    assert!(added.unwrap().success());
    let mut program = Command::new("ip")
        .args(["netns", "exec", &name, "sleep", "1000"])
        .spawn()
        .unwrap();
    // `ip` becomes what it executes, as soon as it is inside.
    wait_until(|| processes_in(&name).contains(&program.id().to_string()));

    let _while_its_owner_lives = Network::new().unwrap();
    assert!(listed().contains(&name));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let _afterwards = Network::new().unwrap();
    assert_eq!(program.wait().unwrap().signal(), Some(SIGKILL));
    // Somebody else who makes a network may be about to remove it, too.
    wait_until(|| !listed().contains(&name));
}

fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not happen");
}

fn processes_in(name: &str) -> String {
    let listed = Command::new("ip").args(["netns", "pids", name]).output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

//! Standard Matrix calls to people whose server takes its time to answer ours.

use std::process::Command;
use std::time::{Duration, Instant};

use securecall_interop::{Federation, Homeserver, HomeserverKind};
use serde_json::Value;

use crate::ordinary::{Ordinary, OrdinaryAccount};
use crate::talker::last;

/// Longer than any other answer may take.
const LONG: Duration = Duration::from_secs(20);
/// Until a server has done what it was asked for meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that takes connections and answers nobody, until this is dropped.
struct Frozen(String);

impl Frozen {
    fn new(server: &dyn Homeserver) -> Self {
        let process = server.process_id().unwrap().to_string();
        signal("-STOP", &process);
        Self(process)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(which: &str, process: &str) {
    let sent = Command::new("kill").args([which, process]).status();
    assert!(sent.is_ok_and(|it| it.success()));
}

fn rooms(account: &OrdinaryAccount) -> usize {
    let joined = account.ask("GET", "joined_rooms", &Value::Null);
    joined["joined_rooms"].as_array().unwrap().len()
}

#[expect(clippy::disallowed_methods, reason = "real servers take real time")]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let give_up_at = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up_at, "never {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "longer than a time-out in real time"
)]
#[test]
fn who_has_a_slow_server_is_invited_as_long_as_it_takes_and_of_a_call_that_is_given_up_no_room_is_left()
 {
    let servers = Federation::start([HomeserverKind::Synapse; 2]).unwrap();
    let [here, there] = servers.servers();
    let (ada, bo) = (Ordinary::of(here, "ada"), Ordinary::of(there, "bo"));
    let call = ["call", &bo.account.matrix_id, "--require", "any"];

    // Given up while our server still waits for theirs.
    let frozen = Frozen::new(there);
    let mut given_up = ada.talk(&call, "tone:440");
    given_up.wait_for("inviting");
    wait_until("made", || rooms(&ada.account) == 1);
    given_up.order("hangup");
    let (code, rest) = given_up.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &"cancelled".into())
    );
    drop(frozen);
    wait_until("left", || rooms(&ada.account) == 0);
    // A Synapse does not tell another one that an invitation is withdrawn: it stands there, and leads nowhere.

    // Waited for.
    let mut callee = bo.talk(&["listen", "--answer", "auto"], "tone:1000");
    callee.wait_for("ready");
    let frozen = Frozen::new(there);
    let mut caller = ada.talk(&call, "tone:440");
    caller.wait_for("inviting");
    std::thread::sleep(LONG);
    drop(frozen);
    caller.wait_for("first_audio");
    callee.wait_for("first_audio");
    caller.order("hangup");
    assert_eq!(callee.wait_for("ended")["reason"], "remote_hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(rooms(&ada.account), 1);
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_call_to_somebody_whose_server_is_gone_ends_and_leaves_no_room() {
    let mut servers = Federation::start([HomeserverKind::Synapse; 2]).unwrap();
    let [here, there] = servers.servers();
    let (ada, bo) = (Ordinary::of(here, "ada"), Ordinary::of(there, "bo"));
    servers.servers_mut()[1].stop().unwrap();
    let call = ["call", &bo.account.matrix_id, "--require", "any"];
    let (code, rest) = ada.talk(&call, "tone:440").end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &"unreachable".into()),
        "{rest:#?}"
    );
    assert_eq!(rooms(&ada.account), 0);
}

//! What the homeservers keep of a call between their users: that two servers have met, and on a Dendrite whose keys were asked
//! for. Nothing says who called whom.

use std::thread;
use std::time::{Duration, Instant};

use securecall_interop::{DatabaseSnapshot, Difference, Homeserver};

use super::Servers;
use crate::talker::{User, last};

/// How long servers may take to set up their databases, or to forget what they have delivered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom a row may name that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Servers only.
    Nobody,
    /// Whoever is of the other server.
    TheOther,
}

/// The tables in which something stays of a call between two servers. The [threat model](../../../../docs/threat-model.md) has the
/// same ones.
const KEPT: [(&str, Names); 8] = [
    // Synapse: message IDs for 7 days, transactions for 1.
    ("device_federation_inbox", Names::Nobody),
    ("received_transactions", Names::Nobody),
    // The other server's signing keys.
    ("server_keys_json", Names::Nobody),
    ("server_signature_keys", Names::Nobody),
    // Dendrite: the same.
    ("keydb_server_keys", Names::Nobody),
    // Dendrite remembers the devices that one of its users asked for, and when.
    ("keyserver_device_keys", Names::TheOther),
    ("keyserver_key_changes", Names::TheOther),
    ("keyserver_stale_device_lists", Names::TheOther),
];

/// Holds a call, and gives the tables in which something stays, for the caller's and the callee's server.
fn kept_after_a_call(servers: Servers) -> [Vec<String>; 2] {
    let federation = servers.start();
    let sides = servers.sides(federation.servers());
    let (ada, bo) = User::acquainted_at(sides);
    let before = sides.map(settled);
    talk(&ada, &bo);
    let kept_by = |index: usize, own: &User, other: &User| {
        wait_until(|| {
            let report = before[index].compare(&sides[index].snapshot().unwrap());
            let rows: Vec<&Difference> = report.unexplained().collect();
            // What is delivered goes when the other side has said so.
            match rows.iter().find(|row| !may_stay(row, other, own)) {
                Some(row) => Err(row.to_string()),
                None => Ok(tables(&rows)),
            }
        })
    };
    [kept_by(0, &ada, &bo), kept_by(1, &bo, &ada)]
}

fn may_stay(row: &Difference, other: &User, own: &User) -> bool {
    let Some((_, names)) = KEPT.iter().find(|(table, _)| *table == row.table) else {
        return false;
    };
    let is_named = |user: &User| {
        // Blobs are read as hexadecimal digits.
        let in_blob: String = user.id.bytes().map(|byte| format!("{byte:02x}")).collect();
        row.row
            .values()
            .any(|value| value.contains(&user.id) || value.contains(&in_blob))
    };
    !is_named(own) && is_named(other) == (*names == Names::TheOther)
}

fn tables(rows: &[&Difference]) -> Vec<String> {
    let mut tables: Vec<String> = rows.iter().map(|row| row.table.clone()).collect();
    tables.sort();
    tables.dedup();
    tables
}

/// What a server holds once it has done with itself.
fn settled(server: &dyn Homeserver) -> DatabaseSnapshot {
    wait_until(|| {
        let snapshot = server.snapshot().unwrap();
        // Synapse's table; a Dendrite has none.
        match snapshot.row_count("background_updates") {
            None | Some(0) => Ok(snapshot),
            Some(left) => Err(format!("{left} background updates")),
        }
    })
}

/// Looks again and again.
#[expect(
    clippy::disallowed_methods,
    reason = "a server says by nothing else that it has forgotten something"
)]
fn wait_until<T>(look: impl Fn() -> Result<T, String>) -> T {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(left) => assert!(Instant::now() < give_up_at, "{left} is still there"),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn talk(ada: &User, bo: &User) {
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    callee.wait_for("first_audio");
    caller.order("hangup");
    for (talker, reason) in [(caller, "local_hangup"), (callee, "remote_hangup")] {
        let (code, rest) = talker.end();
        assert_eq!((code, &last(&rest, "ended")["reason"]), (0, &reason.into()));
    }
}

const OF_SYNAPSE: [&str; 4] = [
    "device_federation_inbox",
    "received_transactions",
    "server_keys_json",
    "server_signature_keys",
];

const OF_DENDRITE: [&str; 4] = [
    "keydb_server_keys",
    "keyserver_device_keys",
    "keyserver_key_changes",
    "keyserver_stale_device_lists",
];

#[test]
fn two_synapses_keep_that_they_have_met() {
    assert_eq!(
        kept_after_a_call(Servers::Synapses),
        [OF_SYNAPSE, OF_SYNAPSE]
    );
}

#[test]
fn a_dendrite_of_the_callee_keeps_whose_keys_its_user_asked_for() {
    assert_eq!(
        kept_after_a_call(Servers::SynapseToDendrite),
        [OF_SYNAPSE, OF_DENDRITE]
    );
}

#[test]
fn a_dendrite_of_the_caller_keeps_whose_keys_its_user_asked_for() {
    assert_eq!(
        kept_after_a_call(Servers::DendriteToSynapse),
        [OF_DENDRITE, OF_SYNAPSE]
    );
}

#[test]
fn one_dendrite_keeps_nothing() {
    let nothing: [Vec<String>; 2] = Default::default();
    assert_eq!(kept_after_a_call(Servers::OneDendrite), nothing);
}

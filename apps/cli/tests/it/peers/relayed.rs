//! Calls by TURN servers only, on both sides, and through relays of GhostNet on ours.

#[cfg(target_os = "linux")]
use securecall_interop::GhostNetRelays;
use securecall_interop::{Coturn, CoturnUsers, JsSdkDevice, Synapse, SynapseOptions};

use super::{Pair, element_at};
use crate::ordinary::Ordinary;

#[test]
fn both_hear_the_other_by_the_homeservers_turn_server_and_learn_no_other_address() {
    let users = CoturnUsers::SharedSecret("a secret of the two servers".to_owned());
    let coturn = Coturn::start(users, &[]).unwrap();
    let options = SynapseOptions {
        turn: coturn.named(),
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let (ours, theirs) = (Ordinary::of(&synapse, "ada"), element_at(&synapse, true));
    assert_eq!(theirs.ice_servers().unwrap().len(), 1);
    let mut pair = Pair::of(
        ours,
        theirs,
        true,
        &["--answer", "auto", "--route", "relay"],
    );
    let call = pair.talk();
    let path = call.path().unwrap();
    assert_eq!(
        (path.local.as_deref(), path.remote.as_deref()),
        (Some("relay"), Some("relay")),
        "{path:?}"
    );
    assert!(candidates(&pair.theirs, "typ relay", "") >= 2);
    for kind in ["typ host", "typ srflx", "typ prflx"] {
        assert_eq!(candidates(&pair.theirs, kind, ""), 0, "{kind}");
    }
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

/// How many candidates of a kind the two have said so far, as Element has it; of one of them, if a name is given.
fn candidates(element: &JsSdkDevice, kind: &str, of: &str) -> usize {
    let events = element.events().unwrap();
    let said = events.iter().filter(|event| event.sender.contains(of));
    said.map(|event| event.content.to_string().matches(kind).count())
        .sum()
}

/// Element knows nothing of GhostNet: what it is told is an ordinary candidate of a relay, at the exit.
#[cfg(target_os = "linux")]
#[test]
fn both_hear_the_other_where_we_are_behind_two_relays_of_ghostnet() {
    let relays = GhostNetRelays::start(crate::ghostnet::daemon(), 2).unwrap();
    let start = |user: &Ordinary, recording: &std::path::Path, arguments: &[&str]| {
        let mut command = super::command(user, recording, arguments);
        command.envs(relays.environment());
        crate::talker::Talker::start(command)
    };
    let options = ["--answer", "auto", "--route", "ghostnet"];
    let ours = Ordinary::new("ada");
    let mut pair = Pair::by(ours, super::element(), true, &options, start);
    let call = pair.talk();
    let path = call.path().unwrap();
    assert_eq!(path.remote.as_deref(), Some("relay"), "{path:?}");
    let us = pair.ours.account.matrix_id.clone();
    assert!(candidates(&pair.theirs, "typ relay", &us) >= 1);
    for kind in ["typ host", "typ srflx", "typ prflx"] {
        assert_eq!(candidates(&pair.theirs, kind, &us), 0, "{kind}");
    }
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

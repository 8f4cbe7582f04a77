//! Calls by TURN servers only, on both sides.

use securecall_interop::{Coturn, CoturnUsers, Synapse, SynapseOptions, TurnServers};

use super::{Pair, element_at};
use crate::ordinary::Ordinary;

const SECRET: &str = "a secret of the two servers";

#[test]
fn both_hear_the_other_by_the_homeservers_turn_server_and_learn_no_other_address() {
    let users = CoturnUsers::SharedSecret(SECRET.to_owned());
    let coturn = Coturn::start(users, &[]).unwrap();
    let options = SynapseOptions {
        turn: Some(TurnServers {
            uris: vec![format!("turn:{}?transport=udp", coturn.address())],
            shared_secret: SECRET.to_owned(),
            ttl_seconds: 3600,
        }),
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
    // What either said of itself.
    let events = pair.theirs.events().unwrap();
    let contents: Vec<String> = events
        .iter()
        .map(|event| event.content.to_string())
        .collect();
    let of_candidates = |kind: &str| {
        let count = |text: &String| text.matches(kind).count();
        contents.iter().map(count).sum::<usize>()
    };
    assert!(of_candidates("typ relay") >= 2, "{contents:#?}");
    for kind in ["typ host", "typ srflx", "typ prflx"] {
        assert_eq!(of_candidates(kind), 0, "{contents:#?}");
    }
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

//! What a homeserver keeps of a standard Matrix call: `docs/matrix-privacy.md` says it, and this finds it.

use std::collections::BTreeSet;

use securecall_interop::{DatabaseSnapshot, Synapse, SynapseOptions};

use super::ANY;
use crate::ordinary::Ordinary;
use crate::talker::last;

/// The tables in which a call in a room that was there before leaves rows that name one of the two, or the room.
const KEPT: [&str; 3] = ["event_json", "event_txn_id_device_id", "events"];

fn call(ada: &Ordinary, bo: &Ordinary) {
    let listen = [&["listen", "--once", "--answer", "auto"][..], &ANY].concat();
    let mut callee = bo.talk(&listen, "tone:1000");
    callee.wait_for("ready");
    let call = ["call", &bo.account.matrix_id];
    let mut caller = ada.talk(&[&call[..], &ANY].concat(), "tone:440");
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("hangup");
    for talker in [caller, callee] {
        let (code, rest) = talker.end();
        assert_eq!(code, 0, "{rest:#?}");
        assert!(last(&rest, "ended")["duration_ms"].as_u64() > Some(0));
    }
}

#[test]
fn a_call_in_a_room_leaves_its_events_and_they_are_empty() {
    let synapse = Synapse::start(SynapseOptions::default()).unwrap();
    let (ada, bo) = (Ordinary::of(&synapse, "ada"), Ordinary::of(&synapse, "bo"));
    // The room, the members and the keys of each other are there after the first.
    call(&ada, &bo);
    let before = DatabaseSnapshot::read(&synapse.database_path()).unwrap();
    call(&ada, &bo);
    let after = DatabaseSnapshot::read(&synapse.database_path()).unwrap();
    let names = [&ada.account.matrix_id, &bo.account.matrix_id];
    let report = before.compare(&after);
    // Not counted is what each device leaves that is on line: when it was there last.
    let named = report.unexplained().filter(|difference| {
        let mut values = difference.row.values();
        values.any(|value| names.iter().any(|name| value.contains(name.as_str())))
    });
    let tables: BTreeSet<&str> = named.map(|it| it.table.as_str()).collect();
    assert_eq!(tables, KEPT.into());
    assert!(ada.account.events_of_calls().iter().all(|event| {
        event["content"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    }));
}

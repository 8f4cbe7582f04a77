//! What is heard in standard calls, and what is left of them in the room.

use std::collections::BTreeMap;

use super::ANY;
use super::endings::is_empty;
use crate::command::text;
use crate::ordinary::Ordinary;
use crate::recording::Recording;

#[test]
fn both_hear_the_other_and_nothing_of_it_is_left_in_the_room() {
    let (ada, bo) = (Ordinary::new("ada"), Ordinary::new("bo"));
    let recordings = [&ada, &bo].map(|it| it.machine.file("heard.wav", ""));
    let [by_ada, by_bo] = [("tone:440", &recordings[0]), ("tone:1000", &recordings[1])]
        .map(|(tone, file)| ["--mic", tone, "--speaker", text(file), "--route", "direct"]);
    let listen = ["listen", "--answer", "auto", "--once"];
    let mut callee = bo.start(&[&listen[..], &by_bo].concat());
    callee.wait_for("ready");
    let call = ["call", &bo.account.matrix_id];
    let mut caller = ada.start(&[&call[..], &ANY, &by_ada].concat());
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
        side.wait_for("stats");
        side.wait_for("stats");
    }
    caller.order("hangup");
    assert_eq!((caller.end().0, callee.end().0), (0, 0));
    for (recording, own, theirs) in [
        (&recordings[0], 440.0, 1000.0),
        (&recordings[1], 1000.0, 440.0),
    ] {
        let recording = Recording::read(recording);
        let heard = recording.loudest(theirs);
        assert!(heard > 0.1, "{heard} of {theirs} Hz");
        let own = recording.loudest(own);
        assert!(
            own < heard / 4.0,
            "{own} of their own, {heard} of the other"
        );
    }
    // Invite, answer, choice and hangup at the least.
    let left = ada.account.events_of_calls();
    assert!(left.len() >= 4, "{left:#?}");
    assert!(left.iter().all(is_empty), "{left:#?}");
    // A side says no more than it must: four events, and two of candidates.
    let mut said: BTreeMap<&str, u32> = BTreeMap::new();
    for event in &left {
        *said.entry(event["sender"].as_str().unwrap()).or_default() += 1;
    }
    assert!(
        said.len() == 2 && said.values().all(|count| *count <= 6),
        "{said:?}"
    );
}

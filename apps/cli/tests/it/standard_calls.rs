//! Calls of tier `matrix`, between two commands that know no key of each other.

use serde_json::Value;

use crate::command::{Machine, expect};
use crate::ordinary::Ordinary;
use crate::talker::last;

#[cfg(unix)]
mod consent;
mod crossing;
mod endings;
mod heard;
mod records;
#[cfg(unix)]
mod screen;

/// Whoever is called may be called in a room.
const ANY: [&str; 2] = ["--require", "any"];

fn is_standard(event: &Value) {
    assert_eq!(event["tier"], "matrix", "{event}");
    assert_eq!(event["peer"]["id"], Value::Null, "{event}");
}

#[test]
fn the_first_standard_call_has_to_be_agreed_to_and_the_refusal_says_how() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["contact", "add", "@bo:example.org", "--name", "Bo"]);
    for who in [
        "@ada:example.org",
        "https://matrix.to/#/@ada:example.org",
        "Bo",
    ] {
        // Where a call may be placed, the account is what is missing.
        let error = machine.refused(&["call", who, "--require", "securecall"]);
        expect(error, 3, "tier_too_low");
        let error = machine.refused(&["call", who, "--require", "any"]);
        expect(error, 2, "no_account");
    }
    let ada = Ordinary::new("ada");
    let error = expect(
        ada.machine.refused(&["call", "@bo:example.org"]),
        4,
        "no_securecall_device",
    );
    let help = error["help"].as_str().unwrap();
    assert!(help.contains("`--require any`"), "{help}");
    // What a contact requires has been said by somebody.
    ada.machine
        .json(&["contact", "add", "@bo:example.org", "--name", "Bo"]);
    ada.machine.json(&["contact", "require", "Bo", "any"]);
    let mut call = ada.talk(&["call", "Bo"], "tone:440");
    let dialing = call.wait_for("dialing");
    is_standard(&dialing);
    assert_eq!(dialing["peer"]["name"], "Bo");
    // Nobody has such a server.
    let (code, rest) = call.end();
    let reason = last(&rest, "ended")["reason"].clone();
    assert!(code == 4 || code == 5, "{code} {reason}");
}

#[test]
fn two_who_know_no_key_call_each_other_hold_resume_and_hang_up() {
    call_hold_resume_and_hang_up(&Ordinary::new("ada"), &Ordinary::new("bo"));
}

/// They know no key of each other, and have no room yet.
pub(crate) fn call_hold_resume_and_hang_up(ada: &Ordinary, bo: &Ordinary) {
    let mut callee = bo.talk(&["listen"], "tone:1000");
    callee.wait_for("ready");
    let call = ["call", &bo.account.matrix_id, "--require", "any"];
    let mut caller = ada.talk(&call, "tone:440");
    is_standard(&caller.wait_for("dialing"));
    assert_eq!(
        caller.wait_for("inviting")["peer"]["matrix_id"],
        bo.account.matrix_id.as_str()
    );
    let incoming = callee.wait_for("incoming");
    is_standard(&incoming);
    assert_eq!(
        incoming["peer"]["matrix_id"],
        ada.account.matrix_id.as_str()
    );
    callee.order("answer");
    for side in [&mut caller, &mut callee] {
        let connected = side.wait_for("connected");
        is_standard(&connected);
        assert_eq!(connected["safety_words"], Value::Null);
    }
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("verify");
    let error = caller.wait_for("error");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("no safety words"),
        "{error}"
    );
    caller.order("hold");
    assert_eq!(caller.wait_for("held")["by"], "self");
    let held = callee.wait_for("held");
    assert_eq!((&held["by"], &held["held"]), (&"peer".into(), &true.into()));
    caller.order("resume");
    assert_eq!(callee.wait_for("held")["held"], false);
    caller.order("mute");
    assert_eq!(callee.wait_for("muted")["by"], "peer");
    callee.order("hangup");
    assert_eq!(callee.wait_for("ended")["reason"], "local_hangup");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &"remote_hangup".into())
    );

    // Again, in the room that is there now, and declined.
    let caller = ada.talk(&call, "tone:440");
    callee.wait_for("incoming");
    callee.order("reject");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &"declined".into())
    );
    assert!(rest.iter().all(|it| it["event"] != "inviting"));
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn nobody_rings_in_a_room_who_can_be_called_sealed_or_where_that_is_required() {
    let (ada, bo) = (Ordinary::new("ada"), Ordinary::new("bo"));
    let mut callee = bo.talk(&["listen", "--require", "securecall"], "tone:1000");
    callee.wait_for("ready");
    let call = ["call", &bo.account.matrix_id, "--require", "any"];
    let mut caller = ada.talk(&call, "tone:440");
    caller.wait_for("inviting");
    caller.order("hangup");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &"cancelled".into())
    );
    callee.order("quit");
    let (_, rest) = callee.end();
    assert!(rest.iter().all(|it| it["event"] != "incoming"), "{rest:?}");
}

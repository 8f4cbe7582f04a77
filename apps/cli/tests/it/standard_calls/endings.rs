//! How standard calls end that nobody takes, and what can be done meanwhile.

use securecall_interop::WebServer;
use serde_json::Value;

use super::{ANY, is_standard};
use crate::ordinary::{Ordinary, OrdinaryAccount};
use crate::talker::{Talker, homeserver, last};

/// A caller, whoever is called with another app, and the call, for which they are invited to a room.
fn inviting() -> (Ordinary, OrdinaryAccount, Talker) {
    let ada = Ordinary::new("ada");
    let unique = ada.account.matrix_id[1..].split(':').next().unwrap();
    let bo = OrdinaryAccount::new("bo", unique);
    let mut caller = ada.talk(&[&["call", &bo.matrix_id], &ANY[..]].concat(), "tone:440");
    is_standard(&caller.wait_for("dialing"));
    caller.wait_for("inviting");
    (ada, bo, caller)
}

fn ended(caller: Talker, code: i32, reason: &str) {
    let (found, rest) = caller.end();
    assert_eq!(
        (found, &last(&rest, "ended")["reason"]),
        (code, &Value::from(reason))
    );
}

#[test]
fn who_is_invited_and_says_no_has_declined() {
    let (_ada, bo, caller) = inviting();
    bo.in_room(&bo.invitation(), "leave");
    ended(caller, 4, "declined");
}

#[test]
fn an_app_that_takes_no_calls_shows_no_sign_of_ringing_and_the_call_is_given_up() {
    let (_ada, bo, mut caller) = inviting();
    // While the other has not come, the microphone can be muted already.
    caller.order("mute");
    assert_eq!(caller.wait_for("muted")["by"], "self");
    caller.order("hold");
    assert_eq!(caller.wait_for("error")["kind"], "not_now");
    bo.in_room(&bo.invitation(), "join");
    caller.wait_for("no_sign_of_ringing");
    caller.order("hangup");
    ended(caller, 0, "cancelled");
    let left = bo.events_of_calls();
    assert!(!left.is_empty(), "there was a call");
    assert!(left.iter().all(is_empty), "{left:#?}");
}

#[test]
fn who_is_called_while_their_invitation_is_accepted_is_called_in_that_room() {
    let front = WebServer::in_front_of(homeserver().address()).unwrap();
    let ada = Ordinary::behind(&front, "ada");
    let unique = ada.account.matrix_id[1..].split(':').next().unwrap();
    let bo = OrdinaryAccount::new("bo", unique);
    let mut listener = ada.talk(&[&["listen"], &ANY[..]].concat(), "tone:440");
    listener.wait_for("ready");
    front.hold("/join ");
    let room = bo.create_direct_room(&ada.account.matrix_id);
    front.wait_for("/join ").unwrap();
    listener.order(&format!("call {}", bo.matrix_id));
    is_standard(&listener.wait_for("dialing"));
    front.release();
    let placed = listener.wait_for_any(&["no_sign_of_ringing", "inviting"]);
    assert_eq!(
        placed["event"], "no_sign_of_ringing",
        "in a room of its own"
    );
    let events = bo.events_of_calls();
    let is_there = |event: &Value| event["type"] == "m.call.invite" && event["room_id"] == *room;
    assert!(events.iter().any(is_there), "{events:#?}");
    listener.order("hangup");
    listener.wait_for("ended");
    listener.order("quit");
    let (code, rest) = listener.end();
    assert_eq!(code, 0, "{rest:#?}");
    let requests = front.requests();
    let made = requests.iter().find(|it| it.line.contains("createRoom"));
    assert!(made.is_none(), "{made:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_while_somebody_is_invited_ends_it_at_once() {
    let (_ada, _bo, caller) = inviting();
    caller.signal(libc::SIGINT);
    ended(caller, 130, "cancelled");
}

/// Whether nothing of an event is left but that there was one.
pub(super) fn is_empty(event: &Value) -> bool {
    event["content"].as_object().unwrap().is_empty()
}

//! A second call to an Element that is in one. Element Web answers it, and has the first held then: a microphone that is opened
//! while one call is held is as silent as that one's.

use std::path::PathBuf;

use securecall_interop::{JsSdkCall, JsSdkCallState, JsSdkDevice};

use super::{OUR_TONE, Pair, THEIR_TONE, element, talk};
use crate::ordinary::Ordinary;
use crate::recording::Recording;
use crate::talker::{Talker, last};

/// Somebody else who has the command, with a room of their own with Element.
struct Third {
    user: Ordinary,
    talker: Talker,
    recording: PathBuf,
}

impl Third {
    /// Calls an Element that is in a call; gives how it rings there.
    fn calls(theirs: &JsSdkDevice) -> (Self, JsSdkCall) {
        let user = Ordinary::new("cem");
        let recording = user.machine.file("heard.wav", "");
        let options = ["--require", "any", "--route", "direct"];
        let call = [&["call", theirs.user_id()], &options[..]].concat();
        let mut talker = talk(&user, &recording, &call);
        talker.wait_for("inviting");
        theirs.join_invite(&user.account.matrix_id).unwrap();
        let ringing = theirs.wait_for_call().unwrap();
        let third = Self {
            user,
            talker,
            recording,
        };
        (third, ringing)
    }

    /// How it ends for them. Gives what they have heard, if they have.
    fn ended(self, code: i32, reason: &str) -> Option<Recording> {
        let (found, rest) = self.talker.end();
        let ended = last(&rest, "ended");
        assert_eq!((found, &ended["reason"]), (code, &reason.into()));
        let has_heard = rest.iter().any(|event| event["event"] == "stats");
        has_heard.then(|| Recording::read(&self.recording))
    }
}

#[test]
fn whoever_calls_an_element_that_talks_with_us_is_declined_and_our_call_goes_on() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    let (third, ringing) = Third::calls(&pair.theirs);
    let status = ringing.status().unwrap();
    assert_eq!(
        status.opponent.as_ref(),
        Some(&third.user.account.matrix_id)
    );
    ringing.reject().unwrap();
    third.ended(4, "declined");
    pair.stay();
    call.wait_for_tone(OUR_TONE).unwrap();
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn whoever_calls_an_element_that_talks_with_us_gives_up_and_our_call_goes_on() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    let (mut third, ringing) = Third::calls(&pair.theirs);
    third.talker.order("hangup");
    third.ended(0, "cancelled");
    ringing.wait_for(JsSdkCallState::Ended).unwrap();
    pair.stay();
    call.wait_for_tone(OUR_TONE).unwrap();
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

/// As Element Web does it: whoever is answered second has the first held.
#[test]
fn element_takes_a_second_call_holds_us_meanwhile_and_comes_back() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    let (mut third, second) = Third::calls(&pair.theirs);
    second.answer(false).unwrap();
    call.hold(true).unwrap();
    let held = pair.listener.wait_for("held");
    assert_eq!((&held["by"], &held["held"]), (&"peer".into(), &true.into()));
    third.talker.wait_for("connected");
    third.talker.wait_for("first_audio");
    second.wait_for_tone(OUR_TONE).unwrap();
    // We hear nothing of either.
    pair.stay();
    second.hang_up().unwrap();
    let heard = third.ended(0, "remote_hangup").unwrap();
    heard.is_of(THEIR_TONE, OUR_TONE);
    call.hold(false).unwrap();
    assert_eq!(pair.listener.wait_for("held")["held"], false);
    call.wait_for_tone(OUR_TONE).unwrap();
    pair.stay();
    call.hang_up().unwrap();
    pair.listener.wait_for("ended");
    assert_eq!(pair.quit().turns(THEIR_TONE), [true, false, true]);
}

#[test]
fn an_element_that_talks_with_somebody_else_rings_for_us_and_its_answer_is_heard() {
    let mut pair = Pair::new(true, "ask");
    let other = element();
    let room = pair
        .theirs
        .create_direct_room(other.user_id(), true)
        .unwrap();
    other.join_invite(pair.theirs.user_id()).unwrap();
    pair.theirs.wait_for_member(&room, other.user_id()).unwrap();
    let first = pair.theirs.place_call(&room, None).unwrap();
    other.wait_for_call().unwrap().answer(false).unwrap();
    first.wait_for(JsSdkCallState::Connected).unwrap();

    // Declined once; then the first is held, and ours answered.
    let declined = pair.call_them();
    declined.reject().unwrap();
    assert_eq!(pair.listener.wait_for("ended")["reason"], "declined");
    let call = pair.call_them();
    call.answer(false).unwrap();
    first.hold(true).unwrap();
    pair.is_up(&call);
    assert_eq!(first.status().unwrap().state, JsSdkCallState::Connected);
    pair.listener.order("hangup");
    pair.ended(&call, "local_hangup");
    first.hang_up().unwrap();
}

//! What is to be said and waits, because too much is under way: nothing of it is lost, and only the newest description counts.

use std::time::Duration;

use securecall_crypto::MessageId;
use securecall_session::MediaEvent;

use crate::connecting::Answered;
use crate::hand_made_caller::{bundle, unbox};
use crate::out_of_turn::REKEY;

fn restart_offer(number: u32) -> String {
    let sdp = format!("a=fingerprint:sha-256 {}\\r\\n", ["AB"; 32].join(":"));
    format!(
        r#"{{"type":"m.call.negotiate","description":{{"type":"offer","sdp":"{sdp}"}},"negotiation":{number}}}"#
    )
}

impl Answered {
    /// What the callee has said over Matrix since, each message with its name.
    fn hear(&mut self) -> Vec<(MessageId, String)> {
        let sent = self.caller.universe.homeserver.sent.iter();
        let of_callee = sent.filter(|it| it.from == self.caller.callee && it.kind() == 3);
        let opened = of_callee.filter_map(|it| self.established.ratchet.decrypt(&unbox(it)).ok());
        opened
            .map(|it| (it.id, String::from_utf8(it.plaintext.to_vec()).unwrap()))
            .collect()
    }

    fn acknowledge(&mut self, messages: &[(MessageId, String)]) {
        let names = messages
            .iter()
            .map(|(id, _)| format!("[{},{}]", id.step, id.number));
        let names = names.collect::<Vec<_>>().join(",");
        let payload = bundle(self.caller.call, "")
            .replace(r#""wants"#, &format!(r#""acknowledges":[{names}],"wants"#));
        self.caller.say_raw(&mut self.established, &payload);
    }
}

/// A connected call whose callee says nothing more until something of what it has said is acknowledged.
fn held_back() -> (Answered, Vec<(MessageId, String)>) {
    let mut answered = Answered::connected();
    let mut heard = answered.hear();
    for _ in 0..60 {
        answered.caller.say(&mut answered.established, REKEY);
        answered.caller.universe.run_for(Duration::from_millis(1));
    }
    heard.extend(answered.hear());
    assert_eq!(heard.len(), 48, "so many wait for an acknowledgement");
    (answered, heard)
}

#[test]
fn of_what_is_held_back_all_is_said_but_a_description_that_a_newer_one_replaces() {
    let (mut answered, heard) = held_back();
    for number in 1..=2 {
        let offer = restart_offer(number);
        answered.caller.say(&mut answered.established, &offer);
        answered.caller.universe.run_for(Duration::from_millis(10));
    }
    assert!(
        answered
            .hear()
            .iter()
            .all(|(_, it)| it.contains(r#""contents":[]"#))
    );
    answered.acknowledge(&heard);
    answered.caller.universe.run_for(Duration::from_millis(100));
    let said: String = answered.hear().into_iter().map(|(_, it)| it).collect();
    assert_eq!(said.matches("securecall.rekey").count(), 1, "{said}");
    assert_eq!(said.matches("m.call.negotiate").count(), 1, "{said}");
    assert!(said.contains(r#""negotiation":2"#), "{said}");
}

#[test]
fn what_does_not_fit_into_one_message_leaves_in_several_at_once() {
    let (mut answered, heard) = held_back();
    let (callee, call) = (answered.caller.callee, answered.caller.call);
    for number in 0..20 {
        let event = MediaEvent::LocalCandidates {
            candidates: vec![format!("candidate:{number}")],
            complete: false,
        };
        answered.caller.universe.inject_media(callee, call, event);
    }
    answered.acknowledge(&heard);
    // With room for one more, as in the first message of a caller.
    let contents = answered.hear().into_iter().map(|(_, message)| {
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        message["contents"].as_array().unwrap().len()
    });
    assert_eq!(contents.collect::<Vec<_>>(), [15, 6]);
}

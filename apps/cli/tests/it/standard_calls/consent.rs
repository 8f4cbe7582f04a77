//! The question before the first standard call with somebody, and who rings as a contact without a key.

use super::is_standard;
use crate::ordinary::{Ordinary, OrdinaryAccount};
use crate::pseudo_terminal::PseudoTerminal;

const AUDIO: [&str; 6] = [
    "--mic",
    "tone:440",
    "--speaker",
    "null",
    "--route",
    "direct",
];
const SENTENCE: &str = "your servers and the other app are trusted with keys";

#[test]
fn at_a_terminal_the_first_call_asks_and_the_next_does_not() {
    let ada = Ordinary::new("ada");
    let unique = ada.account.matrix_id[1..].split(':').next().unwrap();
    let bo = OrdinaryAccount::new("bo", unique);
    let call = || {
        let arguments = [&["call", &bo.matrix_id][..], &AUDIO].concat();
        PseudoTerminal::run(ada.machine.command(&arguments))
    };
    let mut refused = call();
    let asked = refused.wait_for("[y/N]").replace('\n', " ");
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(asked.contains(SENTENCE), "{asked}");
    // Enter is no yes.
    refused.press("\n");
    let (code, shown) = refused.end();
    assert_eq!(code, 4, "{shown}");
    assert!(shown.contains("contact require"), "{shown}");

    let mut agreed = call();
    agreed.wait_for("[y/N]");
    agreed.press("y\n");
    for mut call in [agreed, call()] {
        // Before it rings, and while the other has not come.
        call.wait_for("is invited to a room");
        let shown = call.wait_for("standard Matrix call");
        assert!(!shown.contains("[y/N]"), "{shown}");
        call.press("q");
        let (code, left) = call.end();
        assert_eq!(code, 0, "{left}");
        assert!(left.contains("you gave up the call"), "{left}");
    }
}

#[test]
fn an_order_is_refused_until_it_was_agreed_to_and_a_contact_without_a_key_rings_by_name() {
    let (ada, bo) = (Ordinary::new("ada"), Ordinary::new("bo"));
    let add = |who: &Ordinary, other: &Ordinary, name: &str| {
        let add = ["contact", "add", &other.account.matrix_id, "--name", name];
        let contact = who.machine.json(&add).remove(0);
        assert_eq!(
            (&contact["id"], &contact["name"]),
            (&().into(), &name.into())
        );
    };
    add(&ada, &bo, "Bo");
    add(&bo, &ada, "Ada");
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let mut calling = ada.start(&[&["listen"], &audio[..]].concat());
    // Contacts go straight, without a relay and without being asked about.
    let listen = ["listen", "--answer", "contacts", "--once"];
    let mut called = bo.start(&[&listen[..], &audio].concat());
    calling.wait_for("ready");
    called.wait_for("ready");
    calling.order("call Bo");
    let error = calling.wait_for("error");
    assert_eq!(error["kind"], "no_securecall_device");
    let help = error["help"].as_str().unwrap();
    assert!(help.contains("contact require WHO any"), "{help}");

    // It is known within a second, while it listens.
    ada.machine.json(&["contact", "require", "Bo", "any"]);
    let dialing = loop {
        calling.order("call Bo");
        let told = calling.wait_for_any(&["error", "dialing"]);
        if told["event"] == "dialing" {
            break told;
        }
    };
    is_standard(&dialing);
    let incoming = called.wait_for("incoming");
    is_standard(&incoming);
    assert_eq!(
        (&incoming["peer"]["name"], &incoming["answered"]),
        (&"Ada".into(), &true.into())
    );
    called.wait_for("connected");
    calling.wait_for("connected");
    calling.order("hangup");
    assert_eq!(called.end().0, 0);
    calling.order("quit");
    assert_eq!(calling.end().0, 0);
}

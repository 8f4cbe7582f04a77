//! The main screen of `listen`: contacts, and what keys and pasted texts do to them.

use serde_json::Value;

use crate::command::text;
use crate::pseudo_terminal::PseudoTerminal;
use crate::talker::User;

const AUDIO: [&str; 4] = ["--mic", "tone:440", "--speaker", "null"];
const ESCAPE: &str = "\u{1b}";
const DOWN: &str = "\u{1b}[B";

fn listening(user: &User) -> PseudoTerminal {
    let mut screen = PseudoTerminal::run(user.machine.command(&[&["listen"][..], &AUDIO].concat()));
    screen.wait_for("● online");
    screen
}

/// As a terminal sends a text that is pasted.
fn paste(screen: &mut PseudoTerminal, text: &str) {
    screen.press(&format!("\u{1b}[200~{text}\u{1b}[201~"));
}

/// Esc, and what comes after it does not make it Alt.
fn escape(screen: &mut PseudoTerminal) {
    screen.wait_until_gone("quit");
    screen.press(ESCAPE);
    screen.wait_for("quit");
}

fn quit(mut screen: PseudoTerminal) {
    screen.press("q");
    let (code, left) = screen.end();
    assert_eq!(code, 0, "{left}");
}

/// Ends it where `q` might still mean the call.
fn interrupt(mut screen: PseudoTerminal, expected: i32) {
    screen.press("\u{3}");
    let (code, left) = screen.end();
    assert_eq!(code, expected, "{left}");
}

fn contacts(user: &User) -> Vec<Value> {
    user.machine.json(&["contact", "list"])
}

/// What somebody sends who shares a contact.
fn share(user: &User, name: &str) -> Value {
    user.machine
        .json(&["contact", "share", "--name", name])
        .remove(0)
}

fn in_groups(id: &str) -> String {
    let characters: Vec<char> = id.chars().collect();
    let groups: Vec<String> = characters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

#[test]
fn contacts_are_shown_searched_and_called() {
    let (ada, bo) = User::acquainted();
    let cy = User::new();
    ada.add(&cy, "Zoe of the hills");
    let mut callee = bo.talk(&["listen", "--once"]);
    callee.wait_for("ready");
    let mut screen = listening(&ada);
    screen.wait_for("Zoe of the hills");
    // The first one is selected, and shown in full.
    for part in ["▸ peer", "not verified", &bo.id, &bo.matrix_id] {
        screen.wait_for(part);
    }
    screen.press(DOWN);
    screen.wait_for("▸ Zoe");
    screen.wait_for(&cy.id);

    screen.press("/");
    paste(&mut screen, "PEER");
    screen.wait_for("1 of 2");
    screen.wait_for("▸ peer");
    screen.press("\r");
    screen.wait_for("ringing");
    assert_eq!(callee.wait_for("incoming")["peer"]["id"], ada.id);
    callee.order("answer");
    screen.wait_for("Safety words");
    // A call that is hung up before the callee is connected, too, was none.
    callee.wait_for("connected");
    // In a call, these are no keys.
    screen.press("ax/");
    paste(&mut screen, &cy.id);
    screen.press("q");
    for part in ["call with peer ended", "you hung up", "▸ peer"] {
        screen.wait_for(part);
    }
    assert_eq!(callee.end().0, 0);
    quit(screen);
}

#[test]
fn a_pasted_message_adds_a_contact_who_may_call_at_once() {
    let (ada, bo) = (User::new(), User::new());
    bo.add(&ada, "Ada");
    let mut screen = listening(&ada);
    screen.wait_for("No contacts yet");
    let message = format!(
        "Hi,\nquit this:\n{}\nx\ny\n",
        share(&bo, "Bo Ek")["text"].as_str().unwrap()
    );
    paste(&mut screen, &message);
    screen.wait_for("Add a contact");
    screen.press("\r");
    screen.wait_for("Add this contact?");
    for part in ["Bo Ek", &in_groups(&bo.id), &bo.matrix_id] {
        screen.wait_for(part);
    }
    screen.press("y");
    screen.wait_for("added Bo Ek");
    assert_eq!(contacts(&ada)[0]["id"], bo.id);

    // Not a stranger, so no relay is needed.
    let mut caller = bo.talk(&["call", "Ada"]);
    screen.wait_for("is calling");
    screen.wait_for("Bo Ek");
    screen.press("a");
    caller.wait_for("connected");
    // A call that is hung up before this side is connected, too, was none.
    screen.wait_for("Safety words");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    screen.wait_for("call with Bo Ek ended");
    interrupt(screen, 0);
}

#[test]
fn a_message_pasted_into_a_terminal_that_does_not_say_so_presses_no_keys() {
    let (ada, bo) = User::acquainted();
    let mut screen = listening(&ada);
    screen.wait_for("▸ peer");
    // Read as keys this would remove the contact, and quit.
    let link = share(&bo, "Bo")["deep_link"].as_str().unwrap().to_owned();
    screen.press(&format!("xylophone\rsee {link}\rx\ry\rq\r"));
    screen.wait_for("Add a contact");
    assert_eq!(contacts(&ada)[0]["name"], "peer");
    screen.press("\r");
    screen.wait_for("Add this contact?");
    screen.press("n");
    screen.wait_until_gone("Add this contact?");
    assert_eq!(contacts(&ada)[0]["name"], "peer");
    quit(screen);
}

#[test]
fn a_picture_adds_a_contact_and_what_holds_none_adds_nothing() {
    let (ada, bo) = (User::new(), User::new());
    let picture = ada.machine.file("their code.png", "");
    let nothing = ada.machine.file("empty.png", "");
    bo.machine
        .json(&["contact", "share", "--name", "Bo", "--png", text(&picture)]);
    let mut screen = listening(&ada);
    screen.press("a");
    paste(&mut screen, text(&nothing));
    screen.press("\r");
    screen.wait_for("This did not work");
    escape(&mut screen);
    screen.wait_for("No contacts yet");

    screen.press("a");
    paste(&mut screen, "hello");
    screen.press("\r");
    screen.wait_for("This did not work");
    // What was typed can be changed: here, all of it.
    screen.press("\r");
    screen.wait_for("> hello");
    screen.press("\u{15}");
    // As a terminal quotes a file that is dropped on it.
    paste(&mut screen, &format!("'{}'", text(&picture)));
    screen.press("\r");
    screen.wait_for("Add this contact?");
    screen.press("n");
    screen.wait_until_gone("Add this contact?");
    assert_eq!(contacts(&ada)[0]["count"], 0);

    paste(&mut screen, text(&picture));
    screen.press("\r");
    screen.wait_for("Add this contact?");
    screen.press("y");
    screen.wait_for("added Bo");
    assert_eq!(contacts(&ada)[0]["id"], bo.id);
    quit(screen);
}

#[test]
fn a_contact_is_renamed_and_removed() {
    let (ada, _bo) = User::acquainted();
    let mut screen = listening(&ada);
    screen.press("r");
    screen.wait_for("Rename peer");
    screen.press("\u{15}");
    paste(&mut screen, "Bo Ek");
    screen.press("\r");
    screen.wait_for("peer is called Bo Ek now");
    screen.wait_for("▸ Bo Ek");
    assert_eq!(contacts(&ada)[0]["name"], "Bo Ek");

    // An address is no name.
    screen.press("r\u{15}");
    paste(&mut screen, "@bo:example.org");
    screen.press("\r");
    screen.wait_for("it is an address");
    escape(&mut screen);
    screen.press("x");
    screen.wait_for("Remove Bo Ek?");
    screen.press("n");
    screen.wait_for("quit");
    screen.press("xy");
    screen.wait_for("No contacts yet");
    assert_eq!(contacts(&ada)[0]["count"], 0);
    quit(screen);
}

#[test]
fn a_contact_is_verified_by_the_id_or_a_picture_and_never_by_another_key() {
    let (ada, bo) = User::acquainted();
    let cy = User::new();
    let picture = ada.machine.file("bo.png", "");
    bo.machine
        .json(&["contact", "share", "--png", text(&picture)]);
    let mut screen = listening(&ada);

    screen.press("v");
    screen.wait_for("Verify peer");
    paste(&mut screen, &in_groups(&cy.id));
    screen.press("\r");
    screen.wait_for("Careful");
    screen.wait_for("this is not the key that you have for peer");
    assert_eq!(contacts(&ada)[0]["verified"], false);
    escape(&mut screen);
    screen.wait_for("not verified");

    screen.press("v");
    paste(&mut screen, &in_groups(&bo.id).to_uppercase());
    screen.press("\r");
    screen.wait_for("✓ verified");
    assert_eq!(contacts(&ada)[0]["verified"], true);

    screen.press("u");
    screen.wait_for("Take the mark");
    screen.press("y");
    screen.wait_for("peer is not verified any more");
    screen.press("v");
    paste(&mut screen, text(&picture));
    screen.press("\r");
    screen.wait_for("✓ verified");
    quit(screen);
}

#[test]
fn who_has_no_key_is_asked_about_once_and_what_others_change_is_seen() {
    let ada = User::new();
    let contact = |order: &[&str]| ada.machine.json(&[&["contact"], order].concat());
    contact(&["add", "@al:example.org", "--name", "Al"]);
    contact(&["require", "Al", "securecall"]);
    let mut screen = listening(&ada);
    // What may not be is not asked about.
    screen.wait_for("▸ Al");
    screen.press("\r");
    screen.wait_for("refused for your security");
    screen.wait_for("ask the person for a SecureCall contact link");
    escape(&mut screen);
    assert_eq!(contacts(&ada)[0]["require"], "securecall");
    contact(&["remove", "Al"]);
    screen.wait_for("No contacts yet");
    contact(&["add", "@bo:example.org", "--name", "Bo"]);
    screen.wait_for("▸ Bo");
    screen.wait_for("no key");
    screen.wait_for("calls are standard Matrix calls");
    screen.press("\r");
    screen.wait_for("Call Bo, now and from now on?");
    screen.wait_for("standard Matrix call: your servers and the other");
    // Whoever says no has not called, and is asked again.
    screen.press("n");
    screen.wait_until_gone("Call Bo");
    assert_eq!(contacts(&ada)[0]["require"], Value::Null);
    screen.press("\r");
    screen.wait_for("Call Bo, now and from now on?");
    screen.press("y");
    // Nobody answers for that homeserver; the words are those of this tier.
    screen.wait_for("call with Bo ended: there is no such account");
    assert_eq!(contacts(&ada)[0]["require"], "any");
    interrupt(screen, 130);
}

#[test]
fn a_missed_call_stays_on_the_screen() {
    let (ada, bo) = User::acquainted();
    let mut screen = listening(&ada);
    let mut caller = bo.talk(&["call", "peer"]);
    screen.wait_for("is calling");
    caller.wait_for("ringing");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    screen.wait_for("missed call from peer");
    interrupt(screen, 130);
}

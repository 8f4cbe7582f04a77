//! The call screen in a standard call.

use super::ANY;
use crate::ordinary::Ordinary;
use crate::pseudo_terminal::PseudoTerminal;

#[test]
fn the_tier_is_shown_all_through_the_call_and_a_key_holds_it() {
    let (ada, bo) = (Ordinary::new("ada"), Ordinary::new("bo"));
    let listen = ["listen", "--mic", "tone:1000", "--speaker", "null"];
    let direct = ["--route", "direct"];
    let mut callee = PseudoTerminal::run(bo.machine.command(&[&listen[..], &direct].concat()));
    callee.wait_for("● online");
    let call = ["call", &bo.account.matrix_id];
    let mut caller = ada.talk(&[&call[..], &ANY].concat(), "tone:440");
    callee.wait_for("is calling");
    // Who it is, as far as anybody knows, and what the call is worth, before it is answered.
    for part in [
        "Not in your contacts",
        &ada.account.matrix_id,
        "standard Matrix call: your servers and the other app are",
    ] {
        callee.wait_for(part);
    }
    callee.press("a");
    caller.wait_for("connected");
    let shown = callee.wait_for("h  hold");
    assert!(!shown.contains("Safety words"), "{shown}");
    assert!(!shown.contains("end-to-end"), "{shown}");
    callee.wait_for("standard Matrix call");
    // No words, so no key for them.
    callee.press("v");
    callee.press("h");
    callee.wait_for("on hold");
    callee.wait_for("h  resume");
    assert_eq!(caller.wait_for("held")["by"], "peer");
    callee.press("h");
    assert_eq!(caller.wait_for("held")["held"], false);
    callee.wait_for("h  hold");
    caller.order("hold");
    callee.wait_for("the other side holds the call");
    callee.press("q");
    callee.wait_for("ended");
    assert_eq!(caller.end().0, 0);
    callee.press("\u{3}");
    assert_eq!(callee.end().0, 0);
}

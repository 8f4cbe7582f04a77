//! What a person at a terminal sees.

use super::{AUDIO, at_a_hostile_homeserver, silence};
use crate::pseudo_terminal::PseudoTerminal;
use crate::talker::User;

#[test]
fn on_a_terminal_each_check_is_a_line_and_nothing_of_the_progress_stays() {
    let user = User::new();
    let arguments = [&["doctor"], &AUDIO[..]].concat();
    let terminal = PseudoTerminal::run(user.machine.command(&arguments));
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("checking"), "{shown}");
    for line in [
        "✓ login: ",
        "✓ round trip: ",
        "✓ microphone: ",
        "all is well; ",
    ] {
        assert!(shown.contains(line), "{line}:\n{shown}");
    }
}

#[test]
fn what_still_runs_is_shown_and_an_interrupt_ends_it_at_once() {
    let (machine, server) = at_a_hostile_homeserver();
    server.answer("/versions", silence());
    let arguments = [&["doctor"], &AUDIO[..]].concat();
    let mut terminal = PseudoTerminal::run(machine.command(&arguments));
    terminal.wait_for("checking homeserver");
    terminal.press("\u{3}");
    let (code, shown) = terminal.end();
    // Ended by the signal, with nothing more to tell.
    assert_eq!(code, -1, "{shown}");
    assert!(!shown.contains("homeserver:"), "{shown}");
}

//! Links that are opened: on the command line, and by a click on a desktop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{Machine, end, text};
use crate::desktop::Desktop;
use crate::pseudo_terminal::PseudoTerminal;

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

fn link() -> String {
    format!("securecall://contact/{A}?server=example.org&name=Ada")
}

fn count(machine: &Machine) -> usize {
    let events = machine.json(&["contact", "list"]);
    events
        .iter()
        .filter(|event| event["event"] == "contact")
        .count()
}

#[test]
fn nothing_is_added_where_nobody_can_be_asked() {
    let (machine, _) = Machine::with_identity();
    let (code, error) = machine.refused(&["open", &link()]);
    assert_eq!((code, &error["kind"]), (2, &Value::from("needs_terminal")));
    assert_eq!(count(&machine), 0);
}

#[test]
fn what_is_no_contact_link_is_refused_however_it_is_written() {
    let (machine, _) = Machine::with_identity();
    for uri in [
        "-x",
        "--call",
        " --version",
        "-",
        "javascript:alert(1)",
        "https://example.org/",
        "securecall:",
        "securecall://call/x",
        "",
    ] {
        let (code, _) = machine.refused(&["open", uri]);
        assert_eq!(code, 2, "{uri}");
        let after_dashes = machine.run(&["--json", "open", "--", uri]);
        assert_eq!(after_dashes.code, 2, "{uri}");
    }
    let (_, error) = machine.refused(&["open", "--", "-x"]);
    assert_eq!(error["kind"], "invalid_link");
    assert_eq!(count(&machine), 0);
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    let (machine, _) = Machine::with_identity();
    let mut opened = PseudoTerminal::run(machine.command(&["open", &link()]));
    let shown = opened.wait_for("[Y/n]");
    assert!(
        shown.contains("Ada") && shown.contains("dwh7 yhpe"),
        "{shown}"
    );
    opened.press("n\n");
    let (code, shown) = opened.end();
    assert!(code == 0 && shown.contains("nothing was added"), "{shown}");
    assert_eq!(count(&machine), 0);

    let mut opened = PseudoTerminal::run(machine.command(&["open", &link()]));
    opened.wait_for("[Y/n]");
    opened.press("y\n");
    assert_eq!(opened.end().0, 0);
    assert_eq!(count(&machine), 1);
    // Who is known already is no question.
    let opened = PseudoTerminal::run(machine.command(&["open", &link()]));
    assert!(opened.end().1.contains("already"));
}

fn entry(desktop: &Desktop) -> PathBuf {
    desktop.path("data/applications/securecall.desktop")
}

fn defaults(desktop: &Desktop) -> String {
    fs::read_to_string(desktop.path("config/mimeapps.list")).unwrap_or_default()
}

#[test]
fn a_click_on_a_link_opens_a_terminal_that_asks() {
    let desktop = Desktop::new();
    let (machine, _) = Machine::with_identity();
    let installed = desktop.run(&machine, &["--json", "install-handler"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    assert_eq!(installed.events()[0]["path"], text(&entry(&desktop)));
    assert!(defaults(&desktop).contains("x-scheme-handler/securecall=securecall.desktop"));

    desktop.program("x-terminal-emulator", 0);
    assert_eq!(desktop.click(&link()), 0);
    let mut asked = desktop.asked("x-terminal-emulator");
    assert_eq!(asked.remove(0), "-e");
    assert_eq!(asked.last().unwrap(), &link());
    assert_eq!(
        count(&machine),
        0,
        "only the person in the terminal adds it"
    );

    // What the terminal was asked to run, in a terminal.
    let mut command = Command::new(&asked[0]);
    command
        .args(&asked[1..])
        .env("SECURECALL_PASSPHRASE", "correct horse");
    let mut terminal = PseudoTerminal::run(command);
    terminal.wait_for("[Y/n]");
    terminal.press("y\n");
    terminal.wait_for("Press Enter");
    terminal.press("\n");
    assert_eq!(terminal.end().0, 0);
    assert_eq!(count(&machine), 1);

    let removed = desktop.run(&machine, &["install-handler", "--remove"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(!entry(&desktop).exists());
    assert!(
        !defaults(&desktop).contains("securecall"),
        "{}",
        defaults(&desktop)
    );
    assert_eq!(
        desktop.run(&machine, &["install-handler", "--remove"]).code,
        0
    );
}

#[test]
fn a_link_from_outside_is_never_an_option_nor_a_command_of_a_shell() {
    let desktop = Desktop::new();
    let (machine, _) = Machine::with_identity();
    assert_eq!(desktop.run(&machine, &["install-handler"]).code, 0);
    desktop.program("x-terminal-emulator", 0);
    desktop.program("zenity", 0);
    let marker = desktop.path("marker");
    for evil in [
        format!("securecall:--call {}", link()),
        format!(
            "securecall://contact/{A}?name=$(touch {})",
            marker.display()
        ),
        format!(
            "securecall://contact/{A}?name=`touch {}`;x",
            marker.display()
        ),
        "securecall:-x".to_owned(),
    ] {
        desktop.click(&evil);
    }
    assert!(!marker.exists());
    // Whatever came through is one link in our own writing.
    let asked = desktop.asked("x-terminal-emulator");
    for argument in asked.iter().filter(|argument| argument.contains("://")) {
        assert!(
            argument.starts_with(&format!("securecall://contact/{A}")),
            "{argument}"
        );
        assert!(!argument.contains(['$', '`', ';', ' ']), "{argument}");
    }
    assert_eq!(count(&machine), 0);
}

#[test]
fn without_a_terminal_a_dialog_asks_and_without_that_nothing_is_added() {
    let (machine, _) = Machine::with_identity();
    let open = ["open", "--desktop", &link()];
    // A terminal that cannot show itself is none.
    let nobody = Desktop::new();
    nobody.program("x-terminal-emulator", 1);
    let ended = nobody.run(&machine, &[&["--json"], &open[..]].concat());
    let (code, error) = ended.error();
    assert_eq!((code, &error["kind"]), (2, &Value::from("needs_terminal")));

    let cancels = Desktop::new();
    cancels.program("zenity", 1);
    assert_eq!(cancels.run(&machine, &open).code, 0);
    let asked = cancels.asked("zenity").join("\n");
    assert!(
        asked.contains("Add Ada") && asked.contains("dwh7 yhpe"),
        "{asked}"
    );
    assert_eq!(count(&machine), 0);

    let adds = Desktop::new();
    adds.program("zenity", 0);
    assert_eq!(adds.run(&machine, &open).code, 0);
    assert_eq!(count(&machine), 1);
}

#[test]
fn a_desktop_without_its_tools_is_said_so() {
    let desktop = Desktop::new();
    let (machine, _) = Machine::with_identity();
    let mut command = machine.command(&["--json", "install-handler"]);
    desktop.at(&mut command).env("PATH", desktop.path("bin"));
    let (code, error) = end(&mut command).error();
    assert_eq!((code, &error["kind"]), (6, &Value::from("no_desktop")));
    assert!(!Path::new(&entry(&desktop)).exists());
}

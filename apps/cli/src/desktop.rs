//! What a program started by a click has to talk to a person: a terminal of its own, or a dialog.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use securecall_contact::display_text;

/// Terminal programs that take a command as separate arguments, never as a line for a shell, and what comes before it.
const TERMINALS: [(&str, &[&str]); 11] = [
    ("xdg-terminal-exec", &[]),
    ("x-terminal-emulator", &["-e"]),
    ("gnome-terminal", &["--"]),
    ("kgx", &["--"]),
    ("konsole", &["-e"]),
    ("xfce4-terminal", &["-x"]),
    ("kitty", &[]),
    ("foot", &[]),
    ("alacritty", &["-e"]),
    ("wezterm", &["start", "--"]),
    ("xterm", &["-e"]),
];

/// A person's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Yes.
    Yes,
    /// No, or the dialog was closed.
    No,
    /// There is no dialog program, or it shows nothing.
    Nobody,
}

/// Runs this program with `arguments` in a terminal of its own. False if there is none to be had.
pub(crate) fn run_in_terminal(arguments: &[OsString]) -> bool {
    let Some(program) = env::current_exe().ok().filter(|_| has_display()) else {
        return false;
    };
    TERMINALS.iter().any(|(terminal, before)| {
        let Some(terminal) = find(terminal) else {
            return false;
        };
        let ran = Command::new(terminal)
            .args(*before)
            .arg(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    })
}

/// What a yes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yes {
    /// Somebody new is added.
    Add,
    /// Somebody known is changed: nobody should do that by pressing Enter in passing.
    Change,
}

/// Asks in a dialog.
pub(crate) fn ask(question: &str, yes: Yes) -> Asked {
    if !has_display() {
        return Asked::Nobody;
    }
    let question = plain(question);
    let (zenity_label, xmessage_buttons, zenity_default) = match yes {
        Yes::Add => ("--ok-label=Add", "Add:101,Cancel:102", "--width=600"),
        Yes::Change => (
            "--ok-label=Change",
            "Change:101,Cancel:102",
            "--default-cancel",
        ),
    };
    let dialogs: [(&str, &[&str]); 3] = [
        (
            "zenity",
            &[
                "--question",
                "--no-markup",
                "--title=SecureCall",
                zenity_label,
                "--cancel-label=Cancel",
                zenity_default,
                "--text",
            ],
        ),
        ("kdialog", &["--title", "SecureCall", "--yesno"]),
        (
            "xmessage",
            &[
                "-center",
                "-buttons",
                xmessage_buttons,
                "-default",
                "Cancel",
            ],
        ),
    ];
    for (program, before) in dialogs {
        let Some(path) = find(program) else { continue };
        match dialog(path, before, &question) {
            Some(0 | 101) => return Asked::Yes,
            Some(102) => return Asked::No,
            // xmessage ends so where it can show nothing.
            Some(1) if program != "xmessage" => return Asked::No,
            // It could not show anything.
            _ => {}
        }
    }
    Asked::Nobody
}

/// Shows how it went.
pub(crate) fn show(text: &str) {
    tell("--info", "--msgbox", text);
}

/// Shows what went wrong.
pub(crate) fn show_error(text: &str) {
    tell("--error", "--error", text);
}

fn tell(zenity: &str, kdialog: &str, text: &str) {
    if !has_display() {
        return;
    }
    let text = plain(text);
    let dialogs: [(&str, &[&str]); 3] = [
        (
            "zenity",
            &[zenity, "--no-markup", "--title=SecureCall", "--text"],
        ),
        ("kdialog", &["--title", "SecureCall", kdialog]),
        ("xmessage", &["-center"]),
    ];
    for (program, before) in dialogs {
        if let Some(path) = find(program)
            && dialog(path, before, &text).is_some()
        {
            return;
        }
    }
}

fn dialog(program: PathBuf, before: &[&str], text: &str) -> Option<i32> {
    Command::new(program)
        .args(before)
        .arg(text)
        .stdin(Stdio::null())
        .status()
        .ok()?
        .code()
}

/// Dialogs may take a text for HTML, or one that begins with a dash for an option; what harms a terminal does them no good.
fn plain(text: &str) -> String {
    let text: String = display_text(text)
        .chars()
        .map(|character| match character {
            '<' => '‹',
            '>' => '›',
            '&' => '+',
            other => other,
        })
        .collect();
    text.trim_start_matches('-').to_owned()
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Where a program of this name is, if it is in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    find_in(&env::var_os("PATH")?, program)
}

/// Not where this program happens to be started: there anybody may have put something.
fn find_in(directories: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(directories)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_not_looked_for_where_this_one_was_started() {
        let here = env::current_dir().unwrap();
        let find = |directories: &str| find_in(OsStr::new(directories), "Cargo.toml");
        assert!(here.join("Cargo.toml").is_file(), "tests run beside it");
        for relative in ["", ".", "src/..", "./"] {
            assert_eq!(find(relative), None, "{relative:?}");
        }
        assert!(find(&format!(".:{}", here.display())).is_some());
    }

    #[test]
    fn nothing_in_a_text_is_markup_or_an_option() {
        assert_eq!(plain("--<b>&amp;\u{202e}\u{1b}"), "‹b›+amp; ");
    }
}

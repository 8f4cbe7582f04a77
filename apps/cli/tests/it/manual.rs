//! `--help`, `--version`, `completions`, `man`.

use crate::command::Machine;

#[test]
fn the_version_names_commit_and_protocol() {
    let ended = Machine::new().run(&["--version"]);
    assert_eq!(ended.code, 0);
    let expected = format!("securecall {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(ended.stdout.starts_with(&expected), "{ended:?}");
    assert!(
        ended.stdout.trim_end().ends_with(", protocol version 1)"),
        "{ended:?}"
    );
}

#[test]
fn help_names_every_command_that_works_and_none_that_does_not() {
    let help = Machine::new().run(&["--help"]).stdout;
    for command in [
        "id",
        "register",
        "login",
        "logout",
        "account",
        "contact",
        "config",
        "call",
        "listen",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
    }
}

#[test]
fn every_shell_gets_a_completion_script() {
    let machine = Machine::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = machine.run(&["completions", shell]).stdout;
        assert!(
            script.contains("securecall") && script.contains("listen"),
            "{shell}"
        );
        // Of `config get`; the others complete no arguments.
        let completes_values = ["bash", "zsh"].contains(&shell);
        assert_eq!(
            script.contains("homeserver_turn"),
            completes_values,
            "{shell}"
        );
        let event = machine.json(&["completions", shell]).remove(0);
        assert_eq!(event["script"].as_str().unwrap(), script.trim_end());
    }
}

#[test]
fn the_manual_is_one_page_for_all_commands() {
    let machine = Machine::new();
    let page = machine.run(&["man"]).stdout;
    assert!(page.contains(".TH securecall 1"), "{page}");
    assert!(page.contains(".SH \"SECURECALL CONTACT ADD\""));
    assert!(page.contains(".SH \"SECURECALL CONFIG UNSET\""));
    assert!(page.contains(".SH \"SECURECALL ACCOUNT AVATAR\""));
    assert_eq!(machine.json(&["man"])[0]["event"], "manual");
}

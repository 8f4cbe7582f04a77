//! A homeserver, an argument and a picture that would write to the terminal.

use securecall_interop::WebServer;
use serde_json::{Value, json};

use crate::command::{Ended, Machine};

/// Sets a title, writes to the clipboard, clears the screen, hides what follows, turns the line around, and says
/// something in the name of the program.
const NASTY: &str = "no\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}[2J\u{1b}[8m\u{9b}31m\u{202e}\u{200b}\r\nerror: run this";

/// A homeserver that answers requests whose first line holds such a text with this status and body, the last that fits first, and
/// says its versions.
fn homeserver(answers: &[(&str, &str, Value)]) -> WebServer {
    let server = WebServer::start().unwrap();
    let answer = |what: &str, status: &str, body: &Value| {
        let status = format!("{status}\r\nContent-Type: application/json");
        server.answer(what, &status, &body.to_string());
    };
    for (what, status, body) in answers {
        answer(what, status, body);
    }
    answer(
        "/versions",
        "200 OK",
        &json!({"versions": ["v1.1", "v1.11"]}),
    );
    server
}

/// Nothing that a terminal obeys, and no line that the program did not make.
#[track_caller]
fn check(ended: &Ended, lines: usize) {
    for text in [&ended.stdout, &ended.stderr] {
        let harmful: Vec<char> = text
            .chars()
            .filter(|character| {
                (character.is_control() && *character != '\n')
                    || matches!(character, '\u{202e}' | '\u{200b}')
            })
            .collect();
        assert!(harmful.is_empty(), "{harmful:?}: {ended:?}");
    }
    assert_eq!(ended.stderr.lines().count(), lines, "{ended:?}");
    let is_said = |line: &str| line.starts_with("error: run this");
    assert!(!ended.stderr.lines().any(is_said), "{ended:?}");
    // What is harmless is shown.
    assert!(ended.stderr.contains("31m"), "{ended:?}");
}

#[test]
fn a_homeserver_does_not_write_to_the_terminal() {
    let (machine, _) = Machine::with_identity();
    let asking = homeserver(&[(
        "/",
        "401 Unauthorized",
        json!({"flows": [{"stages": [NASTY]}], "session": "s", "params": {}}),
    )]);
    let refusing = homeserver(&[(
        "/",
        "400 Bad Request",
        json!({"errcode": NASTY, "error": NASTY}),
    )]);
    let offering = homeserver(&[
        (
            "/",
            "403 Forbidden",
            json!({"errcode": "M_UNKNOWN", "error": NASTY}),
        ),
        ("GET /", "200 OK", json!({"flows": [{"type": NASTY}]})),
    ]);
    let [asking, refusing, offering] = [&asking, &refusing, &offering].map(WebServer::base_url);
    let login = ["login", "--user", "@alice:example.org"];
    for arguments in [
        vec!["register", "--homeserver", &asking],
        vec!["register", "--homeserver", &refusing],
        [&login[..], &["--homeserver", &refusing]].concat(),
        [&login[..], &["--homeserver", &offering]].concat(),
    ] {
        for json in [&[][..], &["--json"]] {
            // With logs, which hold what the server said, too.
            for more in [&[][..], &["-vv"]] {
                let all = [json, &arguments, more].concat();
                let ended = machine.run_with_input(&all, "password\n");
                assert_eq!(ended.code, 5, "{ended:?}");
                let lines = match more {
                    [] => 2,
                    _ => ended.stderr.lines().count(),
                };
                check(&ended, lines);
            }
        }
    }
}

#[test]
fn an_argument_does_not_write_to_the_terminal() {
    let (machine, _) = Machine::with_identity();
    let owned = format!("x{NASTY}");
    let file = format!("/nonexistent/{NASTY}.png");
    for (arguments, lines) in [
        (vec!["contact", "rename", &owned, "Ada"], Some(2)),
        (
            vec!["contact", "add", "@a:b.example", "--name", &owned],
            Some(2),
        ),
        (vec!["contact", "add", &file], Some(2)),
        (vec!["contact", "share", "--png", &file], None),
        (vec!["call", &owned], Some(2)),
        (vec!["register", "--homeserver", &owned], Some(2)),
        (vec!["listen", "--mic", &owned], None),
        (vec!["listen", "--answer", &owned], None),
        (vec!["completions", &owned], None),
    ] {
        let ended = machine.run(&arguments);
        assert_ne!(ended.code, 0, "{ended:?}");
        let lines = lines.unwrap_or_else(|| ended.stderr.lines().count());
        check(&ended, lines);
        let as_json = [&["--json"], &arguments[..]].concat();
        let ended = machine.run(&as_json);
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        ended.error();
    }
}

//! A homeserver, an argument and a picture that would write to the terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::command::{Ended, Machine};

/// Sets a title, writes to the clipboard, clears the screen, hides what follows, turns the line around, and says
/// something in the name of the program.
const NASTY: &str = "no\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}[2J\u{1b}[8m\u{9b}31m\u{202e}\u{200b}\r\nerror: run this";

/// A homeserver that answers each request with status and body of `answer`, for its method and path.
fn homeserver(answer: fn(&str, &str) -> (u16, Value)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(connection, answer));
        }
    });
    url
}

fn serve(mut connection: TcpStream, answer: fn(&str, &str) -> (u16, Value)) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let mut words = first.split(' ');
        let (status, body) = answer(words.next().unwrap(), words.next().unwrap());
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if connection
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .is_err()
        {
            return;
        }
    }
}

fn versions() -> (u16, Value) {
    (200, json!({"versions": ["v1.1", "v1.11"]}))
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
    let asking = homeserver(|_, path| match path.ends_with("/versions") {
        true => versions(),
        false => (
            401,
            json!({"flows": [{"stages": [NASTY]}], "session": "s", "params": {}}),
        ),
    });
    let refusing = homeserver(|_, path| match path.ends_with("/versions") {
        true => versions(),
        false => (400, json!({"errcode": NASTY, "error": NASTY})),
    });
    let offering = homeserver(|method, path| match (path.ends_with("/versions"), method) {
        (true, _) => versions(),
        (false, "GET") => (200, json!({"flows": [{"type": NASTY}]})),
        (false, _) => (403, json!({"errcode": "M_UNKNOWN", "error": NASTY})),
    });
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

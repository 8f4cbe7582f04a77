//! Wrong use, and what needs a person.

use std::process::Stdio;

use crate::command::{Machine, bare_command, end, expect, pipe_without_reader};

#[test]
fn wrong_options_are_usage_errors_for_people_and_scripts() {
    let machine = Machine::new();
    for arguments in [
        vec!["frobnicate"],
        vec!["call"],
        vec!["id"],
        vec!["listen", "--answer", "never"],
        vec!["listen", "--route", "elsewhere"],
        vec!["listen", "--mic", "voice.mp3"],
        vec!["doctor", "--mic", "voice.mp3"],
        vec!["doctor", "everything"],
        vec!["listen", "--speaker", "tone:440"],
        vec!["listen", "--mic", "tone:1e9"],
        vec!["call", "x", "--duration", "0"],
        vec!["call", "x", "--duration", "-1"],
        vec!["call", "x", "--require", "matrix"],
        vec!["call", "x", "--room", "#friends:example.org"],
        vec!["call", "x", "--in-clear"],
        vec!["call", "x", "--yes"],
        vec!["call", "--room"],
        vec!["register"],
        vec!["login", "--homeserver", "https://example.org"],
        vec!["contact", "share", "--qr=red"],
        vec!["contact", "verify", "x", "--qr", "a.png", "--id", "b"],
        vec!["contact", "rename", "x"],
        vec!["open"],
        vec!["completions", "tcsh"],
    ] {
        let ended = machine.run(&arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && !ended.stderr.is_empty(),
            "{arguments:?}: {ended:?}"
        );
        expect(machine.refused(&arguments), 2, "usage");
    }
}

#[test]
fn bad_homeservers_are_named() {
    let (machine, _) = Machine::with_identity();
    expect(
        machine.refused(&["register", "--homeserver", "not a url"]),
        2,
        "invalid_server",
    );
    expect(
        machine.refused(&["register", "--homeserver", "ftp://example.org"]),
        2,
        "invalid_server",
    );
    expect(
        machine.refused(&["register", "--homeserver", "http://example.org"]),
        3,
        "certificate_refused",
    );
    let missing = [
        "register",
        "--homeserver",
        "https://example.org",
        "--ca-file",
        "/nonexistent.pem",
    ];
    expect(machine.refused(&missing), 2, "invalid_file");
    // Nobody listens on the discard port of this machine.
    expect(
        machine.refused(&["register", "--homeserver", "http://127.0.0.1:9"]),
        5,
        "homeserver_unreachable",
    );
}

#[test]
fn login_needs_a_matrix_id_of_ours_and_a_password() {
    let (machine, _) = Machine::with_identity();
    let login = |user| {
        machine.refused(&[
            "login",
            "--homeserver",
            "http://127.0.0.1:9",
            "--user",
            user,
        ])
    };
    expect(login("alice"), 2, "invalid_matrix_id");
    let other = "@sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab:example.org";
    expect(login(other), 3, "key_mismatch");
    let error = expect(login("@alice:example.org"), 2, "needs_terminal");
    assert!(
        error["help"]
            .as_str()
            .unwrap()
            .contains("SECURECALL_PASSWORD")
    );
}

#[test]
fn commands_that_need_an_account_say_how_to_get_one() {
    let (machine, _) = Machine::with_identity();
    for command in ["listen", "logout"] {
        let error = expect(machine.refused(&[command]), 2, "no_account");
        assert!(
            error["help"]
                .as_str()
                .unwrap()
                .contains("securecall register")
        );
    }
}

#[test]
fn standard_output_cannot_carry_events_and_a_voice() {
    let (machine, _) = Machine::with_identity();
    expect(machine.refused(&["listen", "--speaker", "-"]), 2, "usage");
}

#[test]
fn a_reader_that_has_gone_is_no_fault() {
    let (machine, _) = Machine::with_identity();
    let status = machine
        .command(&["id", "show"])
        .stdin(Stdio::null())
        .stdout(pipe_without_reader())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(141));
}

#[test]
fn logging_goes_to_standard_error_and_names_nobody() {
    let (machine, id) = Machine::with_identity();
    let mut command = machine.command(&["-vv", "--json", "contact", "share"]);
    command.env("SECURECALL_LOG", "trace").stdin(Stdio::null());
    let ended = end(&mut command);
    assert_eq!(ended.events().len(), 1);
    assert!(!ended.stderr.contains(&id), "{ended:?}");
}

#[test]
fn a_home_without_a_directory_is_said_so() {
    let mut command = bare_command();
    command
        .args(["--json", "id", "show"])
        .env("HOME", "")
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null());
    let ended = end(&mut command);
    // Where the system knows the home of the user without the variable, there is simply no profile.
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[cfg(unix)]
#[test]
fn the_name_of_a_file_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let (machine, _) = Machine::with_identity();
    let (other, id) = Machine::with_identity();
    let directory = machine.profile();
    let path = |name: &[u8]| directory.join(OsStr::from_bytes(name));
    let picture = path(b"code \xff\xfe.png");
    let run = |machine: &Machine, arguments: &[&str], path: &OsStr| {
        let mut command = machine.command(arguments);
        end(command.arg(path).stdin(Stdio::null()))
    };
    let shared = run(&other, &["contact", "share", "--png"], picture.as_os_str());
    assert_eq!(shared.code, 0, "{shared:?}");
    // Shown with what stands for bytes that are no text.
    assert!(
        shared.stderr.contains("code \u{fffd}\u{fffd}.png"),
        "{shared:?}"
    );
    let added = run(&machine, &["contact", "add"], picture.as_os_str());
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.stdout.contains(&id), "{added:?}");
    let name = machine.json(&["contact", "list"])[0]["name"].clone();
    let verify = ["contact", "verify", name.as_str().unwrap(), "--qr"];
    let verified = run(&machine, &verify, picture.as_os_str());
    assert_eq!(verified.code, 0, "{verified:?}");

    for option in ["--mic", "--speaker"] {
        for name in [&b"voice \xff.wav"[..], b"raw:/tmp/\xff"] {
            let arguments = ["--json", "listen", option];
            let ended = run(&machine, &arguments, OsStr::from_bytes(name));
            // It is understood; the next thing that is missing is the account.
            expect(ended.error(), 2, "no_account");
        }
    }
    let missing = path(b"none \xff.png");
    let ended = run(&machine, &["--json", "contact", "add"], missing.as_os_str());
    let error = expect(ended.error(), 2, "invalid_file");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("none \u{fffd}.png"),
        "{error}"
    );
}

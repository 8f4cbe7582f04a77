//! `check`, and what is said of wrong settings and wrong arguments.

use crate::process::{Lab, command, obliging};

#[test]
fn check_names_what_is_wrong_and_changes_nothing() {
    let homeserver = obliging();
    let lab = Lab::new(homeserver.address(), "");
    let (code, lines) = lab.ended(&["check"]);
    // Nobody has made the names of the settings known.
    assert_eq!(code, 5, "{lines:?}");
    for line in &lines {
        let is_ok = line["name"] != "published";
        if line["type"] == "check" {
            assert_eq!(line["ok"], is_ok, "{line}");
        }
    }
    assert!(!lab.path("server.db").exists());

    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(lab.path("secret"), open).unwrap();
    let (code, lines) = lab.ended(&["check"]);
    assert_eq!(code, 3, "{lines:?}");
}

#[test]
fn wrong_settings_are_refused_with_their_name() {
    let homeserver = obliging();
    for (from, to, named) in [
        ("domain = \"homeserver.test\"", "domain = \"a b\"", "domain"),
        ("https://homeserver.test\"", "ftp://x\"", "public_url"),
        (
            "https://matrix.homeserver.test",
            "https://a:b@c",
            "homeserver.public_url",
        ),
        ("sqlite:server.db", "mysql://root:hunter2@x", "database.url"),
        ("kind = \"synapse\"", "kind = \"conduit\"", "synapse"),
        ("drain_seconds", "drain_second", "drain_second"),
    ] {
        let lab = Lab::new(homeserver.address(), "");
        lab.change(from, to);
        let (code, lines) = lab.ended(&["check"]);
        assert_eq!(code, 2, "{lines:?}");
        let said = lines.last().unwrap()["message"].as_str().unwrap();
        assert!(said.contains(named), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let lab = Lab::new(homeserver.address(), "");
    lab.secret("secret", "short");
    let log = lab.try_start().err().unwrap();
    assert!(log.contains("16 characters"), "{log}");
}

#[test]
fn who_is_told_exactly() {
    let homeserver = obliging();
    let lab = Lab::new(homeserver.address(), "");
    for who in [
        "alice",
        "@alice:homeserver.test",
        "@sc_x:homeserver.test",
        "",
    ] {
        let (code, lines) = lab.ended(&["user", "approve", who]);
        assert_eq!(code, 2, "{who}: {lines:?}");
    }
    let elsewhere = "@sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab:elsewhere.test";
    let (code, lines) = lab.ended(&["user", "disable", elsewhere]);
    assert_eq!(code, 2, "{lines:?}");
}

#[test]
fn where_there_is_nothing_people_are_told_and_scripts_get_no_line() {
    let homeserver = obliging();
    let lab = Lab::new(homeserver.address(), "");
    for arguments in [
        &["user", "list"][..],
        &["user", "list", "--waiting"],
        &["invite", "list"],
    ] {
        assert_eq!(lab.told(arguments).len(), 0, "{arguments:?}");
        let output = command()
            .args(arguments)
            .arg("--config")
            .arg(lab.settings())
            .output()
            .unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said:?}");
    }
}

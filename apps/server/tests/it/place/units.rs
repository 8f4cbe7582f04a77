//! systemd's units, read by systemd.

use std::fs;
use std::process::Command;

use super::process::Place;

/// What systemd says of the units of a place. Their programs need not be installed here: each is another one that is.
fn verified(options: &[&str]) -> (String, Vec<String>) {
    let place = Place::new(options);
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(place.path("systemd")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".conf") {
            continue;
        }
        let mut text = String::new();
        for line in fs::read_to_string(entry.path()).unwrap().lines() {
            let command = ["ExecStart=", "ExecStartPre=", "ExecReload="];
            let line = match command.iter().find(|key| line.starts_with(**key)) {
                Some(key) => format!("{key}/bin/true"),
                // The manuals of programs that are not here.
                None if line.starts_with("Documentation=") => String::new(),
                None => line.to_owned(),
            };
            text.push_str(&line);
            text.push('\n');
        }
        let path = folder.path().join(&name);
        fs::write(&path, text).unwrap();
        units.push(path.display().to_string());
    }
    assert!(units.len() >= 7, "{units:?}");
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg("--man=no")
        .args(&units)
        .output()
        .expect("`cargo xtask setup` installs systemd");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What it says of units that others brought is not ours.
    let ours = said.lines().filter(|line| {
        line.contains("securecall") && !line.contains("Cannot open network namespace")
    });
    let ours: Vec<&str> = ours.collect();
    (ours.join("\n"), units)
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    for options in [
        ["--homeserver", "synapse", "--database", "sqlite"],
        ["--homeserver", "synapse", "--database", "postgres"],
        ["--homeserver", "dendrite", "--database", "sqlite"],
    ] {
        let (said, _) = verified(&options);
        assert_eq!(said, "", "{options:?}");
    }
}

#[test]
fn a_wrong_line_would_be_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("securecall-wrong.service");
    fs::write(
        &unit,
        "[Service]\nExecStart=/bin/true\nProtectSysten=strict\n",
    )
    .unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectSysten"));
}

#[test]
fn the_services_are_shut_in() {
    for homeserver in ["synapse", "dendrite"] {
        let place = Place::new(&["--homeserver", homeserver]);
        for unit in [
            "securecall-server",
            &format!("securecall-{homeserver}"),
            "securecall-coturn",
        ] {
            let path = place.path(&format!("systemd/{unit}.service"));
            let output = Command::new("systemd-analyze")
                // In tenths: 0 is shut in, 100 is open. Debian's coturn.service has 9.2.
                .args(["security", "--offline=true", "--threshold=30", "--no-pager"])
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{unit}: {}",
                said.lines().last().unwrap_or_default()
            );
        }
    }
}

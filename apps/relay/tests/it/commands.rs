//! `init` and `check`, and what is said of wrong settings.

use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::daemon::{Lab, command, lab_with};

struct Told {
    code: i32,
    stdout: String,
    stderr: String,
}

fn check(lab: &Lab) -> Told {
    tell(lab, &["check"])
}

fn tell(lab: &Lab, arguments: &[&str]) -> Told {
    tell_of(&lab.settings(), arguments)
}

fn tell_of(settings: &Path, arguments: &[&str]) -> Told {
    let output = command()
        .args(arguments)
        .arg("--config")
        .arg(settings)
        .output()
        .unwrap();
    Told {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn with_settings(change: impl FnOnce(String) -> String) -> Lab {
    let lab = lab_with("");
    let settings = fs::read_to_string(lab.settings()).unwrap();
    fs::write(lab.settings(), change(settings)).unwrap();
    lab
}

#[test]
fn init_writes_for_its_owner_alone_and_never_over_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("deep/relay.toml");
    let init = |name: &str| {
        let output = command()
            .args([
                "--json", "init", "--role", "exit", "--name", name, "--config",
            ])
            .arg(&settings)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = init("one.test");
    let written = |name: &str| {
        let path = settings.parent().unwrap().join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        fs::read_to_string(path).unwrap()
    };
    let files = || ["relay.toml", "cert.pem", "key.pem"].map(written);
    let before = files();
    assert!(before[0].contains("role = \"exit\"") && before[0].contains("name = \"one.test\""));
    assert!(before[2].starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let second = init("two.test");
    assert_eq!(files(), before);
    assert!(second.contains("\"wrote\":[]"), "{second}");
    let pin = |told: &str| {
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        told["pin"].as_str().unwrap().to_owned()
    };
    assert_eq!(pin(&first), pin(&second));
    assert_eq!(pin(&first).len(), 44);
}

#[test]
fn what_init_writes_is_understood_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("relay.toml");
    let run = |arguments: &[&str]| {
        let output = command()
            .args(arguments)
            .arg("--config")
            .arg(&settings)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(run(&["init", "--name", "relay.test"]).0, 0);
    let (code, told) = run(&["check"]);
    assert_eq!(code, 2);
    assert!(
        told.contains("`exit.addresses` needs one address"),
        "{told}"
    );
    // A directory would not take it.
    assert_eq!(run(&["init", "--name", "Relay.test"]).0, 2);
    let (code, told) = run(&["init", "--name", "not a name"]);
    assert_eq!(code, 2);
    assert!(told.contains("is not the name of a host"), "{told}");
}

#[test]
fn init_that_cannot_be_done_writes_nothing_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("relay.toml");
    let init = |settings: &Path| tell_of(settings, &["init", "--name", "relay.test"]);
    // The folder in which the file is to be.
    let told = init(folder.path());
    assert_eq!(told.code, 2, "{}", told.stderr);
    let whole = format!("help: --config {}", settings.display());
    assert!(told.stderr.contains(&whole), "{}", told.stderr);
    // A file where the folder is to be.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let told = init(&file.join("relay.toml"));
    assert_eq!(told.code, 6, "{}", told.stderr);
    assert!(told.stderr.contains("cannot be made"), "{}", told.stderr);
    // Half of a pair is somebody's.
    for half in ["cert.pem", "key.pem"] {
        let half = folder.path().join(half);
        fs::write(&half, "mine").unwrap();
        let told = init(&settings);
        assert_eq!(told.code, 2, "{}", told.stderr);
        assert!(told.stderr.contains("one is not"), "{}", told.stderr);
        assert_eq!(fs::read(&half).unwrap(), b"mine");
        fs::remove_file(half).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let told = init(&settings);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let next = format!("`securecall-relay check --config {}`", settings.display());
    assert!(told.stdout.contains(&next), "{}", told.stdout);
}

#[test]
fn an_issuer_of_a_lab_is_for_this_machine_and_makes_no_key_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("issuer.pem");
    for (arguments, reason) in [
        (["--name", "a b"], "`--name`"),
        (["--listen", "192.0.2.1:8787"], "not an address of loopback"),
        (["--days", "0"], "0 is not in 1..=3650"),
        (["--days", "65535"], "65535 is not in 1..=3650"),
    ] {
        let mut issuer = command();
        issuer.arg("issuer").arg("--key").arg(&key).args(arguments);
        if arguments[0] != "--name" {
            issuer.args(["--name", "issuer.test"]);
        }
        let output = issuer.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(reason), "{told}");
        assert!(!key.exists());
    }
}

#[test]
fn what_cannot_be_written_to_standard_output_is_no_success() {
    let lab = lab_with("");
    for arguments in [&["check"][..], &["--json", "check"]] {
        let output = command()
            .args(arguments)
            .arg("--config")
            .arg(lab.settings())
            .stdout(File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{told}");
        assert!(told.contains("standard output cannot be written"), "{told}");
    }
}

#[test]
fn a_relay_that_would_run_is_told_so() {
    let told = check(&lab_with(""));
    assert_eq!(told.code, 0, "{}", told.stdout);
    assert!(!told.stdout.contains("FAIL"), "{}", told.stdout);
    let told = tell(&lab_with(""), &["check", "--json"]);
    let names: Vec<String> = told
        .stdout
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["ok"], true, "{line}");
            event["name"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "settings",
            "certificate",
            "access",
            "listen",
            "addresses",
            "exit",
            "figures",
            "clock"
        ]
    );
}

#[test]
fn wrong_settings_are_refused_with_the_reason() {
    type Change = fn(String) -> String;
    let cases: &[(&str, Change, i32)] = &[
        (
            "an entry needs to know where",
            |s| replace_line(&s, "relays = [", ""),
            2,
        ),
        (
            "unknown field",
            |s| s.replace("drain_seconds", "drain_secs"),
            2,
        ),
        (
            "`listen` needs a port",
            |s| replace_line(&s, "listen = [", "listen = [\"127.0.0.1:0\"]"),
            2,
        ),
        (
            "`listen` names no address",
            |s| replace_line(&s, "listen = [", "listen = []"),
            2,
        ),
        (
            "not the name of a host",
            |s| s.replace("relay.test", "a b"),
            2,
        ),
        (
            "which is not a public address",
            |s| s.replace("lab = true", ""),
            3,
        ),
        (
            "nobody could use this relay",
            |s| s.replace("secret_file = \"secret\"", ""),
            2,
        ),
        (
            "needs one address, or one of IPv4 and one of IPv6",
            |s| s.replace("addresses = [\"127.0.0.1\"]", "addresses = []"),
            2,
        ),
        (
            "different families",
            |s| {
                s.replace(
                    "addresses = [\"127.0.0.1\"]",
                    "addresses = [{ bind = \"127.0.0.1\", public = \"::1\" }]",
                )
            },
            2,
        ),
        (
            "no address that could be told",
            |s| s.replace("addresses = [\"127.0.0.1\"]", "addresses = [\"0.0.0.0\"]"),
            2,
        ),
        (
            "`exit.ports` needs the first port",
            |s| s.replace("[access]", "ports = [9, 8]\n[access]"),
            2,
        ),
        (
            "is not a network",
            |s| s.replace("[access]", "refuse = [\"10.0.0.0\"]\n[access]"),
            2,
        ),
        (
            "`limits.flows` is 0",
            |s| s.replace("[limits]", "[limits]\nflows = 0"),
            2,
        ),
        (
            "room for a packet",
            |s| s.replace("[limits]", "[limits]\nbyte_burst = 100"),
            2,
        ),
        (
            "not an address of loopback",
            |s| replace_last_line(&s, "listen = \"192.0.2.1:9464\""),
            2,
        ),
    ];
    for (reason, change, code) in cases {
        let lab = with_settings(change);
        let told = check(&lab);
        assert_eq!(told.code, *code, "{reason}: {}", told.stderr);
        assert!(told.stderr.contains(reason), "{reason}: {}", told.stderr);
        let run = tell(&lab, &["run"]);
        assert_eq!(
            (run.code, run.stderr.contains(reason)),
            (*code, true),
            "{reason}"
        );
    }
}

fn replace_line(text: &str, start: &str, by: &str) -> String {
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(start)).unwrap();
    text.replacen(line, by, 1)
}

fn replace_last_line(text: &str, by: &str) -> String {
    let (rest, _) = text.trim_end().rsplit_once('\n').unwrap();
    format!("{rest}\n{by}\n")
}

#[test]
fn check_looks_at_certificate_key_secret_and_ports() {
    // Another key.
    let lab = lab_with("");
    let other = lab_with("");
    fs::copy(other.path("key.pem"), lab.path("key.pem")).unwrap();
    let told = check(&lab);
    assert_eq!(told.code, 2);
    assert!(told.stdout.contains("is not the key of"), "{}", told.stdout);
    // Another name.
    let told = check(&with_settings(|s| s.replace("relay.test", "other.test")));
    assert_eq!(told.code, 2);
    assert!(
        told.stdout.contains("is not for other.test"),
        "{}",
        told.stdout
    );
    // A key that everybody reads, and a secret.
    for file in ["key.pem", "secret"] {
        let lab = lab_with("");
        fs::set_permissions(lab.path(file), fs::Permissions::from_mode(0o644)).unwrap();
        let told = check(&lab);
        assert_eq!(told.code, 3, "{file}");
        assert!(
            told.stdout.contains("can be read by anybody"),
            "{}",
            told.stdout
        );
    }
    // A secret that can be tried out.
    let lab = lab_with("");
    fs::write(lab.path("secret"), "short").unwrap();
    let told = check(&lab);
    assert_eq!(told.code, 2);
    assert!(
        told.stdout
            .contains("a shared secret has 16 to 128 letters"),
        "{}",
        told.stdout
    );
    // Ports that somebody has.
    let lab = lab_with("");
    let _taken = UdpSocket::bind(lab.address).unwrap();
    for told in [check(&lab), tell(&lab, &["run"])] {
        assert_eq!(told.code, 6);
        let said = told.stdout + &told.stderr;
        assert!(said.contains("cannot be bound"), "{said}");
        assert!(said.contains("does the relay run already?"), "{said}");
    }
    let lab = lab_with("");
    let _taken = std::net::TcpListener::bind(lab.figures).unwrap();
    assert_eq!(check(&lab).code, 6);
    // An address that this machine does not have.
    let told = check(&with_settings(|s| {
        s.replace(
            "addresses = [\"127.0.0.1\"]",
            "addresses = [\"198.51.100.7\"]",
        )
    }));
    assert_eq!(told.code, 6);
    assert!(told.stdout.contains("`exit.addresses`"), "{}", told.stdout);
}

#[test]
fn a_file_that_is_not_there_or_far_too_large_is_no_file_of_settings() {
    let lab = lab_with("");
    fs::write(lab.settings(), " ".repeat(100_000)).unwrap();
    let told = check(&lab);
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("too large"), "{}", told.stderr);
    fs::remove_file(lab.settings()).unwrap();
    let told = tell(&lab, &["--json", "run"]);
    assert_eq!(told.code, 2);
    let event: serde_json::Value = serde_json::from_str(told.stdout.trim()).unwrap();
    assert_eq!(
        (&event["type"], &event["kind"]),
        (&"error".into(), &"usage".into())
    );
}

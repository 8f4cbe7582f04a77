//! The directory: signed by whoever publishes it, read by relays.

use std::process::Output;

use serde_json::json;

use crate::client::Client;
use crate::daemon::{Lab, command, lab_with, tokio_udp};

fn run(arguments: &[&str], lab: &Lab) -> Output {
    command()
        .current_dir(lab.folder.path())
        .args(arguments)
        .output()
        .unwrap()
}

/// Signs a directory with this exit, and us, in it.
fn publish(lab: &Lab, serial: u64, exit: std::net::SocketAddr) {
    let payload = json!({
        "version": 1, "serial": serial, "not_before": 0, "not_after": 4_000_000_000_u64,
        "issuers": [],
        "relays": [
            { "name": "relay.test", "addresses": [lab.address], "role": "both", "operator": "us" },
            { "name": "exit.test", "addresses": [exit], "role": "exit", "operator": "others" },
            { "name": "entry.test", "addresses": ["127.0.0.1:7"], "role": "entry", "operator": "others" },
        ],
    });
    std::fs::write(lab.path("payload.json"), payload.to_string()).unwrap();
    let signed = run(
        &[
            "directory",
            "sign",
            "--lab",
            "--key",
            "directory.key",
            "--payload",
            "payload.json",
        ],
        lab,
    );
    assert!(signed.status.success(), "{signed:?}");
}

fn lab_with_directory() -> (Lab, String) {
    let lab = lab_with("");
    let told = run(
        &["--json", "directory", "key", "--key", "directory.key"],
        &lab,
    );
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let key = told["public"].as_str().unwrap().to_owned();
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let settings = settings.replace("relays = [\"127.0.0.1:9\"]", "").replace(
        "[entry]",
        &format!("[directory]\nfile = \"relays.json\"\nkeys = [\"{key}\"]\n[entry]"),
    );
    std::fs::write(lab.settings(), settings).unwrap();
    (lab, key)
}

#[tokio::test]
async fn an_entry_forwards_to_the_exits_of_its_directory_and_follows_it_forward_only() {
    let (lab, _) = lab_with_directory();
    let first = tokio_udp().await.local_addr().unwrap();
    let second = tokio_udp().await.local_addr().unwrap();
    publish(&lab, 5, first);
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.forward(first).await.status(), 200);
    // One that is an entry only, and itself, are no exits.
    assert_eq!(
        client
            .forward("127.0.0.1:7".parse().unwrap())
            .await
            .status(),
        403
    );
    assert_eq!(client.forward(daemon.address()).await.status(), 403);
    assert_eq!(daemon.figure("directory_not_after_seconds"), 4_000_000_000);

    publish(&daemon.lab, 4, second);
    assert!(!daemon.reload().await);
    assert_eq!(client.forward(second).await.status(), 403);
    publish(&daemon.lab, 6, second);
    assert!(daemon.reload().await);
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.forward(second).await.status(), 200);
    assert_eq!(client.forward(first).await.status(), 403);
}

#[test]
fn check_says_what_is_wrong_with_a_directory() {
    let (lab, key) = lab_with_directory();
    publish(&lab, 1, "127.0.0.1:9".parse().unwrap());
    let check = |lab: &Lab| {
        let output = run(&["check", "--config", "relay.toml"], lab);
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), told)
    };
    let (code, told) = check(&lab);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("lists this relay and 1 addresses of exits"),
        "{told}"
    );
    let settings = std::fs::read_to_string(lab.settings()).unwrap();

    // Signed by somebody else.
    std::fs::remove_file(lab.path("directory.key")).unwrap();
    run(&["directory", "key", "--key", "directory.key"], &lab);
    publish(&lab, 2, "127.0.0.1:9".parse().unwrap());
    let (code, told) = check(&lab);
    assert_eq!(code, 3);
    assert!(
        told.contains("not signed by a key that is trusted here"),
        "{told}"
    );

    for (from, to, reason) in [
        (
            format!("[\"{key}\"]"),
            "[]".to_owned(),
            "names nobody who may sign it",
        ),
        (key, "AAAA".to_owned(), "not a key of a relay directory"),
    ] {
        std::fs::write(lab.settings(), settings.replace(&from, &to)).unwrap();
        let (code, told) = check(&lab);
        assert_eq!(code, 2);
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn what_readers_would_refuse_is_not_signed() {
    let (lab, _) = lab_with_directory();
    std::fs::write(lab.path("payload.json"), "{\"version\": 1}").unwrap();
    let arguments = [
        "directory",
        "sign",
        "--key",
        "directory.key",
        "--payload",
        "payload.json",
    ];
    let refused = run(&arguments, &lab);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!lab.path("relays.json").exists());
    // Private addresses are for labs.
    publish(&lab, 1, "127.0.0.1:9".parse().unwrap());
    assert_eq!(run(&arguments, &lab).status.code(), Some(2));
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let (lab, _) = lab_with_directory();
    let told = |arguments: &[&str]| {
        let refused = run(arguments, &lab);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        String::from_utf8(refused.stderr).unwrap()
    };
    let sign = |key, payload| {
        told(&[
            "directory",
            "sign",
            "--lab",
            "--key",
            key,
            "--payload",
            payload,
        ])
    };
    let text = sign("none.key", "payload.json");
    assert!(
        text.contains("none.key") && text.contains("directory key --key none.key"),
        "{text}"
    );
    let text = sign("directory.key", "none.json");
    assert!(
        text.contains("none.json") && text.contains("relay-directory.md"),
        "{text}"
    );
    std::fs::write(lab.path("empty.key"), "").unwrap();
    let text = sign("empty.key", "payload.json");
    assert!(
        text.contains("empty.key") && text.contains("`securecall-relay directory key`"),
        "{text}"
    );
    // The list that the settings name was not fetched yet; then the certificate is gone, too.
    let run = ["run", "--config", "relay.toml"];
    let text = told(&run);
    assert!(
        text.contains("relays.json") && text.contains("whoever publishes it"),
        "{text}"
    );
    std::fs::remove_file(lab.path("cert.pem")).unwrap();
    let text = told(&run);
    assert!(
        text.contains("cert.pem") && text.contains("`securecall-relay init`"),
        "{text}"
    );
}

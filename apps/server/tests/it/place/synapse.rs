//! Synapse, with its own settings and with ours.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use securecall_interop::{RunningProgram, Synapse, free_address};
use serde_json::{Value, json};

use super::process::{Diagnosis, Place, ask};
use crate::registration;

fn python() -> String {
    Synapse::python().unwrap().display().to_string()
}

/// An account by the secret that the two servers share, and what it leaves behind when it is used.
fn use_an_account(address: SocketAddr, secret: &str) {
    let token = register(address, secret);
    let authorization = format!("Authorization: Bearer {token}");
    for path in [
        "/_matrix/client/v3/sync?timeout=0&set_presence=online",
        "/_matrix/client/v3/account/whoami",
    ] {
        let (status, body) = ask(address, "GET", path, &[&authorization], "").unwrap();
        assert_eq!(status, 200, "{body}");
    }
}

fn register(address: SocketAddr, secret: &str) -> String {
    let path = registration::PATH;
    let (status, body) = ask(address, "GET", path, &[], "").unwrap();
    assert_eq!(status, 200, "{body}");
    let nonce = serde_json::from_str(&body).unwrap();
    let request = registration::request(secret, &nonce, "sc_a", "password", false);
    let (status, body) = ask(address, "POST", path, &[], &request.to_string()).unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_synapse_of_our_template_runs_and_doctor_finds_nothing() {
    let place = Place::new(&["--homeserver", "synapse"]);
    let mut synapse = place.start_synapse().unwrap();
    use_an_account(place.homeserver(), place.read("registration_secret").trim());
    // Addresses and visits are written some seconds later.
    let database = place.path("state/homeserver.db");
    synapse
        .wait_until(|| rows(&database, "user_ips") > 0)
        .unwrap();
    let diagnosis = place.doctor(&[]);
    assert_eq!(diagnosis.names(), [""; 0]);
    assert_eq!(
        diagnosis.looked_at(),
        ["settings", "database", "answers", "turn", "proxy"]
    );
    assert_eq!(diagnosis.code, 0, "{diagnosis:?}");
    // Our log: nothing of who did what.
    let said = synapse.said();
    assert!(!said.contains("sc_a") && !said.contains("whoami"), "{said}");
}

fn rows(database: &std::path::Path, table: &str) -> i64 {
    let output = Command::new(python())
        .args(["-c", "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('select count(*) from ' + sys.argv[2]).fetchone()[0])"])
        .arg(database)
        .arg(table)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap_or(0)
}

#[test]
fn a_synapse_of_its_own_settings_has_more_than_ten_findings_and_each_says_what_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("homeserver.yaml");
    let python = python();
    let output = Command::new(&python)
        .args([
            "-m",
            "synapse.app.homeserver",
            "--generate-config",
            "--server-name",
            "default.test",
            "--report-stats",
            "no",
            "--config-path",
        ])
        .arg(&settings)
        .arg("--data-directory")
        .arg(folder.path())
        // Its log is where it was made.
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let address = free_address().unwrap();
    let text = fs::read_to_string(&settings).unwrap();
    let changed = text.replace("port: 8008", &format!("port: {}", address.port()));
    assert_ne!(text, changed);
    fs::write(&settings, changed).unwrap();
    let settings = settings.display().to_string();
    let mut synapse = RunningProgram::start(
        folder.path(),
        "synapse",
        &[
            &python,
            "-m",
            "synapse.app.homeserver",
            "--config-path",
            &settings,
        ],
    )
    .unwrap();
    synapse.wait_for_homeserver(address).unwrap();

    let diagnosis = Diagnosis::of_stranger("synapse", &settings, address);
    let names = diagnosis.names();
    assert_eq!(diagnosis.code, 3, "{diagnosis:?}");
    assert!(names.len() >= 20, "{names:#?}");
    diagnosis.has_all(&[
        "settings: user_ips_max_age",
        "settings: redaction_retention_period",
        "settings: retention.enabled",
        "settings: listeners: x_forwarded",
        "settings: trusted_key_servers",
        "log: synapse.access",
        "log: handlers.file",
        "answers: profiles",
    ]);
    assert_eq!(diagnosis.looked_at(), ["settings", "database", "answers"]);
    let unseen: Vec<&Value> = diagnosis.of_type("unseen").collect();
    assert_eq!(unseen.len(), 2, "{unseen:?}");
}

#[test]
fn rows_that_should_be_gone_are_found_and_forgotten() {
    let place = Place::new(&["--homeserver", "synapse"]);
    let synapse = place.start_synapse().unwrap();
    let database = place.path("state/homeserver.db");
    let script = "import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30)
for line in sys.stdin.read().split(';'):
    database.execute(line)
database.commit()";
    let run = |sql: &str| {
        use std::io::Write as _;
        let mut child = Command::new(python())
            .args(["-c", script])
            .arg(&database)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(sql.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{sql}");
    };
    run("INSERT INTO user_ips VALUES ('@sc_a:place.test', 't', 'D', '192.0.2.1', 'x', 1);
         INSERT INTO user_daily_visits VALUES ('@sc_a:place.test', 'D', 1, 'x');
         INSERT INTO open_id_tokens VALUES ('t', 1, '@sc_a:place.test');
         INSERT INTO presence_stream (stream_id, user_id, state) VALUES (1, '@sc_a:place.test', 'online');
         INSERT INTO user_threepids VALUES ('@sc_a:place.test', 'email', 'a@example.org', 1, 1);
         INSERT INTO devices (user_id, device_id, hidden, last_seen, ip, user_agent) VALUES ('@sc_a:place.test', 'D', FALSE, 1, '192.0.2.1', 'x')");
    let tables = |diagnosis: &Diagnosis| {
        let mut names = diagnosis.names();
        names.dedup();
        names
    };
    let found = place.doctor(&[]);
    assert_eq!(found.code, 3);
    let all = [
        "user_ips",
        "devices",
        "user_daily_visits",
        "open_id_tokens",
        "presence_stream",
        "user_threepids",
    ];
    let all = all.map(|table| format!("database: {table}"));
    assert_eq!(tables(&found), all);
    // No finding repeats what is in a row.
    assert!(!format!("{found:?}").contains("192.0.2.1"));

    // What the timer does.
    let statements = place
        .read("forget.sql")
        .replace("PRAGMA busy_timeout = 10000;", "");
    run(statements.trim_end().trim_end_matches(';'));
    let found = place.doctor(&[]);
    let names = tables(&found);
    assert!(
        !names
            .iter()
            .any(|name| name.ends_with("visits") || name.ends_with("tokens")),
        "{names:?}"
    );
    assert!(names.len() == 4, "{names:?}");
    drop(synapse);
}

/// What can be signed with a `macaroon_secret`: tokens of a guest, of an account and of its login as Synapse has had them, and the link of a
/// mail that takes a pusher away.
const FORGE: &str = "import sys, pymacaroons
for caveats in [
    ['type = access', 'user_id = @sc_a:place.test', 'nonce = n', 'guest = true'],
    ['type = access', 'user_id = @sc_a:place.test', 'time < 9999999999999'],
    ['type = login', 'user_id = @sc_a:place.test', 'time < 9999999999999'],
    ['type = delete_pusher', 'user_id = @sc_a:place.test', 'app_id = x', 'pushkey = y'],
]:
    macaroon = pymacaroons.Macaroon(location='place.test', identifier='key', key=sys.argv[1])
    for caveat in ['gen = 1'] + caveats:
        macaroon.add_first_party_caveat(caveat)
    print(macaroon.serialize())";

fn forged(secret: &str) -> [String; 4] {
    let output = Command::new(python())
        .args(["-c", FORGE, secret.trim()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let tokens: Vec<String> = text.lines().map(str::to_owned).collect();
    tokens.try_into().unwrap()
}

/// As docs/operating.md has it, after a theft.
#[test]
fn who_has_macaroon_secret_gets_into_no_account_and_nobody_is_logged_out_when_it_is_changed() {
    let place = Place::new(&["--homeserver", "synapse"]);
    let address = place.homeserver();
    let get = |path: &str, token: &str| {
        let authorization = format!("Authorization: Bearer {token}");
        let (status, body) = ask(address, "GET", path, &[&authorization], "").unwrap();
        (status, body)
    };
    let whoami = |token: &str| get("/_matrix/client/v3/account/whoami", token);
    let unsubscribed = |token: &str| {
        let path = format!("/_synapse/client/unsubscribe?app_id=x&pushkey=y&access_token={token}");
        get(&path, "").0 == 200
    };
    let none_gets_in = |tokens: &[String; 4]| {
        for token in tokens {
            let (status, body) = whoami(token);
            assert_eq!(status, 401, "{body}");
            let login = json!({ "type": "m.login.token", "token": token }).to_string();
            let path = "/_matrix/client/v3/login";
            let (status, body) = ask(address, "POST", path, &[], &login).unwrap();
            assert_eq!(status, 403, "{body}");
        }
    };

    let synapse = place.start_synapse().unwrap();
    let session = register(address, &place.read("registration_secret"));
    let stolen = forged(&place.read("macaroon_secret"));
    // Signed as Synapse signs: it says so of a guest's, and takes the link.
    let (_, said) = whoami(&stolen[0]);
    assert!(said.contains("used for regular user"), "{said}");
    assert!(unsubscribed(&stolen[3]));
    none_gets_in(&stolen);

    fs::remove_file(place.path("macaroon_secret")).unwrap();
    let output = place.init(&[]);
    assert!(output.status.success(), "{output:?}");
    drop(synapse);
    let _synapse = place.start_synapse().unwrap();
    assert_eq!(whoami(&session).0, 200);
    let (_, said) = whoami(&stolen[0]);
    assert!(said.contains("Invalid access token"), "{said}");
    assert!(!unsubscribed(&stolen[3]));
    none_gets_in(&stolen);
    let new = forged(&place.read("macaroon_secret"));
    assert!(unsubscribed(&new[3]));
}

//! Dendrite, with the settings of its own sample and with ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use securecall_interop::{Dendrite, Postgres, RunningProgram, free_address};
use serde_json::{Value, json};

use super::process::{Diagnosis, Place, ask};
use crate::registration;

#[test]
fn a_dendrite_of_our_template_runs_and_doctor_finds_nothing() {
    let place = Place::new(&["--homeserver", "dendrite", "--proxy", "nginx"]);
    let dendrite = place.start_dendrite().unwrap();
    let diagnosis = place.doctor(&[]);
    assert_eq!(diagnosis.names(), [""; 0]);
    assert_eq!(
        diagnosis.looked_at(),
        ["settings", "database", "answers", "turn", "proxy"]
    );
    assert_eq!(diagnosis.code, 0, "{diagnosis:?}");
    drop(dendrite);
}

#[test]
fn one_on_postgresql_runs_and_doctor_finds_nothing() {
    let place = Place::new(&["--homeserver", "dendrite", "--database", "postgres"]);
    let _postgres = place.start_postgres().unwrap();
    let _dendrite = place.start_dendrite().unwrap();
    let diagnosis = place.doctor(&[]);
    assert_eq!(diagnosis.names(), [""; 0]);
    assert_eq!(diagnosis.code, 0, "{diagnosis:?}");
}

/// One request as JSON: status and answer.
fn told(place: &Place, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Authorization: Bearer {token}");
    let headers = if token.is_empty() {
        Vec::new()
    } else {
        vec![authorization.as_str()]
    };
    let answer = ask(
        place.homeserver(),
        method,
        path,
        &headers,
        &body.to_string(),
    );
    let (status, body) = answer.unwrap();
    (status, serde_json::from_str(&body).unwrap_or_default())
}

/// Makes an account by the place's secret, and gives the access token that comes with it.
fn register(place: &Place, name: &str) -> String {
    let (_, nonce) = told(place, "GET", registration::PATH, "", &json!({}));
    let secret = place.read("registration_secret");
    let request = registration::request(&secret, &nonce, name, "a password of a lab", false);
    let (status, answer) = told(place, "POST", registration::PATH, "", &request);
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A program of PostgreSQL's, as its own user.
fn at_database(postgres: &Postgres, program: &str, arguments: &[&str]) {
    let port = postgres.port().to_string();
    let done = Command::new(program)
        .args(["-h", "127.0.0.1", "-U", "test", "-p", &port])
        .args(arguments)
        .status()
        .unwrap();
    assert!(done.success(), "{program} {arguments:?}");
}

/// As docs/operating.md has it.
#[test]
fn one_on_postgresql_is_restored_and_whoever_was_logged_in_still_is() {
    let place = Place::new(&["--homeserver", "dendrite", "--database", "postgres"]);
    let old = place.start_postgres().unwrap();
    let dendrite = place.start_dendrite().unwrap();
    let token = register(&place, "somebody");
    let whoami = "/_matrix/client/v3/account/whoami";
    let is_in = || told(&place, "GET", whoami, &token, &json!({}));
    assert_eq!(is_in().1["user_id"], "@somebody:place.test");
    let who = "@sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab:place.test";
    place.told(&["user", "disable", who]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dump = |database: &str| folder.path().join(database).display().to_string();
    for database in ["dendrite", "securecall"] {
        let file = format!("--file={}", dump(database));
        at_database(&old, "pg_dump", &["--format=custom", &file, database]);
    }
    drop(dendrite);

    // Another machine's.
    let new = Postgres::start().unwrap();
    let port = |postgres: &Postgres| format!("@127.0.0.1:{}/", postgres.port());
    new.run("test", &place.read("postgres/create.sql")).unwrap();
    for file in ["dendrite/dendrite.yaml", "server.toml"] {
        place.change(file, &[(&port(&old), &port(&new))]).unwrap();
    }
    drop(old);
    for database in ["dendrite", "securecall"] {
        let name = format!("--dbname={database}");
        at_database(
            &new,
            "pg_restore",
            &["--exit-on-error", &name, &dump(database)],
        );
    }
    let _dendrite = place.start_dendrite().unwrap();
    assert_eq!(is_in().1["user_id"], "@somebody:place.test");
    assert_eq!(told(&place, "GET", whoami, "another", &json!({})).0, 401);
    let users = place.told(&["user", "list"]).unwrap();
    assert_eq!(users[0]["matrix_id"], who);
    assert_eq!(users[0]["state"], "disabled");
    // New accounts find room behind the old ones.
    register(&place, "somebody.else");
    let diagnosis = place.doctor(&[]);
    assert_eq!(diagnosis.names(), [""; 0]);
}

/// Its sample (`dendrite-sample.yaml` of 0.15.2) with SQLite, its settings that are of interest as they are there.
fn sample(folder: &Path) -> String {
    let database = |section: &str, key: &str| {
        format!(
            "{section}:\n  {key}: {{connection_string: \"file:{}/{section}.db\"}}\n",
            folder.display()
        )
    };
    let sections: String = [
        ("app_service_api", "database", ""),
        ("key_server", "database", ""),
        ("mscs", "database", ""),
        ("relay_api", "database", ""),
        ("room_server", "database", ""),
        ("sync_api", "database", "  search: {enabled: false}\n"),
        ("user_api", "account_database", "  bcrypt_cost: 10\n"),
        ("media_api", "database", "  base_path: ./media_store\n  max_file_size_bytes: 10485760\n"),
        ("federation_api", "database", "  send_max_retries: 16\n  prefer_direct_fetch: false\n  key_perspectives:\n    - server_name: matrix.org\n      keys:\n        - key_id: ed25519:auto\n          public_key: Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw\n"),
    ]
    .into_iter()
    .map(|(section, key, more)| format!("{}{more}", database(section, key)))
    .collect();
    format!(
        r#"version: 2
global:
  server_name: default.test
  private_key: signing.pem
  trusted_third_party_id_servers: [matrix.org, vector.im]
  disable_federation: true
  presence: {{enable_inbound: false, enable_outbound: false}}
  report_stats: {{enabled: false}}
  jetstream: {{storage_path: ./}}
  cache: {{max_size_estimated: 1gb, max_age: 1h}}
client_api:
  registration_disabled: true
  guests_disabled: true
  registration_shared_secret: ""
  rate_limiting: {{enabled: true, threshold: 20, cooloff_ms: 500}}
{sections}logging:
  - type: std
    level: info
  - type: file
    level: info
    params: {{path: ./logs}}
"#
    )
}

#[test]
fn a_dendrite_of_its_own_sample_has_more_than_ten_findings() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(&["--homeserver", "dendrite"]);
    fs::copy(place.path("signing.pem"), folder.path().join("signing.pem")).unwrap();
    let settings = folder.path().join("dendrite.yaml");
    fs::write(&settings, sample(folder.path())).unwrap();
    let settings = settings.display().to_string();
    let address = free_address().unwrap();
    let program = Dendrite::program().unwrap().display().to_string();
    let listen = address.to_string();
    let mut dendrite = RunningProgram::start(
        folder.path(),
        "dendrite",
        &[
            &program,
            "-config",
            &settings,
            "-http-bind-address",
            &listen,
        ],
    )
    .unwrap();
    dendrite.wait_for_homeserver(address).unwrap();

    let diagnosis = Diagnosis::of_stranger("dendrite", &settings, address);
    let names = diagnosis.names();
    assert_eq!(diagnosis.code, 3, "{diagnosis:?}");
    assert!(names.len() >= 10, "{names:#?}");
    diagnosis.has_all(&[
        "settings: global.jetstream.in_memory",
        "settings: federation_api.send_max_retries",
        "settings: federation_api.key_perspectives",
        "log: standard output",
        "log: logging: file",
    ]);
    assert_eq!(diagnosis.looked_at(), ["settings", "database", "answers"]);
    drop(dendrite);
}

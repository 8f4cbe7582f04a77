//! Dendrite, with the settings of its own sample and with ours.

use std::fs;
use std::net::SocketAddr;

use securecall_interop::{Dendrite, free_address};

use super::process::{Diagnosis, Place, Running};

fn program() -> String {
    Dendrite::program().unwrap().display().to_string()
}

fn start(folder: &std::path::Path, settings: &str, address: SocketAddr) -> Running {
    let program = program();
    let address_text = address.to_string();
    let dendrite = Running::start(
        folder,
        "dendrite",
        &[
            &program,
            "-config",
            settings,
            "-http-bind-address",
            &address_text,
        ],
    );
    dendrite.wait_for_homeserver(address);
    dendrite
}

#[test]
fn a_dendrite_of_our_template_runs_and_doctor_finds_nothing() {
    let place = Place::new(&["--homeserver", "dendrite", "--proxy", "nginx"]);
    let settings = place.path("dendrite/dendrite.yaml").display().to_string();
    let dendrite = start(&place.path("state"), &settings, place.homeserver());
    let diagnosis = place.doctor(&[]);
    assert_eq!(diagnosis.names(), [""; 0]);
    assert_eq!(
        diagnosis.looked_at(),
        ["settings", "database", "answers", "turn", "proxy"]
    );
    assert_eq!(diagnosis.code, 0, "{diagnosis:?}");
    drop(dendrite);
}

/// Its sample (`dendrite-sample.yaml` of 0.15.2) with SQLite, its settings that are of interest as they are there.
fn sample(folder: &std::path::Path) -> String {
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
    let dendrite = start(folder.path(), &settings, address);

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

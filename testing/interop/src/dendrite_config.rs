//! The files that make a Dendrite what one test asks of it.

use crate::{
    homeserver_config::{FederationOptions, HomeserverOptions, Registration, TurnServers},
    pem::base64_lines,
};

/// Its databases, each with the part of the configuration that names it. One for all is not possible with SQLite.
pub(crate) const DATABASES: [(&str, &str); 9] = [
    ("app_service_api", "database"),
    ("federation_api", "database"),
    ("key_server", "database"),
    ("media_api", "database"),
    ("mscs", "database"),
    ("relay_api", "database"),
    ("room_server", "database"),
    ("sync_api", "database"),
    ("user_api", "account_database"),
];

/// `dendrite.yaml`: SQLite, no telemetry, no rate limits, nothing outgoing but to the other servers of the test. Paths are those
/// of its data directory.
pub(crate) fn dendrite_yaml(options: &HomeserverOptions) -> String {
    let HomeserverOptions {
        server_name,
        registration,
        registration_secret,
        turn,
        federation,
        // Dendrite keeps pictures always, its one limit counts requests of all kinds, and it holds no events back.
        media: _,
        message_limit: _,
        delayed_events: _,
    } = options;
    // Whose an OpenID token is, it says to other servers alone: without federation to nobody.
    let alone = federation.is_none() && registration_secret.is_none();
    let closed = *registration == Registration::Closed;
    let turn = turn.as_ref().map_or_else(String::new, turn_yaml);
    let secret = registration_secret
        .as_ref()
        .map_or_else(String::new, |secret| {
            format!("  registration_shared_secret: {secret:?}\n")
        });
    let sections: String = DATABASES
        .into_iter()
        .map(|(section, key)| {
            let more = match section {
                "media_api" => "\n  base_path: ./media",
                "sync_api" => "\n  search: {enabled: false}",
                "user_api" => "\n  bcrypt_cost: 4",
                // Of all addresses other servers have none but this machine's.
                "federation_api" => {
                    "\n  disable_tls_validation: true\n  key_perspectives: []\n  deny_networks: []\n  allow_networks: [127.0.0.0/8]"
                }
                _ => "",
            };
            format!("{section}:\n  {key}: {{connection_string: \"file:{section}.db\"}}{more}\n")
        })
        .collect();

    format!(
        r#"version: 2
global:
  server_name: "{server_name}"
  private_key: signing.pem
  disable_federation: {alone}
  trusted_third_party_id_servers: []
  presence: {{enable_inbound: false, enable_outbound: false}}
  report_stats: {{enabled: false}}
  jetstream: {{in_memory: true}}
  cache: {{max_size_estimated: 64mb}}
client_api:
  registration_disabled: {closed}
  rate_limiting: {{enabled: false}}
{secret}{turn}{sections}"#
    )
}

fn turn_yaml(turn: &TurnServers) -> String {
    let TurnServers {
        uris,
        shared_secret,
        ttl_seconds,
    } = turn;
    // A list of texts is the same in YAML.
    format!(
        "  turn:\n    turn_uris: {uris:?}\n    turn_shared_secret: {shared_secret:?}\n    turn_user_lifetime: {ttl_seconds}s\n"
    )
}

/// What it is started with.
pub(crate) fn arguments(options: &HomeserverOptions, port: u16) -> Vec<String> {
    let mut arguments = vec![
        "-config".to_owned(),
        "dendrite.yaml".to_owned(),
        // Without it the configuration that lets everybody in is refused.
        "-really-enable-open-registration".to_owned(),
        "-http-bind-address".to_owned(),
        format!("127.0.0.1:{port}"),
    ];
    if let Some(FederationOptions { port, .. }) = &options.federation {
        arguments.extend([
            "-https-bind-address".to_owned(),
            format!("127.0.0.1:{port}"),
            "-tls-cert".to_owned(),
            "tls.crt".to_owned(),
            "-tls-key".to_owned(),
            "tls.key".to_owned(),
        ]);
    }
    arguments
}

/// The file of a signing key.
pub(crate) fn signing_pem(seed: &[u8; 32]) -> String {
    let lines = base64_lines(seed);
    format!(
        "-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:test\n\n{lines}\n-----END MATRIX PRIVATE KEY-----\n"
    )
}

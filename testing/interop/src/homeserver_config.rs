//! What one test asks of its homeserver, and the `homeserver.yaml` that gives it.

use std::path::Path;

use data_encoding::BASE64_NOPAD;

/// Who may make an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Anybody (`m.login.dummy`).
    #[default]
    Open,
    /// Whoever has this token (`m.login.registration_token`).
    Token(String),
    /// Nobody: `enable_registration` is false.
    Closed,
}

/// What a homeserver is to be like.
#[derive(Clone, Debug)]
pub struct HomeserverOptions {
    /// The part of its Matrix IDs behind the colon.
    pub server_name: String,
    /// Who may make an account.
    pub registration: Registration,
    /// What makes accounts whatever the registration, if anything does. Whoever has it can also ask whose an OpenID token is.
    pub registration_secret: Option<String>,
    /// The TURN servers it names, if it has any.
    pub turn: Option<TurnServers>,
    /// Whether it keeps pictures.
    pub media: bool,
    /// How fast an account may send events. Only Synapse has a limit of its own for that.
    pub message_limit: Option<MessageLimit>,
    /// Whether it holds events back for a while if it is asked to (MSC4140). Only Synapse can.
    pub delayed_events: bool,
    /// How it meets other homeservers; `None`: not at all.
    pub federation: Option<FederationOptions>,
}

/// The same, by the name that tests of one Synapse know it by.
pub type SynapseOptions = HomeserverOptions;

/// How a homeserver meets others.
#[derive(Clone, Debug)]
pub struct FederationOptions {
    /// The port of the loopback interface at which it takes their connections, over TLS. Its name is `localhost:port`, then.
    pub port: u16,
    /// The names of those that it meets, and its own.
    pub servers: Vec<String>,
}

/// How fast something may be done (Synapse's `rc_message`).
#[derive(Clone, Copy, Debug)]
pub struct MessageLimit {
    /// In the long run.
    pub per_second: f32,
    /// In one go.
    pub burst: u32,
}

/// TURN servers as a homeserver is told of them.
#[derive(Clone, Debug)]
pub struct TurnServers {
    /// Their URIs.
    pub uris: Vec<String>,
    /// What it makes credentials with.
    pub shared_secret: String,
    /// How long those are good for, in seconds.
    pub ttl_seconds: u64,
}

impl Default for HomeserverOptions {
    fn default() -> Self {
        Self {
            server_name: "homeserver.test".to_owned(),
            registration: Registration::Open,
            registration_secret: None,
            turn: None,
            media: false,
            message_limit: None,
            delayed_events: false,
            federation: None,
        }
    }
}

/// The file of a key that signs what a server tells others.
pub(crate) fn signing_key(seed: &[u8; 32]) -> String {
    format!("ed25519 a_test {}\n", BASE64_NOPAD.encode(seed))
}

/// `homeserver.yaml`: SQLite, loopback listeners, no telemetry, no rate limits but what is asked for, nothing outgoing but to the other servers of the
/// test.
pub(crate) fn homeserver_yaml(options: &HomeserverOptions, port: u16, data: &Path) -> String {
    let HomeserverOptions {
        server_name,
        registration,
        registration_secret,
        turn,
        media,
        message_limit,
        delayed_events,
        federation,
    } = options;
    let others: &[String] = federation
        .as_ref()
        .map_or(&[], |federation| &federation.servers);
    let open = *registration != Registration::Closed;
    let token = matches!(registration, Registration::Token(_));
    let data = data.display();
    let federation_listener = federation.as_ref().map_or_else(String::new, |federation| {
        let port = federation.port;
        format!(
            r#"  - {{port: {port}, bind_addresses: ["127.0.0.1"], type: http, tls: true, x_forwarded: false, resources: [{{names: [federation], compress: false}}]}}
tls_certificate_path: "{data}/tls.crt"
tls_private_key_path: "{data}/tls.key"
federation_verify_certificates: false
ip_range_blacklist: []
federation_ip_range_blacklist: []
"#
        )
    });
    let turn = turn.as_ref().map_or_else(String::new, |turn| {
        let TurnServers {
            uris,
            shared_secret,
            ttl_seconds,
        } = turn;
        // A list of texts is the same in YAML.
        format!(
            "turn_uris: {uris:?}\nturn_shared_secret: {shared_secret:?}\nturn_user_lifetime: {ttl_seconds}s\nturn_allow_guests: false\n"
        )
    });
    let secret = registration_secret
        .as_ref()
        .map_or_else(String::new, |secret| {
            format!("registration_shared_secret: {secret:?}\n")
        });
    let resources = match registration_secret {
        Some(_) => "client, openid",
        None => "client",
    };
    let limit = "{per_second: 100000, burst_count: 100000}";
    let delayed_events = if *delayed_events {
        "max_event_delay_duration: 24h\n"
    } else {
        ""
    };
    let message_limit = message_limit.map_or_else(
        || limit.to_owned(),
        |MessageLimit { per_second, burst }| {
            format!("{{per_second: {per_second}, burst_count: {burst}}}")
        },
    );

    format!(
        r#"server_name: "{server_name}"
report_stats: false
background_updates: {{sleep_enabled: false}}
signing_key_path: "{data}/signing.key"
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: {others:?}
rc_federation: {{window_size: 1000, sleep_limit: 100000, reject_limit: 100000, concurrent: 100}}
listeners:
  - {{port: {port}, bind_addresses: ["127.0.0.1"], type: http, x_forwarded: false, resources: [{{names: [{resources}], compress: false}}]}}
{federation_listener}database:
  name: sqlite3
  args: {{database: "{data}/homeserver.db"}}
log_config: "{data}/log.yaml"
media_store_path: "{data}/media"
enable_media_repo: {media}
url_preview_enabled: false
push: {{enabled: false}}
enable_registration: {open}
enable_registration_without_verification: {open}
registration_requires_token: {token}
bcrypt_rounds: 4
macaroon_secret_key: "test"
form_secret: "test"
rc_room_creation: {limit}
rc_message: {message_limit}
rc_registration: {limit}
rc_registration_token_validity: {limit}
rc_login: {{address: {limit}, account: {limit}, failed_attempts: {limit}}}
rc_key_requests: {limit}
rc_joins: {{local: {limit}, remote: {limit}}}
rc_invites: {{per_room: {limit}, per_user: {limit}, per_issuer: {limit}}}
rc_presence: {{per_user: {limit}}}
{delayed_events}{secret}{turn}"#
    )
}

/// Python logging: everything from INFO to one file.
pub(crate) fn log_yaml(log: &Path) -> String {
    let log = log.display();
    format!(
        r#"version: 1
formatters:
  plain: {{format: "%(asctime)s %(levelname)s %(name)s %(request)s %(message)s"}}
handlers:
  file: {{class: logging.FileHandler, formatter: plain, filename: "{log}", encoding: utf8}}
root: {{level: INFO, handlers: [file]}}
disable_existing_loggers: false
"#
    )
}

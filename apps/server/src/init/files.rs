//! All files of a place, made of their templates.

use std::fmt::Write as _;
use std::path::Path;

use securecall_daemon::file::{FOR_ALL, FOR_OWNER};

use super::answers::{Answers, DatabaseOption, ProxyOption};
use super::folder::Folder;
use super::secrets::Secrets;
use super::template::fill;
use crate::config::HomeserverKind;

/// Where the page behind contact links is installed.
const PAGE: &str = "/usr/share/securecall-server/add.html";

/// Dendrite's parts that keep rows, by their section, with the key for the database. One file for all is not possible with SQLite.
const DENDRITE_DATABASES: [(&str, &str); 9] = [
    ("app_service", "database"),
    ("federation", "database"),
    ("key", "database"),
    ("media", "database"),
    ("mscs", "database"),
    ("relay", "database"),
    ("room", "database"),
    ("sync", "database"),
    ("user", "account_database"),
];

/// A file as it should be.
#[derive(Debug)]
pub(super) struct PlaceFile {
    /// Below the folder.
    pub(super) path: &'static str,
    pub(super) mode: u32,
    pub(super) contents: String,
}

/// What stands in the templates' places.
struct Values {
    pairs: Vec<(&'static str, String)>,
}

impl Values {
    fn fill(&self, template: &str) -> String {
        let pairs: Vec<(&str, &str)> = self
            .pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        fill(template, &pairs)
    }
}

/// All files, for these answers.
pub(super) fn all(answers: &Answers, secrets: &Secrets, folder: &Folder) -> Vec<PlaceFile> {
    let values = values(answers, secrets, folder);
    let file = |path, mode, template: &str| PlaceFile {
        path,
        mode,
        contents: values.fill(template),
    };
    let mut files = vec![
        PlaceFile {
            path: "server.toml",
            mode: FOR_OWNER,
            contents: server_toml(answers, secrets, folder, Path::new(PAGE).exists()),
        },
        file(
            "coturn/turnserver.conf",
            FOR_OWNER,
            include_str!("../../templates/coturn/turnserver.conf"),
        ),
        PlaceFile {
            path: "relay/relay.toml",
            mode: FOR_OWNER,
            contents: relay_toml(answers),
        },
        file("forget.sql", FOR_ALL, forget(answers)),
        file(
            "systemd/securecall-server.service",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-server.service"),
        ),
        file(
            "systemd/securecall-coturn.service",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-coturn.service"),
        ),
        file(
            "systemd/securecall-certificates.path",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-certificates.path"),
        ),
        file(
            "systemd/securecall-certificates.service",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-certificates.service"),
        ),
        file(
            "systemd/securecall-forget.service",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-forget.service"),
        ),
        file(
            "systemd/securecall-forget.timer",
            FOR_ALL,
            include_str!("../../templates/systemd/securecall-forget.timer"),
        ),
        file(
            "systemd/securecall-relay.service",
            FOR_ALL,
            include_str!("../../../relay/securecall-relay.service"),
        ),
        file(
            "systemd/journald.conf",
            FOR_ALL,
            include_str!("../../templates/systemd/journald.conf"),
        ),
        file(
            "systemd/proxy.conf",
            FOR_ALL,
            include_str!("../../templates/systemd/proxy.conf"),
        ),
    ];
    match answers.homeserver {
        HomeserverKind::Synapse => files.extend([
            file(
                "synapse/homeserver.yaml",
                FOR_OWNER,
                include_str!("../../templates/synapse/homeserver.yaml"),
            ),
            file(
                "synapse/log.yaml",
                FOR_ALL,
                include_str!("../../templates/synapse/log.yaml"),
            ),
            file(
                "systemd/securecall-synapse.service",
                FOR_ALL,
                include_str!("../../templates/systemd/securecall-synapse.service"),
            ),
        ]),
        HomeserverKind::Dendrite => files.extend([
            file(
                "dendrite/dendrite.yaml",
                FOR_OWNER,
                include_str!("../../templates/dendrite/dendrite.yaml"),
            ),
            file(
                "systemd/securecall-dendrite.service",
                FOR_ALL,
                include_str!("../../templates/systemd/securecall-dendrite.service"),
            ),
        ]),
    }
    files.push(match answers.proxy {
        ProxyOption::Caddy => file(
            "caddy/Caddyfile",
            FOR_ALL,
            include_str!("../../templates/caddy/Caddyfile"),
        ),
        ProxyOption::Nginx => file(
            "nginx/securecall.conf",
            FOR_ALL,
            include_str!("../../templates/nginx/securecall.conf"),
        ),
    });
    if answers.database == DatabaseOption::Postgres {
        files.push(file(
            "postgres/create.sql",
            FOR_OWNER,
            include_str!("../../templates/postgres/create.sql"),
        ));
    }
    files
}

fn values(answers: &Answers, secrets: &Secrets, folder: &Folder) -> Values {
    let Answers {
        domain,
        homeserver,
        database,
        proxy,
        address,
        homeserver_port,
        server_port,
        lab,
    } = answers;
    let name = homeserver.word();
    let folder = folder.text();
    // What systemd gives to a unit of that name; see LoadCredential and StateDirectory there.
    let credentials = |unit: &str| format!("/run/credentials/securecall-{unit}.service");
    let (secrets_folder, log_config, state) = if *lab {
        let log_config = format!("{folder}/synapse/log.yaml");
        (folder.clone(), log_config, format!("{folder}/state"))
    } else {
        let credentials = credentials(name);
        let log_config = format!("{credentials}/log.yaml");
        (
            credentials,
            log_config,
            format!("/var/lib/securecall-{name}"),
        )
    };
    let (turn_certificates, certificates) = if *lab {
        let certificates = format!("{folder}/certificates");
        (certificates.clone(), certificates)
    } else {
        (
            credentials("coturn"),
            format!("/etc/letsencrypt/live/{domain}"),
        )
    };
    let (turn_certificate, turn_key) = match proxy {
        ProxyOption::Caddy => {
            let base = "/var/lib/caddy/.local/share/caddy/certificates/acme-v02.api.letsencrypt.org-directory";
            let base = format!("{base}/turn.{domain}/turn.{domain}");
            (format!("{base}.crt"), format!("{base}.key"))
        }
        ProxyOption::Nginx => (
            format!("/etc/letsencrypt/live/{domain}/fullchain.pem"),
            format!("/etc/letsencrypt/live/{domain}/privkey.pem"),
        ),
    };
    let synapse_database = match database {
        DatabaseOption::Sqlite => include_str!("../../templates/synapse/database_sqlite.yaml"),
        DatabaseOption::Postgres => include_str!("../../templates/synapse/database_postgres.yaml"),
    };
    let synapse_database = fill(
        synapse_database.trim_end(),
        &[
            ("state", &state),
            ("synapse_database_password", &secrets.homeserver_database),
        ],
    );
    let mut pairs = vec![
        ("domain", domain.clone()),
        ("name", format!("relay.{domain}")),
        ("folder", folder),
        ("secrets", secrets_folder),
        ("state", state.clone()),
        ("log_config", log_config),
        ("certificates", certificates),
        ("turn_certificates", turn_certificates),
        ("turn_certificate", turn_certificate),
        ("turn_key", turn_key),
        ("homeserver_port", homeserver_port.to_string()),
        ("server_port", server_port.to_string()),
        ("homeserver_unit", format!("securecall-{name}")),
        ("homeserver_role", name.to_owned()),
        (
            "homeserver_database_password",
            secrets.homeserver_database.to_string(),
        ),
        (
            "server_database_password",
            secrets.server_database.to_string(),
        ),
        ("registration_secret", secrets.registration.to_string()),
        ("turn_secret", secrets.turn.to_string()),
        ("forget_command", forget_command(*homeserver, *database)),
        (
            "proxy",
            match proxy {
                ProxyOption::Caddy => "caddy".to_owned(),
                ProxyOption::Nginx => "nginx".to_owned(),
            },
        ),
        (
            "external_ip",
            address.map_or_else(
                || {
                    "# Behind a NAT, the address that the outside knows:\n# external-ip=203.0.113.7"
                        .to_owned()
                },
                |address| {
                    format!("# What the outside knows this machine by.\nexternal-ip={address}")
                },
            ),
        ),
    ];
    match homeserver {
        HomeserverKind::Synapse => pairs.push(("database", synapse_database)),
        HomeserverKind::Dendrite => {
            pairs.push(("database", dendrite_global_database(*database, secrets)));
            pairs.extend(dendrite_databases(*database, &state));
        }
    }
    Values { pairs }
}

fn dendrite_global_database(database: DatabaseOption, secrets: &Secrets) -> String {
    match database {
        DatabaseOption::Sqlite => "  # Databases: SQLite, one for each part, below.".to_owned(),
        DatabaseOption::Postgres => format!(
            "  # PostgreSQL, made by postgres/create.sql.\n  database:\n    connection_string: \"postgresql://dendrite:{}@localhost/dendrite?sslmode=disable\"\n    max_open_conns: 50\n    max_idle_conns: 5",
            *secrets.homeserver_database
        ),
    }
}

/// What stands in each section: with SQLite a file of its own.
fn dendrite_databases(
    database: DatabaseOption,
    state: &str,
) -> impl Iterator<Item = (&'static str, String)> {
    DENDRITE_DATABASES.into_iter().map(move |(part, key)| {
        let place = match part {
            "app_service" => "app_service_database",
            "federation" => "federation_database",
            "key" => "key_database",
            "media" => "media_database",
            "mscs" => "mscs_database",
            "relay" => "relay_database",
            "room" => "room_database",
            "sync" => "sync_database",
            _ => "user_database",
        };
        let lines = match database {
            DatabaseOption::Sqlite => {
                format!("  {key}:\n    connection_string: \"file:{state}/{part}.db\"")
            }
            DatabaseOption::Postgres => "  # Its database is the one above.".to_owned(),
        };
        (place, lines)
    })
}

fn forget(answers: &Answers) -> &'static str {
    match (answers.homeserver, answers.database) {
        (HomeserverKind::Synapse, DatabaseOption::Postgres) => {
            include_str!("../../templates/postgres/forget_synapse.sql")
        }
        (HomeserverKind::Synapse, DatabaseOption::Sqlite) => {
            include_str!("../../templates/postgres/forget_synapse_sqlite.sql")
        }
        (HomeserverKind::Dendrite, DatabaseOption::Postgres) => {
            include_str!("../../templates/postgres/forget_dendrite.sql")
        }
        (HomeserverKind::Dendrite, DatabaseOption::Sqlite) => {
            include_str!("../../templates/postgres/forget_dendrite_sqlite.sql")
        }
    }
}

fn forget_command(homeserver: HomeserverKind, database: DatabaseOption) -> String {
    let name = homeserver.word();
    let file = match homeserver {
        HomeserverKind::Synapse => "homeserver.db",
        HomeserverKind::Dendrite => "user.db",
    };
    match database {
        DatabaseOption::Postgres => format!(
            "# PostgreSQL's own user needs no password.\nUser=postgres\nExecStart=/usr/bin/psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname={name} --file=${{CREDENTIALS_DIRECTORY}}/forget.sql"
        ),
        DatabaseOption::Sqlite => format!(
            "# The homeserver's own user: files that come with the database have to be its.\nDynamicUser=yes\nUser=securecall-{name}\nStateDirectory=securecall-{name}\nStateDirectoryMode=0700\nExecStart=/usr/bin/sqlite3 -bail /var/lib/securecall-{name}/{file} \".read ${{CREDENTIALS_DIRECTORY}}/forget.sql\""
        ),
    }
}

/// The settings of this program: its own explained file, with what a place of these templates has.
fn server_toml(answers: &Answers, secrets: &Secrets, folder: &Folder, page: bool) -> String {
    let text = include_str!("../../server.toml");
    let kind = answers.homeserver.word();
    let text = fill(text, &[("domain", &answers.domain), ("kind", kind)]);
    let database = match (answers.database, answers.lab) {
        (DatabaseOption::Postgres, _) => format!(
            "url = \"postgresql://securecall:{}@localhost/securecall\"",
            *secrets.server_database
        ),
        (DatabaseOption::Sqlite, true) => "url = \"sqlite:server.db\"".to_owned(),
        (DatabaseOption::Sqlite, false) => {
            "url = \"sqlite:/var/lib/securecall-server/server.db\"".to_owned()
        }
    };
    let config_file = match answers.homeserver {
        HomeserverKind::Synapse => "synapse/homeserver.yaml",
        HomeserverKind::Dendrite => "dendrite/dendrite.yaml",
    };
    let changes = [
        (
            "listen = [\"127.0.0.1:8480\"]",
            format!("listen = [\"127.0.0.1:{}\"]", answers.server_port),
        ),
        (
            "url = \"http://127.0.0.1:8008\"",
            format!("url = \"http://127.0.0.1:{}\"", answers.homeserver_port),
        ),
        ("url = \"sqlite:server.db\"", database),
        (
            "# config_file = \"/etc/matrix-synapse/homeserver.yaml\"",
            format!("config_file = \"{}\"", folder.path(config_file).display()),
        ),
    ];
    let mut text = text;
    for (from, to) in changes {
        text = text.replacen(from, &to, 1);
    }
    text = without_hashes(&text, "# [turn]");
    if page {
        text = without_hashes(&text, "# [page]");
    }
    text
}

/// Takes the hashes from a section that is there as an example, up to the next empty line.
fn without_hashes(text: &str, section: &str) -> String {
    let mut inside = false;
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        inside = (inside || line == section) && !line.is_empty();
        let line = if inside {
            line.strip_prefix("# ").unwrap_or(line)
        } else {
            line
        };
        // Writing to a text does not fail.
        let _ = writeln!(changed, "{line}");
    }
    changed
}

/// The settings of a relay: its own explained file, with what a place of these templates has.
fn relay_toml(answers: &Answers) -> String {
    let text = include_str!("../../../relay/relay.toml");
    let role = if answers.address.is_some() {
        "both"
    } else {
        "entry"
    };
    let name = format!("relay.{}", answers.domain);
    let text = fill(text, &[("role", role), ("name", &name)]);
    // Below those of coturn's.
    let text = text.replacen("# ports = [49152, 65535]", "ports = [57344, 65535]", 1);
    match answers.address {
        Some(address) => text.replacen(
            "\naddresses = []\n",
            &format!("\naddresses = [\"{address}\"]\n"),
            1,
        ),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Answers> {
        let mut all = Vec::new();
        for homeserver in [HomeserverKind::Synapse, HomeserverKind::Dendrite] {
            for database in [DatabaseOption::Sqlite, DatabaseOption::Postgres] {
                for proxy in [ProxyOption::Caddy, ProxyOption::Nginx] {
                    for address in [None, Some([198, 51, 100, 7].into())] {
                        all.push(Answers {
                            domain: "example.org".to_owned(),
                            homeserver,
                            database,
                            proxy,
                            address,
                            homeserver_port: 18_008,
                            server_port: 18_480,
                            lab: false,
                        });
                    }
                }
            }
        }
        all
    }

    fn files(answers: &Answers) -> Vec<PlaceFile> {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::of_settings(&directory.path().join("server.toml")).unwrap();
        let secrets = Secrets::find_or_make(&folder).unwrap();
        all(answers, &secrets, &folder)
    }

    #[test]
    fn no_place_of_a_template_stays_empty() {
        for answers in every_kind() {
            for file in files(&answers) {
                for piece in file.contents.split('<').skip(1) {
                    let name = piece.split('>').next().unwrap_or_default();
                    let is_place = !name.is_empty()
                        && piece.contains('>')
                        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                    assert!(!is_place, "{}: <{name}>", file.path);
                }
            }
        }
    }

    #[test]
    fn what_holds_a_secret_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::of_settings(&directory.path().join("server.toml")).unwrap();
        let secrets = Secrets::find_or_make(&folder).unwrap();
        for answers in every_kind() {
            for file in all(&answers, &secrets, &folder) {
                let secrets = [
                    &secrets.registration,
                    &secrets.turn,
                    &secrets.homeserver_database,
                    &secrets.server_database,
                ];
                let holds_one = secrets
                    .into_iter()
                    .any(|secret| file.contents.contains(secret.as_str()));
                assert!(!holds_one || file.mode == FOR_OWNER, "{}", file.path);
            }
        }
    }

    #[test]
    fn the_server_and_what_is_around_it_agree_on_ports_and_places() {
        for answers in every_kind() {
            let files = files(&answers);
            let server = files
                .iter()
                .find(|file| file.path == "server.toml")
                .unwrap();
            assert!(server.contents.contains("listen = [\"127.0.0.1:18480\"]"));
            assert!(server.contents.contains("url = \"http://127.0.0.1:18008\""));
            assert!(server.contents.contains("\nconfig_file = \""));
            assert!(server.contents.contains("\n[turn]\n"));
            let proxy = files
                .iter()
                .find(|file| file.path.starts_with("caddy/") || file.path.starts_with("nginx/"));
            let proxy = &proxy.unwrap().contents;
            assert!(proxy.contains("127.0.0.1:18480") && proxy.contains("127.0.0.1:18008"));
        }
    }

    #[test]
    fn an_example_section_loses_its_hashes_and_nothing_else_does() {
        let text = "# What it is.\n# [turn]\n# uris = []\n\n# [page]\n# file = \"x\"\n";
        assert_eq!(
            without_hashes(text, "# [turn]"),
            "# What it is.\n[turn]\nuris = []\n\n# [page]\n# file = \"x\"\n"
        );
    }
}

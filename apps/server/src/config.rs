//! The settings: read once into types, or refused with a reason.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use securecall_contact::ServerName;
use securecall_daemon::file::read_text;
use securecall_daemon::{Failure, settings};
use securecall_ghostnet::directory::{DirectoryKey, Reach};
use securecall_ghostnet::{IssuerName, UnixTime, Validity};
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use zeroize::Zeroizing;

mod file;

use file::File;

/// The shortest secret that is one.
const MIN_SECRET: usize = 16;

/// The largest secret that is read.
const MAX_SECRET: u64 = 4 * 1024;

/// What a server is set to.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) domain: ServerName,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) public_url: Url,
    pub(crate) secret_file: PathBuf,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) drain: Duration,
    pub(crate) database: DatabaseConfig,
    pub(crate) homeserver: HomeserverConfig,
    pub(crate) enrolment: EnrolmentConfig,
    pub(crate) issuer: Option<IssuerConfig>,
    pub(crate) directory: Option<DirectoryConfig>,
    /// The page behind contact links.
    pub(crate) page: Option<PathBuf>,
    pub(crate) turn: Option<TurnConfig>,
    pub(crate) limits: Limits,
    pub(crate) figures: Option<SocketAddr>,
}

/// Where invitations, users and what was sold are kept.
#[derive(Debug)]
pub(crate) struct DatabaseConfig {
    pub(crate) location: DatabaseLocation,
    pub(crate) connections: u32,
}

/// A database's kind and place. A URL of PostgreSQL can hold a password and is not shown.
#[derive(Clone)]
pub(crate) enum DatabaseLocation {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A server.
    Postgres(String),
}

impl std::fmt::Debug for DatabaseLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// The homeserver beside this server.
#[derive(Debug)]
pub(crate) struct HomeserverConfig {
    pub(crate) kind: HomeserverKind,
    /// As this machine reaches it.
    pub(crate) url: Url,
    /// As clients reach it.
    pub(crate) public_url: Url,
    /// As other homeservers reach it: host and port.
    pub(crate) server: Option<ServerName>,
    pub(crate) registration_secret_file: PathBuf,
    /// Its own settings, for `doctor`.
    pub(crate) config_file: Option<PathBuf>,
    /// Its database, for `doctor`.
    pub(crate) database: Option<DatabaseLocation>,
}

impl HomeserverConfig {
    /// The host that clients derive their password for: that of the base URL, as `docs/protocol/enrolment.md` says. All names
    /// of loopback count as `localhost`.
    pub(crate) fn password_host(&self) -> String {
        let host = self.public_url.host_str().unwrap_or_default();
        let host = host.trim_end_matches('.');
        let is_loopback = match self.public_url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            _ => host == "localhost" || host.ends_with(".localhost"),
        };
        if is_loopback { "localhost" } else { host }.to_owned()
    }
}

/// Which homeserver it is.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HomeserverKind {
    /// Element's; the one that forgets
    Synapse,
    /// Smaller; gets security fixes only, and keeps what is said in rooms
    Dendrite,
}

impl HomeserverKind {
    /// As settings, paths and units have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Synapse => "synapse",
            Self::Dendrite => "dendrite",
        }
    }
}

/// Who gets an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnrolmentPolicy {
    /// Everybody, within the limits.
    Open,
    /// Who has an invitation.
    Invitation,
    /// Who has an invitation, or whom the operator approves.
    Approval,
    /// Nobody new.
    Closed,
}

/// How accounts are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnrolmentConfig {
    pub(crate) policy: EnrolmentPolicy,
    pub(crate) per_network_per_hour: NonZeroU32,
    pub(crate) per_day: u32,
    pub(crate) challenge_lifetime: Duration,
    /// How many may wait for approval.
    pub(crate) waiting: u32,
}

/// Who sells relay tokens, and how many.
#[derive(Debug)]
pub(crate) struct IssuerConfig {
    pub(crate) name: IssuerName,
    pub(crate) keys: Vec<IssuerKeyConfig>,
    pub(crate) per_account_per_day: NonZeroU32,
}

/// A key of the issuer, and when tokens of it are taken.
#[derive(Debug)]
pub(crate) struct IssuerKeyConfig {
    pub(crate) file: PathBuf,
    pub(crate) validity: Validity,
}

/// The signed file of relays.
#[derive(Debug)]
pub(crate) struct DirectoryConfig {
    pub(crate) file: PathBuf,
    pub(crate) keys: Vec<DirectoryKey>,
    pub(crate) reach: Reach,
}

/// A TURN server that shares a secret.
#[derive(Debug)]
pub(crate) struct TurnConfig {
    pub(crate) uris: Vec<String>,
    pub(crate) secret_file: PathBuf,
    pub(crate) lifetime: Duration,
}

/// What bounds memory and work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) requests: usize,
    pub(crate) request_time: Duration,
    pub(crate) per_network_per_minute: NonZeroU32,
}

impl Config {
    /// Reads and checks a file of settings.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        settings::load(path, "securecall-server", Self::from_file)
    }

    /// The same, with the names of files as they are written there.
    pub(crate) fn load_as_written(path: &Path) -> Result<Self, Failure> {
        settings::load(path, "securecall-server", |file, _| {
            Self::from_file(file, Path::new(""))
        })
    }

    fn from_file(file: File, folder: &Path) -> Result<Self, Failure> {
        if file.listen.is_empty() {
            return Err(Failure::usage("`listen` names no address"));
        }
        Ok(Self {
            domain: file
                .domain
                .parse()
                .map_err(|error| Failure::usage(format!("`domain`: {error}")))?,
            listen: file.listen,
            public_url: web_address("public_url", &file.public_url)?,
            secret_file: folder.join(file.secret_file),
            trusted_proxies: file.trusted_proxies,
            drain: Duration::from_secs(file.drain_seconds),
            database: DatabaseConfig {
                location: location("database.url", &file.database.url, folder)?,
                connections: at_least_one("database.connections", file.database.connections)?.get(),
            },
            homeserver: homeserver(file.homeserver, folder)?,
            enrolment: enrolment(&file.enrolment)?,
            issuer: file
                .issuer
                .map(|issuer| self::issuer(&issuer, folder))
                .transpose()?,
            directory: file
                .directory
                .map(|directory| self::directory(&directory, folder))
                .transpose()?,
            page: file.page.map(|page| folder.join(page.file)),
            turn: file.turn.map(|turn| self::turn(turn, folder)).transpose()?,
            limits: limits(&file.limits)?,
            figures: file.figures.address()?,
        })
    }
}

/// Reads a secret: one line, of which white space around it is no part.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let text = read_text(path, MAX_SECRET).map_err(|error| failed(&error))?;
    let secret = Zeroizing::new(text.trim().to_owned());
    if secret.len() < MIN_SECRET {
        return Err(failed(&"a secret has at least 16 characters").help("openssl rand -base64 32"));
    }
    Ok(secret)
}

fn web_address(name: &str, text: &str) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::usage(format!("`{name}` {what}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no web address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("is neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or a password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has more than a scheme, a host and a port"));
    }
    Ok(url)
}

pub(crate) fn location(name: &str, text: &str, folder: &Path) -> Result<DatabaseLocation, Failure> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Failure::usage(format!("`{name}` names no file")));
        }
        return Ok(DatabaseLocation::Sqlite(folder.join(path)));
    }
    if text.starts_with("postgresql://") || text.starts_with("postgres://") {
        return Ok(DatabaseLocation::Postgres(text.to_owned()));
    }
    // The text may hold a password, and is not repeated.
    Err(Failure::usage(format!(
        "`{name}` starts neither with sqlite: nor with postgresql://"
    )))
}

fn homeserver(file: file::Homeserver, folder: &Path) -> Result<HomeserverConfig, Failure> {
    Ok(HomeserverConfig {
        kind: file.kind,
        url: web_address("homeserver.url", &file.url)?,
        public_url: web_address("homeserver.public_url", &file.public_url)?,
        server: file
            .server
            .map(|server| server.parse())
            .transpose()
            .map_err(|error| Failure::usage(format!("`homeserver.server`: {error}")))?,
        registration_secret_file: folder.join(file.registration_secret_file),
        config_file: file.config_file.map(|path| folder.join(path)),
        database: file
            .database_url
            .map(|url| location("homeserver.database_url", &url, folder))
            .transpose()?,
    })
}

fn enrolment(file: &file::Enrolment) -> Result<EnrolmentConfig, Failure> {
    if !(10..=3_600).contains(&file.challenge_seconds) {
        return Err(Failure::usage(
            "`enrolment.challenge_seconds` is not between 10 and 3600",
        ));
    }
    Ok(EnrolmentConfig {
        policy: file.policy,
        per_network_per_hour: at_least_one(
            "enrolment.per_network_per_hour",
            file.per_network_per_hour,
        )?,
        per_day: file.per_day,
        challenge_lifetime: Duration::from_secs(file.challenge_seconds),
        waiting: file.waiting,
    })
}

fn issuer(file: &file::Issuer, folder: &Path) -> Result<IssuerConfig, Failure> {
    let key = |key: &file::IssuerKey| {
        let at = UnixTime::from_secs;
        Ok(IssuerKeyConfig {
            file: folder.join(&key.file),
            validity: Validity::new(at(key.not_before), at(key.not_after)).ok_or_else(|| {
                Failure::usage("`issuer.keys`: `not_after` is not after `not_before`")
            })?,
        })
    };
    if file.keys.is_empty() {
        return Err(Failure::usage("`issuer.keys` names no key"));
    }
    Ok(IssuerConfig {
        name: IssuerName::parse(&file.name)
            .map_err(|error| Failure::usage(format!("`issuer.name`: {error}")))?,
        keys: file.keys.iter().map(key).collect::<Result<_, Failure>>()?,
        per_account_per_day: at_least_one("issuer.per_account_per_day", file.per_account_per_day)?,
    })
}

fn directory(file: &file::Directory, folder: &Path) -> Result<DirectoryConfig, Failure> {
    Ok(DirectoryConfig {
        file: folder.join(&file.file),
        keys: settings::directory_keys(&file.keys)?,
        reach: if file.lab {
            Reach::Lab
        } else {
            Reach::Internet
        },
    })
}

fn turn(file: file::Turn, folder: &Path) -> Result<TurnConfig, Failure> {
    let is_turn = |uri: &String| uri.starts_with("turn:") || uri.starts_with("turns:");
    if file.uris.is_empty() || !file.uris.iter().all(is_turn) {
        return Err(Failure::usage(
            "`turn.uris` names no addresses that start with turn: or turns:",
        ));
    }
    if !(60..=86_400).contains(&file.lifetime_seconds) {
        return Err(Failure::usage(
            "`turn.lifetime_seconds` is not between 60 and 86400",
        ));
    }
    Ok(TurnConfig {
        uris: file.uris,
        secret_file: folder.join(file.secret_file),
        lifetime: Duration::from_secs(file.lifetime_seconds.into()),
    })
}

fn limits(file: &file::Limits) -> Result<Limits, Failure> {
    if file.requests == 0 || file.request_seconds == 0 {
        return Err(Failure::usage(
            "`limits.requests` and `limits.request_seconds` are at least 1",
        ));
    }
    Ok(Limits {
        requests: file.requests,
        request_time: Duration::from_secs(file.request_seconds),
        per_network_per_minute: at_least_one(
            "limits.per_network_per_minute",
            file.per_network_per_minute,
        )?,
    })
}

fn at_least_one(name: &str, number: u32) -> Result<NonZeroU32, Failure> {
    NonZeroU32::new(number).ok_or_else(|| Failure::usage(format!("`{name}` is 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../server.toml");

    fn read(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        Config::from_file(file, Path::new("/etc/x")).map_err(|failure| failure.message)
    }

    fn filled() -> String {
        TEMPLATE
            .replace("<domain>", "example.org")
            .replace("<kind>", "synapse")
    }

    /// With what is there as a comment as well.
    fn all_of_it() -> String {
        let key = data_encoding::BASE64.encode(&[
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64,
            0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68,
            0xf7, 0x07, 0x51, 0x1a,
        ]);
        let is_setting = |line: &str| {
            line.starts_with('[')
                || line.split_once(" = ").is_some_and(|(name, _)| {
                    name.bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                })
        };
        let lines: Vec<String> = filled()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if is_setting(setting) => setting.replace('…', &key),
                _ => line.to_owned(),
            })
            .collect();
        lines
            .join("\n")
            .replace("postgresql://…", "postgresql://x")
            .replace(&format!("postgresql://{key}"), "postgresql://x")
    }

    #[test]
    fn the_file_that_explains_each_setting_is_one() {
        let config = read(&filled()).unwrap();
        assert_eq!(config.homeserver.password_host(), "matrix.example.org");
        assert!(config.issuer.is_none() && config.turn.is_none() && config.page.is_none());
        let all = read(&all_of_it()).unwrap();
        assert_eq!(all.issuer.unwrap().keys.len(), 1);
        assert_eq!(all.directory.unwrap().keys.len(), 1);
        assert_eq!(all.turn.unwrap().lifetime, Duration::from_secs(3_600));
        assert!(all.page.is_some() && all.figures.is_some());
        assert!(all.homeserver.database.is_some() && all.homeserver.config_file.is_some());
        // What the file says is what is taken where it says nothing.
        let least: String = filled()
            .replace("[limits]", "[nothing_of_limits]")
            .split("[nothing_of_limits]")
            .next()
            .unwrap()
            .to_owned();
        let least = read(&least).unwrap();
        assert_eq!(least.limits.requests, config.limits.requests);
        assert_eq!(
            least.limits.per_network_per_minute,
            config.limits.per_network_per_minute
        );
    }

    #[test]
    fn passwords_are_for_the_host_that_clients_see() {
        for (url, host) in [
            ("https://Matrix.Example.org:8448", "matrix.example.org"),
            ("https://example.org.", "example.org"),
            ("http://127.0.0.1:8008", "localhost"),
            ("http://[::1]:8008", "localhost"),
            ("http://a.localhost", "localhost"),
            ("https://192.0.2.1", "192.0.2.1"),
        ] {
            let settings = filled().replace("https://matrix.example.org", url);
            let config = read(&settings).unwrap();
            assert_eq!(config.homeserver.password_host(), host, "{url}");
        }
    }

    #[test]
    fn what_would_be_unsafe_or_useless_is_refused() {
        for (from, to, named) in [
            ("127.0.0.1:9465\"", "0.0.0.0:9465\"", "loopback"),
            (
                "per_network_per_hour = 5",
                "per_network_per_hour = 0",
                "per_network_per_hour",
            ),
            (
                "challenge_seconds = 120",
                "challenge_seconds = 5",
                "challenge_seconds",
            ),
            ("requests = 256", "requests = 0", "limits.requests"),
            ("sqlite:server.db", "sqlite:", "database.url"),
            (
                "turns:turn.example.org",
                "http:turn.example.org",
                "turn.uris",
            ),
            (
                "https://example.org\"",
                "https://example.org/path\"",
                "public_url",
            ),
            ("not_after = 1798761600", "not_after = 1", "not_after"),
        ] {
            let settings = all_of_it();
            assert!(settings.contains(from), "{from}");
            let refused = read(&settings.replace(from, to)).unwrap_err();
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn a_database_with_a_password_is_not_shown() {
        let settings = filled().replace("sqlite:server.db", "postgresql://a:hunter2@b/c");
        let shown = format!("{:?}", read(&settings).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

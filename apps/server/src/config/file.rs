//! The settings as they stand in the file. `server.toml` beside the sources explains each.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use securecall_daemon::settings::Figures;
use serde::Deserialize;

use super::{EnrolmentPolicy, HomeserverKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) domain: String,
    pub(super) listen: Vec<SocketAddr>,
    pub(super) public_url: String,
    pub(super) secret_file: PathBuf,
    #[serde(default = "loopback")]
    pub(super) trusted_proxies: Vec<IpNet>,
    #[serde(default = "drain_seconds")]
    pub(super) drain_seconds: u64,
    #[serde(default)]
    pub(super) database: Database,
    pub(super) homeserver: Homeserver,
    #[serde(default)]
    pub(super) enrolment: Enrolment,
    pub(super) issuer: Option<Issuer>,
    pub(super) directory: Option<Directory>,
    pub(super) page: Option<Page>,
    pub(super) turn: Option<Turn>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) figures: Figures,
}

fn loopback() -> Vec<IpNet> {
    vec![
        IpNet::new_assert([127, 0, 0, 1].into(), 32),
        IpNet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128),
    ]
}

fn drain_seconds() -> u64 {
    20
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Database {
    pub(super) url: String,
    pub(super) connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "sqlite:server.db".to_owned(),
            connections: 8,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Homeserver {
    pub(super) kind: HomeserverKind,
    pub(super) url: String,
    pub(super) public_url: String,
    pub(super) server: Option<String>,
    pub(super) registration_secret_file: PathBuf,
    pub(super) config_file: Option<PathBuf>,
    pub(super) database_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Enrolment {
    pub(super) policy: EnrolmentPolicy,
    pub(super) per_network_per_hour: u32,
    pub(super) per_day: u32,
    pub(super) challenge_seconds: u64,
    pub(super) waiting: u32,
}

impl Default for Enrolment {
    fn default() -> Self {
        Self {
            policy: EnrolmentPolicy::Open,
            per_network_per_hour: 5,
            per_day: 200,
            challenge_seconds: 120,
            waiting: 1_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) keys: Vec<IssuerKey>,
    #[serde(default = "per_account_per_day")]
    pub(super) per_account_per_day: u32,
}

fn per_account_per_day() -> u32 {
    60
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerKey {
    pub(super) file: PathBuf,
    #[serde(default)]
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    pub(super) file: PathBuf,
    pub(super) keys: Vec<String>,
    #[serde(default)]
    pub(super) lab: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    pub(super) file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    pub(super) uris: Vec<String>,
    pub(super) secret_file: PathBuf,
    #[serde(default = "lifetime_seconds")]
    pub(super) lifetime_seconds: u32,
}

fn lifetime_seconds() -> u32 {
    3_600
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) requests: usize,
    pub(super) request_seconds: u64,
    pub(super) per_network_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 256,
            request_seconds: 30,
            per_network_per_minute: 120,
        }
    }
}

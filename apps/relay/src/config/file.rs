//! The settings as they stand in the file. `relay.toml` beside the sources explains each.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use securecall_daemon::settings::Figures;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) listen: Vec<SocketAddr>,
    #[serde(default)]
    pub(super) lab: bool,
    #[serde(default = "drain_seconds")]
    pub(super) drain_seconds: u64,
    #[serde(default)]
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) directory: Directory,
    #[serde(default)]
    pub(super) entry: Entry,
    #[serde(default)]
    pub(super) exit: Exit,
    #[serde(default)]
    pub(super) access: Access,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) figures: Figures,
}

fn drain_seconds() -> u64 {
    60
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Entry,
    Exit,
    Both,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: "cert.pem".into(),
            key: "key.pem".into(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Directory {
    pub(super) file: Option<PathBuf>,
    pub(super) keys: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Entry {
    pub(super) relays: Vec<SocketAddr>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Exit {
    pub(super) addresses: Vec<Address>,
    pub(super) ports: Option<[u16; 2]>,
    pub(super) refuse: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Address {
    Plain(IpAddr),
    Mapped { bind: IpAddr, public: IpAddr },
}

impl Address {
    pub(super) fn bind(&self) -> IpAddr {
        match self {
            Self::Plain(address) | Self::Mapped { bind: address, .. } => *address,
        }
    }

    pub(super) fn public(&self) -> IpAddr {
        match self {
            Self::Plain(address)
            | Self::Mapped {
                public: address, ..
            } => *address,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub(super) secret_file: Option<PathBuf>,
    pub(super) spent_file: PathBuf,
    pub(super) issuers: Vec<Issuer>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            secret_file: None,
            spent_file: "spent-tokens".into(),
            issuers: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) flows: usize,
    pub(super) flows_per_connection: u32,
    pub(super) connections: usize,
    pub(super) half_open: usize,
    pub(super) retry_above: usize,
    pub(super) packets_per_second: u32,
    pub(super) packet_burst: u32,
    pub(super) bytes_per_second: u32,
    pub(super) byte_burst: u32,
    pub(super) flow_lifetime_seconds: u64,
    pub(super) spent_tokens: usize,
}

/// Sized for voice: 50 frames a second each way, as many acknowledgements of the inner connection at an entry, ICE checks of two
/// ends (one each 50 ms), and handshakes; four times over, so that nothing of a call is ever held back.
impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 2_000,
            flows_per_connection: 8,
            connections: 4_000,
            half_open: 256,
            retry_above: 64,
            packets_per_second: 400,
            packet_burst: 800,
            bytes_per_second: 100_000,
            byte_burst: 200_000,
            flow_lifetime_seconds: 6 * 60 * 60,
            spent_tokens: 1_000_000,
        }
    }
}

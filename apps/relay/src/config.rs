//! The settings: read once into types, or refused with a reason.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use securecall_daemon::{Failure, FailureKind, settings};
use securecall_ghostnet::directory::DirectoryKey;
use securecall_ghostnet::token::{AcceptedKey, TokenKey};
use securecall_ghostnet::{IssuerName, UnixTime, Validity};
use securecall_relay::is_public;
use securecall_relay::masque::{Admission, Network};

use crate::limits::{FlowLimits, Rate};

mod file;

use file::File;

/// What a relay is set to.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) lab: bool,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) directory: Option<DirectoryConfig>,
    pub(crate) entry: Option<EntryConfig>,
    pub(crate) exit: Option<ExitConfig>,
    pub(crate) secret_file: Option<PathBuf>,
    /// Where it is remembered which tokens were spent.
    pub(crate) spent_file: PathBuf,
    /// Keys whose tokens are taken, as the settings themselves name them.
    pub(crate) issuers: Vec<AcceptedKey>,
    pub(crate) limits: Limits,
    pub(crate) figures: Option<SocketAddr>,
    pub(crate) drain: Duration,
}

/// Where relays and keys of issuers come from.
#[derive(Debug)]
pub(crate) struct DirectoryConfig {
    pub(crate) file: PathBuf,
    pub(crate) keys: Vec<DirectoryKey>,
}

/// What the first relay of a tunnel needs.
#[derive(Debug)]
pub(crate) struct EntryConfig {
    /// Relays that are named in the settings themselves.
    pub(crate) relays: Vec<SocketAddr>,
}

/// What the second relay of a tunnel needs.
#[derive(Debug)]
pub(crate) struct ExitConfig {
    /// Where its sockets are bound: one address of a family, or two of different ones.
    pub(crate) addresses: Vec<ExitAddress>,
    /// First and last port, or whichever the system gives.
    pub(crate) ports: Option<(u16, u16)>,
    /// Where it sends to.
    pub(crate) admission: Arc<Admission>,
}

/// An address that an exit lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitAddress {
    /// As this machine has it.
    pub(crate) bind: IpAddr,
    /// As others see it, behind a NAT that keeps ports.
    pub(crate) public: IpAddr,
}

/// What bounds the memory and the work of the relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) flows: usize,
    pub(crate) flows_per_connection: u32,
    pub(crate) connections: usize,
    pub(crate) half_open: usize,
    pub(crate) retry_above: usize,
    pub(crate) spent_tokens: usize,
    pub(crate) flow: FlowLimits,
}

impl Config {
    /// Reads and checks a file of settings.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        settings::load(path, "securecall-relay", Self::from_file)
    }

    fn from_file(file: File, folder: &Path) -> Result<Self, Failure> {
        let lab = file.lab;
        let is_entry = matches!(file.role, file::Role::Entry | file::Role::Both);
        let is_exit = matches!(file.role, file::Role::Exit | file::Role::Both);
        let directory = directory(&file.directory, folder)?;
        let entry = is_entry.then(|| entry(&file.entry, lab)).transpose()?;
        let exit = is_exit.then(|| exit(&file.exit, lab)).transpose()?;
        if file.listen.is_empty() {
            return Err(Failure::usage("`listen` names no address"));
        }
        if file.listen.iter().any(|address| address.port() == 0) {
            return Err(Failure::usage(
                "`listen` needs a port: others have to find it",
            ));
        }
        check_name(&file.name)?;
        if entry.as_ref().is_some_and(|entry| entry.relays.is_empty()) && directory.is_none() {
            return Err(Failure::usage(
                "an entry needs to know where it may forward to: `[directory]` or `entry.relays`",
            ));
        }
        let secret_file = file.access.secret_file.map(|path| folder.join(path));
        let issuers = issuers(&file.access.issuers)?;
        if secret_file.is_none() && issuers.is_empty() && directory.is_none() {
            return Err(Failure::usage(
                "nobody could use this relay: `[access]` names neither `issuers` nor a `secret_file`, and there is no `[directory]`",
            ));
        }
        Ok(Self {
            name: file.name,
            listen: file.listen,
            lab,
            certificate: folder.join(file.tls.certificate),
            key: folder.join(file.tls.key),
            directory,
            entry,
            exit,
            secret_file,
            spent_file: folder.join(file.access.spent_file),
            issuers,
            limits: limits(&file.limits)?,
            figures: file.figures.address()?,
            drain: Duration::from_secs(file.drain_seconds),
        })
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let is_name = rustls::pki_types::DnsName::try_from(name).is_ok();
    if is_name {
        return Ok(());
    }
    Err(Failure::usage("`name` is not the name of a host")
        .help("it stands in the certificate: relay.example.org"))
}

fn directory(file: &file::Directory, folder: &Path) -> Result<Option<DirectoryConfig>, Failure> {
    let Some(path) = &file.file else {
        return Ok(None);
    };
    Ok(Some(DirectoryConfig {
        file: folder.join(path),
        keys: settings::directory_keys(&file.keys)?,
    }))
}

fn entry(file: &file::Entry, lab: bool) -> Result<EntryConfig, Failure> {
    for relay in &file.relays {
        if !lab && !is_public(*relay) {
            return Err(Failure::new(
                FailureKind::Security,
                format!("`entry.relays` has {relay}, which is not a public address"),
            )
            .help("an entry that reaches into its own network is a hole in it; in a lab, set `lab = true`"));
        }
    }
    Ok(EntryConfig {
        relays: file.relays.clone(),
    })
}

fn exit(file: &file::Exit, lab: bool) -> Result<ExitConfig, Failure> {
    let addresses: Vec<ExitAddress> = file
        .addresses
        .iter()
        .map(|address| ExitAddress {
            bind: address.bind(),
            public: address.public(),
        })
        .collect();
    let count = |is_v4| {
        addresses
            .iter()
            .filter(|a| a.bind.is_ipv4() == is_v4)
            .count()
    };
    if addresses.is_empty() || count(true) > 1 || count(false) > 1 {
        return Err(Failure::usage(
            "`exit.addresses` needs one address, or one of IPv4 and one of IPv6",
        )
        .help("the address of this machine that others can reach, such as addresses = [\"203.0.113.7\"]"));
    }
    for ExitAddress { bind, public } in &addresses {
        if bind.is_ipv4() != public.is_ipv4() {
            return Err(Failure::usage(format!(
                "`exit.addresses`: {bind} and {public} are of different families"
            )));
        }
        if bind.is_unspecified() {
            return Err(Failure::usage(format!(
                "`exit.addresses`: {bind} is no address that could be told to anybody"
            )));
        }
        if !lab && !is_public(SocketAddr::new(*public, 1)) {
            return Err(Failure::usage(format!("`exit.addresses`: {public} is not a public address, so nobody could answer there"))
                .help("behind a NAT write { bind = \"10.0.0.2\", public = \"203.0.113.7\" }; in a lab, set `lab = true`"));
        }
    }
    let ports = match file.ports {
        Some([first, last]) if first == 0 || last < first => {
            return Err(Failure::usage(
                "`exit.ports` needs the first port and the last one",
            ));
        }
        ports => ports.map(|[first, last]| (first, last)),
    };
    let mut refused: Vec<Network> = Vec::new();
    for text in &file.refuse {
        let network = text
            .parse()
            .map_err(|error| Failure::usage(format!("`exit.refuse`: {text:?} is {error}")))?;
        refused.push(network);
    }
    let admission = if lab {
        Admission::of_any_host()
    } else {
        Admission::of_public_hosts()
    };
    Ok(ExitConfig {
        addresses,
        ports,
        admission: Arc::new(admission.but_not_in(refused)),
    })
}

fn issuers(file: &[file::Issuer]) -> Result<Vec<AcceptedKey>, Failure> {
    let read = |issuer: &file::Issuer| {
        let wrong = |what: &dyn std::fmt::Display| {
            Failure::usage(format!("`access.issuers`, {:?}: {what}", issuer.name))
        };
        let at = UnixTime::from_secs;
        Ok(AcceptedKey {
            issuer: IssuerName::parse(&issuer.name).map_err(|error| wrong(&error))?,
            key: TokenKey::from_base64url(&issuer.key).map_err(|error| wrong(&error))?,
            validity: Validity::new(at(issuer.not_before), at(issuer.not_after))
                .ok_or_else(|| wrong(&"`not_after` is not after `not_before`"))?,
        })
    };
    file.iter().map(read).collect()
}

fn limits(file: &file::Limits) -> Result<Limits, Failure> {
    let least_one = [
        ("flows", file.flows),
        ("flows_per_connection", file.flows_per_connection as usize),
        ("connections", file.connections),
        ("half_open", file.half_open),
        ("packets_per_second", file.packets_per_second as usize),
        ("packet_burst", file.packet_burst as usize),
        ("flow_lifetime_seconds", file.flow_lifetime_seconds as usize),
        ("spent_tokens", file.spent_tokens),
    ];
    if let Some((name, _)) = least_one.iter().find(|(_, value)| *value == 0) {
        return Err(Failure::usage(format!(
            "`limits.{name}` is 0: nothing could pass"
        )));
    }
    // One packet of the largest size has to fit.
    if file.bytes_per_second < 1_500 || file.byte_burst < 1_500 {
        return Err(Failure::usage(
            "`limits.bytes_per_second` and `limits.byte_burst` need room for a packet of 1500 bytes",
        ));
    }
    Ok(Limits {
        flows: file.flows,
        flows_per_connection: file.flows_per_connection,
        connections: file.connections,
        half_open: file.half_open,
        retry_above: file.retry_above,
        spent_tokens: file.spent_tokens,
        flow: FlowLimits {
            packets: Rate {
                per_second: file.packets_per_second,
                burst: file.packet_burst,
            },
            bytes: Rate {
                per_second: file.bytes_per_second,
                burst: file.byte_burst,
            },
            lifetime: Duration::from_secs(file.flow_lifetime_seconds),
        },
    })
}

/// What holds where the settings say nothing.
#[cfg(test)]
pub(crate) fn default_limits() -> Limits {
    limits(&file::Limits::default()).expect("the defaults are allowed")
}

//! `securecall-relay check`: whether the relay would run, and be of use. It changes nothing.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use securecall_relay::is_public;
use serde_json::json;

use crate::cli::Cli;
use crate::config::Config;
use crate::directory_file::ReadDirectory;
use crate::failure::{Failure, FailureKind};
use crate::output::Output;
use crate::relay::Loaded;
use crate::tls::Identity;
use crate::{clock, transport};

/// A time that is certainly past: this program was written then. A clock before it was never set.
const WRITTEN_AT: u64 = 1_795_000_000;

/// One thing that was looked at.
struct Finding {
    name: &'static str,
    failure: Option<Failure>,
    told: String,
}

impl Finding {
    fn good(name: &'static str, told: impl Into<String>) -> Self {
        Self {
            name,
            failure: None,
            told: told.into(),
        }
    }

    fn of(name: &'static str, result: Result<String, Failure>) -> Self {
        match result {
            Ok(told) => Self::good(name, told),
            Err(failure) => Self {
                name,
                told: failure.message.clone(),
                failure: Some(failure),
            },
        }
    }
}

/// Looks at all, tells of all, and fails as the worst does.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let config = match Config::load(&cli.global.config) {
        Ok(config) => config,
        Err(failure) => {
            tell(output, &[Finding::of("settings", Err(failure.clone()))]);
            return Err(failure);
        }
    };
    let mut findings = vec![Finding::good("settings", "are understood")];
    findings.push(Finding::of("certificate", certificate(&config)));
    match Loaded::read(&config, None) {
        Ok(loaded) => {
            findings.push(Finding::of("access", access(&config, &loaded)));
            if let Some(read) = &loaded.directory {
                findings.push(Finding::of("directory", directory(read)));
            }
        }
        Err(failure) => findings.push(Finding::of("access", Err(failure))),
    }
    findings.push(Finding::of("listen", ports(&config)));
    findings.push(Finding::of("addresses", addresses(&config)));
    if config.exit.is_some() {
        findings.push(Finding::of("exit", exit_addresses(&config)));
    }
    findings.push(Finding::of("figures", figures(&config)));
    findings.push(Finding::of("clock", clock_is_set()));
    tell(output, &findings);
    let failures = findings.into_iter().filter_map(|finding| finding.failure);
    // Usage before machine before network: what is to be done first.
    match failures.min_by_key(|failure| rank(failure.kind)) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn rank(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Security => 0,
        FailureKind::Usage => 1,
        FailureKind::Machine => 2,
        FailureKind::Network => 3,
    }
}

fn tell(output: Output, findings: &[Finding]) {
    for finding in findings {
        let is_good = finding.failure.is_none();
        let help = finding
            .failure
            .as_ref()
            .and_then(|failure| failure.help.as_deref());
        let mark = if is_good { "ok  " } else { "FAIL" };
        output.result(
            &json!({
                "type": "check",
                "name": finding.name,
                "ok": is_good,
                "message": finding.told,
                "help": help,
            }),
            &format!("{mark} {:<12} {}", finding.name, finding.told),
        );
    }
}

fn certificate(config: &Config) -> Result<String, Failure> {
    let identity = Identity::load(&config.certificate, &config.key)?;
    if !identity.is_for(&config.name) {
        return Err(Failure::usage(format!(
            "{} is not for {}, the `name` of this relay",
            config.certificate.display(),
            config.name
        )));
    }
    for_owner_only(&config.key)?;
    let pin = identity.pin();
    Ok(format!(
        "and key fit; pin {}",
        pin.as_deref().unwrap_or("none")
    ))
}

fn for_owner_only(path: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
        .permissions()
        .mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Security,
        format!("{} can be read by anybody on this machine", path.display()),
    )
    .help(format!("chmod 600 {}", path.display())))
}

fn access(config: &Config, loaded: &Loaded) -> Result<String, Failure> {
    let mut ways = Vec::new();
    if loaded.access.takes_tokens() {
        ways.push("tokens");
    }
    if let Some(path) = &config.secret_file {
        for_owner_only(path)?;
        ways.push("a shared secret");
    }
    if ways.is_empty() {
        return Err(Failure::usage(
            "nobody could use this relay: no key of an issuer is valid now",
        )
        .help(
            "keys are in the directory, for relays that are listed there, or in `access.issuers`",
        ));
    }
    Ok(format!("by {}", ways.join(" or ")))
}

fn directory(directory: &ReadDirectory) -> Result<String, Failure> {
    if !directory.lists_us {
        return Err(
            Failure::usage("the directory does not list the `name` of this relay")
                .help("clients find relays there only; ask whoever signs it to add yours"),
        );
    }
    Ok(format!(
        "lists this relay and {} addresses of exits; valid until {}",
        directory.exits.len(),
        directory.not_after
    ))
}

fn ports(config: &Config) -> Result<String, Failure> {
    for address in &config.listen {
        if let Err(error) = transport::bind(*address) {
            return Err(cannot_bind(*address, &error));
        }
    }
    Ok("can be bound".to_owned())
}

fn cannot_bind(address: SocketAddr, error: &std::io::Error) -> Failure {
    let failure = Failure::machine(format!("{address} cannot be bound: {error}"));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => failure.help("does the relay run already?"),
        std::io::ErrorKind::PermissionDenied => {
            failure.help("ports below 1024 need CAP_NET_BIND_SERVICE; the systemd unit has it")
        }
        std::io::ErrorKind::AddrNotAvailable => failure.help("no interface has this address"),
        _ => failure,
    }
}

fn addresses(config: &Config) -> Result<String, Failure> {
    let hidden = config
        .listen
        .iter()
        .find(|address| !address.ip().is_unspecified() && !is_public(**address));
    match hidden {
        Some(address) if !config.lab => Err(Failure::new(
            FailureKind::Network,
            format!("`listen` has {address}, which nobody on the Internet reaches"),
        )
        .help(
            "listen on 0.0.0.0 and have the router forward the port; in a lab, set `lab = true`",
        )),
        _ if config.lab => Ok("of any kind, for this is a lab".to_owned()),
        _ => Ok("are public".to_owned()),
    }
}

fn exit_addresses(config: &Config) -> Result<String, Failure> {
    let addresses = config.exit.iter().flat_map(|exit| &exit.addresses);
    for address in addresses {
        let wanted = SocketAddr::new(address.bind, 0);
        std::net::UdpSocket::bind(wanted).map_err(|error| {
            let failure = cannot_bind(wanted, &error);
            Failure {
                message: format!("`exit.addresses`: {}", failure.message),
                ..failure
            }
        })?;
    }
    Ok("addresses can be lent".to_owned())
}

fn figures(config: &Config) -> Result<String, Failure> {
    let Some(address) = config.figures else {
        return Ok("are not asked for".to_owned());
    };
    std::net::TcpListener::bind(address)
        .map_err(|error| cannot_bind(address, &error))
        .map(|_| "port can be bound".to_owned())
}

/// Tokens and the directory expire.
fn clock_is_set() -> Result<String, Failure> {
    if clock::unix_time().as_secs() < WRITTEN_AT {
        return Err(
            Failure::machine("the clock of this machine is years behind")
                .help("set it, and keep it set: timedatectl set-ntp true"),
        );
    }
    Ok("is set".to_owned())
}

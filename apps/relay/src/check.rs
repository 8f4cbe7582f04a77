//! `securecall-relay check`: whether the relay would run, and be of use. It changes nothing.

use std::net::SocketAddr;

use securecall_daemon::check::{Findings, clock_is_set, for_owner_only};
use securecall_daemon::{Failure, FailureKind, Output};
use securecall_relay::is_public;

use crate::cli::Cli;
use crate::config::Config;
use crate::directory_file::ReadDirectory;
use crate::relay::Loaded;
use crate::tls::Identity;
use crate::transport;

/// Looks at all, tells of all, and fails as the worst does.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let (config, mut findings) = Findings::of_settings(Config::load(&cli.global.config), output)?;
    findings.add("certificate", certificate(&config));
    match Loaded::read(&config, None) {
        Ok(loaded) => {
            findings.add("access", access(&config, &loaded));
            if let Some(read) = &loaded.directory {
                findings.add("directory", directory(read));
            }
        }
        Err(failure) => findings.add("access", Err(failure)),
    }
    findings.add("listen", ports(&config));
    findings.add("addresses", addresses(&config));
    if config.exit.is_some() {
        findings.add("exit", exit_addresses(&config));
    }
    findings.add("figures", figures(&config));
    findings.add("clock", clock_is_set());
    findings.conclude(output)
}

fn certificate(config: &Config) -> Result<String, Failure> {
    let identity = Identity::load(&config.certificate, &config.key)?;
    if !identity.is_for(&config.name) {
        return Err(Failure::usage(format!(
            "{} is not for {}, the `name` of this relay",
            config.certificate.display(),
            config.name
        ))
        .help(
            "one of the two is to be changed; clients look for the name that the directory has",
        ));
    }
    for_owner_only(&config.key)?;
    let pin = identity.pin();
    Ok(format!(
        "and key fit; pin {}",
        pin.as_deref().unwrap_or("none")
    ))
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
            return Err(cannot_bind("listen", *address, &error));
        }
    }
    Ok("can be bound".to_owned())
}

/// Why a setting is of no use here, and what to do.
pub(crate) fn cannot_bind(setting: &str, address: SocketAddr, error: &std::io::Error) -> Failure {
    let failure = Failure::machine(format!("`{setting}`: {address} cannot be bound: {error}"));
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
        std::net::UdpSocket::bind(wanted)
            .map_err(|error| cannot_bind("exit.addresses", wanted, &error))?;
    }
    Ok("addresses can be lent".to_owned())
}

fn figures(config: &Config) -> Result<String, Failure> {
    let Some(address) = config.figures else {
        return Ok("are not asked for".to_owned());
    };
    std::net::TcpListener::bind(address)
        .map_err(|error| cannot_bind("figures.listen", address, &error))
        .map(|_| "port can be bound".to_owned())
}

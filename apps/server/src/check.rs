//! `securecall-server check`: whether the server would run, and be of use. It changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::cli::Cli;
use crate::clock;
use crate::config::{Config, DatabaseLocation, read_secret};
use crate::failure::{Failure, FailureKind};
use crate::homeserver::Homeserver;
use crate::issuer::Issuer;
use crate::output::Output;
use crate::published;
use crate::relay_directory::RelayDirectory;
use crate::repository::Repository;
use crate::server::database_failure;
use crate::turn::Turn;

/// A time that is certainly past: this program was written then. A clock before it was never set.
const WRITTEN_AT: u64 = 1_795_000_000;

/// One thing that was looked at.
struct Finding {
    name: &'static str,
    result: Result<String, Failure>,
}

/// Looks at all, tells of all, and fails as the worst does.
pub(crate) async fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let config = match Config::load(&cli.global.config) {
        Ok(config) => config,
        Err(failure) => {
            tell(output, "settings", &Err(failure.clone()));
            return Err(failure);
        }
    };
    let mut findings = vec![
        finding("settings", Ok("are understood".to_owned())),
        finding("secrets", secrets(&config)),
        finding("database", database(&config).await),
        finding("homeserver", homeserver(&config).await),
        finding("published", published::check(&config).await),
        finding("clock", clock_is_set()),
        finding("doctor", for_doctor(&config)),
    ];
    if let Some(issuer) = &config.issuer {
        let loaded = Issuer::load(issuer);
        findings.push(finding("issuer", loaded.and_then(|issuer| sells(&issuer))));
    }
    if let Some(directory) = config.directory {
        let bytes = RelayDirectory::new(directory).bytes(clock::unix_time());
        let told = bytes.map(|_| "is signed and valid".to_owned());
        findings.push(finding("directory", told));
    }
    if let Some(turn) = config.turn {
        let told = Turn::load(turn).map(|_| "credentials can be made".to_owned());
        findings.push(finding("turn", told));
    }
    if let Some(page) = &config.page {
        findings.push(finding("page", readable(page)));
    }
    for finding in &findings {
        tell(output, finding.name, &finding.result);
    }
    let failures = findings.into_iter().filter_map(|found| found.result.err());
    match failures.min_by_key(|failure| rank(failure.kind)) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn finding(name: &'static str, result: Result<String, Failure>) -> Finding {
    Finding { name, result }
}

/// What is to be done first.
fn rank(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Security => 0,
        FailureKind::Usage => 1,
        FailureKind::Machine => 2,
        FailureKind::Network => 3,
    }
}

fn tell(output: Output, name: &str, result: &Result<String, Failure>) {
    let (mark, told, help) = match result {
        Ok(told) => ("ok  ", told.as_str(), None),
        Err(failure) => ("FAIL", failure.message.as_str(), failure.help.as_deref()),
    };
    output.result(
        &json!({ "type": "check", "name": name, "ok": result.is_ok(), "message": told, "help": help }),
        &format!("{mark} {name:<12} {told}"),
    );
}

fn secrets(config: &Config) -> Result<String, Failure> {
    let issuer_keys = config.issuer.iter().flat_map(|issuer| &issuer.keys);
    let mut files = vec![
        &config.secret_file,
        &config.homeserver.registration_secret_file,
    ];
    files.extend(config.turn.as_ref().map(|turn| &turn.secret_file));
    for file in &files {
        read_secret(file)?;
    }
    files.extend(issuer_keys.map(|key| &key.file));
    for file in &files {
        for_owner_only(file)?;
    }
    Ok("can be read, by their owner alone".to_owned())
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

async fn database(config: &Config) -> Result<String, Failure> {
    if let DatabaseLocation::Sqlite(path) = &config.database.location
        && !path.exists()
    {
        return Ok("is made when the server first runs".to_owned());
    }
    let repository = Repository::connect(&config.database)
        .await
        .map_err(database_failure)?;
    repository.ping().await.map_err(database_failure)?;
    repository.close().await;
    Ok("answers".to_owned())
}

async fn homeserver(config: &Config) -> Result<String, Failure> {
    let homeserver = Homeserver::new(&config.homeserver, &config.domain)?;
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(
            FailureKind::Network,
            format!("{}: {error}", config.homeserver.url),
        )
    };
    homeserver.ping().await.map_err(|error| {
        failed(&error).help("does it run, and is `homeserver.url` its address?")
    })?;
    homeserver.makes_accounts().await.map_err(|error| {
        failed(&error).help("its `registration_shared_secret` has to be set, and the listener has to take /_synapse/admin")
    })?;
    Ok("answers, and takes accounts from whoever has its secret".to_owned())
}

/// What `doctor` is to read of the homeserver.
fn for_doctor(config: &Config) -> Result<String, Failure> {
    let files = [
        config.homeserver.config_file.as_deref(),
        match &config.homeserver.database {
            Some(DatabaseLocation::Sqlite(path)) => Some(path.as_path()),
            // Whether PostgreSQL answers, `doctor` says.
            Some(DatabaseLocation::Postgres(_)) | None => None,
        },
    ];
    let named = files.into_iter().flatten();
    for file in named {
        fs::File::open(file).map_err(|error| {
            Failure::usage(format!("{}: {error}", file.display()))
                .help("`homeserver.config_file` and `homeserver.database_url` are for `doctor`, which reads them")
        })?;
    }
    Ok("can read what the settings name of the homeserver".to_owned())
}

fn sells(issuer: &Issuer) -> Result<String, Failure> {
    if issuer.is_selling(clock::unix_time()) {
        return Ok("has a key that is valid now".to_owned());
    }
    Err(Failure::usage("no key of `issuer.keys` is valid now")
        .help("`securecall-server issuer-key FILE` makes one"))
}

fn readable(path: &Path) -> Result<String, Failure> {
    fs::metadata(path)
        .map(|_| "is there".to_owned())
        .map_err(|error| Failure::usage(format!("`page.file`: {}: {error}", path.display())))
}

/// Challenges, invitations and tokens expire.
fn clock_is_set() -> Result<String, Failure> {
    if clock::unix_time().as_secs() < WRITTEN_AT {
        return Err(
            Failure::machine("the clock of this machine is years behind")
                .help("set it, and keep it set: timedatectl set-ntp true"),
        );
    }
    Ok("is set".to_owned())
}

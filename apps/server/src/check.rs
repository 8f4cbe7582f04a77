//! `securecall-server check`: whether the server would run, and be of use. It changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use securecall_daemon::check::{Findings, clock_is_set, for_owner_only};
use securecall_daemon::{Failure, FailureKind, Output, unix_time};

use crate::cli::Cli;
use crate::config::{Config, DatabaseLocation, read_secret};
use crate::homeserver::Homeserver;
use crate::issuer::Issuer;
use crate::published;
use crate::relay_directory::RelayDirectory;
use crate::repository::Repository;
use crate::server::database_failure;
use crate::turn::Turn;

mod service;

/// Looks at all, tells of all, and fails as the worst does.
pub(crate) async fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let (config, mut findings) = Findings::of_settings(Config::load(&cli.global.config), output)?;
    findings.add("secrets", secrets(&config));
    let settings = &cli.global.config;
    if let Ok(written) = Config::load_as_written(settings)
        && let Some(told) = service::check(settings, &files_of_service(&written))
    {
        findings.add("service", told);
    }
    findings.add("database", database(&config).await);
    findings.add("homeserver", homeserver(&config).await);
    findings.add("published", published::check(&config).await);
    findings.add("clock", clock_is_set());
    findings.add("doctor", for_doctor(&config));
    if let Some(issuer) = &config.issuer {
        let loaded = Issuer::load(issuer);
        findings.add("issuer", loaded.and_then(|issuer| sells(&issuer)));
    }
    if let Some(directory) = config.directory {
        let bytes = RelayDirectory::new(directory).bytes(unix_time());
        let told = bytes.map(|_| "is signed and valid".to_owned());
        findings.add("directory", told);
    }
    if let Some(turn) = config.turn {
        let told = Turn::load(turn).map(|_| "credentials can be made".to_owned());
        findings.add("turn", told);
    }
    if let Some(page) = &config.page {
        findings.add("page", readable(page));
    }
    findings.conclude(output)
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

/// What the service reads while it runs.
fn files_of_service(config: &Config) -> Vec<PathBuf> {
    let issuer_keys = config.issuer.iter().flat_map(|issuer| &issuer.keys);
    let mut files = vec![
        config.secret_file.clone(),
        config.homeserver.registration_secret_file.clone(),
    ];
    files.extend(config.turn.as_ref().map(|turn| turn.secret_file.clone()));
    files.extend(issuer_keys.map(|key| key.file.clone()));
    files.extend(config.directory.as_ref().map(|it| it.file.clone()));
    files.extend(config.page.clone());
    files
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
    if issuer.is_selling(unix_time()) {
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

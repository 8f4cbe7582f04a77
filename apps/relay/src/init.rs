//! `securecall-relay init`: settings, certificate and key, where there are none yet.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use securecall_daemon::{Failure, Output, file};
use securecall_ghostnet::HostName;
use serde_json::json;

use crate::cli::{Cli, Init};
use crate::tls::{Identity, SelfSigned};

/// The settings, each explained. What `init` fills in stands between angle brackets.
const TEMPLATE: &str = include_str!("../relay.toml");

/// Writes what is missing, and never over what is there.
pub(crate) fn run(cli: &Cli, init: &Init, output: Output) -> Result<(), Failure> {
    if HostName::parse(&init.name).is_err() {
        return Err(
            Failure::usage(format!("{:?} is not the name of a host", init.name))
                .help("such as relay.example.org, in lower case"),
        );
    }
    if cli.global.config.is_dir() {
        return Err(Failure::usage(format!(
            "{} is a folder; the settings are a file",
            cli.global.config.display()
        ))
        .help(format!(
            "--config {}",
            cli.global.config.join("relay.toml").display()
        )));
    }
    let folder = match cli.global.config.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| {
            Failure::machine(format!(
                "the folder {} cannot be made: {error}",
                folder.display()
            ))
        })?;
    let certificate = folder.join("cert.pem");
    let key = folder.join("key.pem");
    let has_identity = certificate.exists();
    if has_identity != key.exists() {
        // Half of a pair is somebody's, and is kept.
        return Err(Failure::usage(format!(
            "of {} and {} one is there and one is not",
            certificate.display(),
            key.display()
        ))
        .help(
            "put the other one back; or remove this one, and a new pair is made, with another pin",
        ));
    }
    let settings = TEMPLATE
        .replace("<role>", init.role.word())
        .replace("<name>", &init.name);
    let wrote_settings = file::write_new(&cli.global.config, settings.as_bytes())?;
    if !has_identity {
        let made = SelfSigned::generate(&init.name)
            .map_err(|error| Failure::machine(format!("no certificate was made: {error}")))?;
        file::write_new(&key, made.key.as_bytes())?;
        file::write_new(&certificate, made.certificate.as_bytes()).inspect_err(|_| {
            // It would be in the way the next time.
            let _ = fs::remove_file(&key);
        })?;
    }
    let pin = Identity::load(&certificate, &key)?.pin();
    let wrote: Vec<String> = [
        (wrote_settings, &cli.global.config),
        (!has_identity, &certificate),
        (!has_identity, &key),
    ]
    .into_iter()
    .filter(|(wrote, _)| *wrote)
    .map(|(_, path)| path.display().to_string())
    .collect();
    let told = if wrote.is_empty() {
        "Everything was there already; nothing was changed.".to_owned()
    } else {
        format!("Wrote {}.", wrote.join(", "))
    };
    output.result(
        &json!({ "type": "initialized", "wrote": wrote, "pin": pin }),
        &format!(
            "{told}\nPin of the certificate, for the directory: {}\nNext: read {config}, then `securecall-relay check --config {config}`.",
            pin.as_deref().unwrap_or("none"),
            config = cli.global.config.display()
        ),
    );
    Ok(())
}

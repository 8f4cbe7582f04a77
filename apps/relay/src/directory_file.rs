//! The relay directory, as a relay reads it, and the commands of whoever publishes one.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;

use securecall_daemon::file::{self, FOR_ALL};
use securecall_daemon::{Failure, FailureKind, Output, unix_time};
use securecall_ghostnet::directory::{
    Directory, DirectoryMark, DirectorySigningKey, MAX_DIRECTORY, Reach,
};
use securecall_ghostnet::token::AcceptedKey;
use securecall_ghostnet::{HostName, UnixTime};
use securecall_randomness::SystemRandomness;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{DirectoryCommand, SignDirectory};
use crate::config::{Config, DirectoryConfig};

/// More than a secret key of a directory takes.
const MAX_KEY: u64 = 4 * 1024;

/// What a relay takes from its directory.
pub(crate) struct ReadDirectory {
    /// Where exits listen.
    pub(crate) exits: HashSet<SocketAddr>,
    /// Whose tokens this relay takes.
    pub(crate) keys: Vec<AcceptedKey>,
    pub(crate) not_after: UnixTime,
    /// No older one is read after it.
    pub(crate) mark: DirectoryMark,
    /// Whether this relay is in it.
    pub(crate) lists_us: bool,
}

impl ReadDirectory {
    pub(crate) fn load(
        config: &Config,
        directory: &DirectoryConfig,
        last: Option<&DirectoryMark>,
    ) -> Result<Self, Failure> {
        let failed =
            |error: &dyn std::fmt::Display| format!("{}: {error}", directory.file.display());
        let bytes = read(&directory.file).map_err(|failure| {
            failure.help(
                "fetch the list from whoever publishes it, or name another file: `directory.file`",
            )
        })?;
        let reach = reach(config.lab);
        let now = unix_time();
        let (read, mark) = Directory::read(&bytes, &directory.keys, last, reach, now)
            .map_err(|error| {
                Failure::new(FailureKind::Security, failed(&error)).help(
                    "fetch the list anew from whoever publishes it; `directory.keys` says whose signature counts",
                )
            })?;
        let name = HostName::parse(&config.name)
            .map_err(|error| Failure::usage(format!("`name`: {error}")))?;
        let us = read.relay(&name);
        let exits = read.relays.iter().filter(|relay| relay.role.is_exit());
        Ok(Self {
            exits: exits
                // Nobody has both of a tunnel here.
                .filter(|relay| relay.name != name)
                .flat_map(|relay| relay.addresses.iter().copied())
                .collect(),
            keys: us
                .map(|us| read.keys_of(us).cloned().collect())
                .unwrap_or_default(),
            not_after: read.validity.not_after(),
            mark,
            lists_us: us.is_some(),
        })
    }
}

fn reach(lab: bool) -> Reach {
    if lab { Reach::Lab } else { Reach::Internet }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    file::read(path, MAX_DIRECTORY as u64)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// `securecall-relay directory`.
pub(crate) fn run(command: &DirectoryCommand, output: Output) -> Result<(), Failure> {
    match command {
        DirectoryCommand::Key { key } => make_key(key, output),
        DirectoryCommand::Sign(options) => sign(options, output),
    }
}

fn make_key(path: &Path, output: Output) -> Result<(), Failure> {
    if !path.exists() {
        let key = DirectorySigningKey::generate(&mut SystemRandomness);
        file::write_new(path, format!("{}\n", key.to_base64().as_str()).as_bytes())?;
    }
    let public = signing_key(path)?.public();
    output.result(
        &json!({ "type": "directory_key", "public": public.to_string() }),
        &format!("Public key of the directory: {public}"),
    );
    Ok(())
}

fn signing_key(path: &Path) -> Result<DirectorySigningKey, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: {error}", path.display()))
            .help("the secret key is the file that `securecall-relay directory key` has made")
    };
    let text = file::read_text(path, MAX_KEY).map_err(|error| failed(&error))?;
    DirectorySigningKey::from_base64(&text).map_err(|error| failed(&error))
}

fn sign(options: &SignDirectory, output: Output) -> Result<(), Failure> {
    if !options.key.exists() {
        let shown = options.key.display();
        return Err(
            Failure::usage(format!("{shown}: there is no such file")).help(format!(
                "make the key once: securecall-relay directory key --key {shown}"
            )),
        );
    }
    let key = signing_key(&options.key)?;
    let payload = read(&options.payload).map_err(|failure| {
        failure.help("it is JSON that says which relays there are: docs/protocol/relay-directory.md has one to begin with")
    })?;
    let signed = Directory::sign(&payload, &key, reach(options.lab)).map_err(|error| {
        Failure::usage(format!("{}: {error}", options.payload.display()))
            .help("docs/protocol/relay-directory.md says what may stand there; nothing was signed")
    })?;
    // Whoever fetches it meanwhile gets the old one or the new one, never half of one.
    file::replace(&options.out, &signed, FOR_ALL)
        .map_err(|error| Failure::machine(format!("{}: {error}", options.out.display())))?;
    output.result(
        &json!({ "type": "directory_signed", "key": key.public().to_string() }),
        &format!("Signed {}.", options.out.display()),
    );
    Ok(())
}

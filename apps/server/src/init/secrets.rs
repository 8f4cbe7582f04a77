//! Secrets of this place: made once, in files of their own, and never changed.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};
use securecall_daemon::{Failure, file};
use securecall_randomness::fill_random;
use zeroize::Zeroizing;

use super::folder::Folder;

/// More than any of them takes.
const MAX_SECRET: u64 = 4 * 1024;

/// What stands in files of others as well. What only its own file holds is not here.
pub(super) struct Secrets {
    pub(super) registration: Zeroizing<String>,
    pub(super) turn: Zeroizing<String>,
    pub(super) homeserver_database: Zeroizing<String>,
    pub(super) server_database: Zeroizing<String>,
}

impl Secrets {
    pub(super) fn find_or_make(folder: &Folder) -> Result<Self, Failure> {
        // The server's own; Synapse's, for its tokens and its forms.
        for name in ["secret", "macaroon_secret", "form_secret"] {
            find_or_make(folder, name, random_word)?;
        }
        // With which the homeserver signs: whoever has it is this homeserver to all others. One for each kind.
        find_or_make(folder, "signing.key", synapse_key)?;
        find_or_make(folder, "signing.pem", dendrite_key)?;
        Ok(Self {
            registration: find_or_make(folder, "registration_secret", random_word)?,
            turn: find_or_make(folder, "turn_secret", random_word)?,
            homeserver_database: find_or_make(folder, "homeserver_database_password", random_word)?,
            server_database: find_or_make(folder, "server_database_password", random_word)?,
        })
    }
}

fn find_or_make(
    folder: &Folder,
    name: &str,
    make: fn() -> Result<Zeroizing<String>, Failure>,
) -> Result<Zeroizing<String>, Failure> {
    let path = folder.path(name);
    if !path.exists() {
        file::write_new(&path, make()?.as_bytes())?;
    }
    let text = file::read_text(&path, MAX_SECRET)
        .map_err(|error| Failure::machine(format!("{}: {error}", path.display())))?;
    let text = Zeroizing::new(text.trim().to_owned());
    // It stands between quotation marks, in SQL, and behind an equals sign.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_secret = text.len() >= 32 && text.chars().all(plain);
    if !is_secret && !name.starts_with("signing.") {
        return Err(Failure::usage(format!(
            "{}: a secret has at least 32 letters, digits, - and _",
            path.display()
        ))
        .help("remove the file, and a new secret is made; then restart what shares it"));
    }
    Ok(text)
}

fn random() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill_random(bytes.as_mut()).map_err(Failure::machine)?;
    Ok(bytes)
}

fn random_word() -> Result<Zeroizing<String>, Failure> {
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(random()?.as_ref())))
}

/// As Synapse keeps it: algorithm, name, seed.
fn synapse_key() -> Result<Zeroizing<String>, Failure> {
    let seed = Zeroizing::new(BASE64_NOPAD.encode(random()?.as_ref()));
    Ok(Zeroizing::new(format!(
        "ed25519 a_{} {}\n",
        key_name()?,
        *seed
    )))
}

/// As Dendrite keeps it.
fn dendrite_key() -> Result<Zeroizing<String>, Failure> {
    let seed = Zeroizing::new(BASE64.encode(random()?.as_ref()));
    Ok(Zeroizing::new(format!(
        "-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:{}\n\n{}\n-----END MATRIX PRIVATE KEY-----\n",
        key_name()?,
        *seed
    )))
}

fn key_name() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    fill_random(&mut bytes).map_err(Failure::machine)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn secrets_are_made_once_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::of_settings(&directory.path().join("server.toml")).unwrap();
        let first = Secrets::find_or_make(&folder).unwrap();
        let again = Secrets::find_or_make(&folder).unwrap();
        assert_eq!(first.turn, again.turn);
        assert_ne!(first.turn, first.registration);
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn a_secret_that_would_break_out_of_its_quotes_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::of_settings(&directory.path().join("server.toml")).unwrap();
        let write =
            |text: &str| fs::write(Path::new(directory.path()).join("turn_secret"), text).unwrap();
        for text in ["short", "0123456789012345678901234567890'; DROP", ""] {
            write(text);
            assert!(Secrets::find_or_make(&folder).is_err(), "{text}");
        }
        write("01234567890123456789012345678901\n");
        assert!(Secrets::find_or_make(&folder).is_ok());
    }
}

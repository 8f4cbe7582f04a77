//! The passphrase of the profile, as the command gets it: a file that is named, the environment, the terminal.

use std::env;
use std::fmt;
use std::fs::File;
use std::path::Path;

use securecall_profile::Passphrases;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Failure};
use crate::prompt;
use crate::secret_input;

/// The variable with the passphrase.
pub(crate) const PASSPHRASE: &str = "SECURECALL_PASSPHRASE";
/// The variable that names a file with it.
pub(crate) const PASSPHRASE_FILE: &str = "SECURECALL_PASSPHRASE_FILE";

/// Environment before terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GivenOrTyped;

impl Passphrases for GivenOrTyped {
    type Error = Failure;

    fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()) {
            let text = passphrase_file(Path::new(&path))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            return non_empty(PASSPHRASE_FILE, line.strip_suffix('\r').unwrap_or(line)).map(Some);
        }
        match env::var(PASSPHRASE) {
            Ok(text) => non_empty(PASSPHRASE, &Zeroizing::new(text)).map(Some),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(Failure::new(
                ErrorKind::InvalidConfig,
                format!("{PASSPHRASE} is not valid Unicode"),
            )),
        }
    }

    fn ask(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        prompt::can_ask()
            .then(|| prompt::hidden("Passphrase of the profile"))
            .transpose()
    }

    fn ask_for_new(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if !prompt::can_ask() {
            return Ok(None);
        }
        let first = prompt::hidden("Passphrase for the new profile")?;
        if first.is_empty() {
            return Err(Failure::new(
                ErrorKind::NoKey,
                "an empty passphrase protects nothing: nothing was written",
            ));
        }
        if *prompt::hidden("The same again")? != *first {
            return Err(Failure::new(
                ErrorKind::NoKey,
                "the two passphrases differ: nothing was written",
            ));
        }
        Ok(Some(first))
    }
}

fn passphrase_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |why: &dyn fmt::Display| {
        Failure::new(
            ErrorKind::InvalidFile,
            format!("{PASSPHRASE_FILE}: {}: {why}", path.display()),
        )
        .help("name a file that holds the passphrase and nothing else; or leave the variable out, and the keyring or a question gives it")
    };
    let text = File::open(path)
        .and_then(secret_input::read_text_to_end)
        .map_err(|error| failed(&error))?;
    text.ok_or_else(|| failed(&"too long for a passphrase"))
}

fn non_empty(name: &str, passphrase: &str) -> Result<Zeroizing<String>, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new(
            ErrorKind::InvalidConfig,
            format!("{name} gives an empty passphrase"),
        )
        .help(
            "give one there, or leave the variable out, and the keyring or a question gives it",
        ));
    }
    Ok(Zeroizing::new(passphrase.to_owned()))
}

#[cfg(test)]
mod tests {
    use securecall_freed_memory::copies_left_by;

    use super::*;

    const LONG: &str = "caf\u{e9} au lait, caf\u{e9} cr\u{e8}me, caf\u{e9} noisette";

    #[test]
    fn a_passphrase_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, LONG.repeat(100)).unwrap();
        let secrets: [[u8; 32]; 1] = [LONG.as_bytes()[..32].try_into().unwrap()];
        let left = copies_left_by(&secrets, || {
            let text = passphrase_file(&path).unwrap();
            drop(non_empty("name", &text).unwrap());
        });
        assert_eq!(left, 0);
    }
}

//! Where contacts come from: addresses, texts that hold some, pictures, standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use securecall_contact::{Address, AddressError, find_addresses};
use securecall_contact_qr::{MAX_FILE_BYTES, PictureContacts, read_contacts};

use crate::error::{ErrorKind, Failure};
use crate::output::Output;

/// The longest text that is searched for contacts, in bytes: a long chat message, not a library.
const MAX_TEXT: usize = 1024 * 1024;
/// Endings of names that somebody means a picture by.
const PICTURE_ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".webp", ".gif"];

/// The contacts that all these hold, each once: addresses, texts, names of picture files, `-` for standard input.
///
/// # Errors
///
/// The first one that holds none, or a damaged one.
pub(crate) fn addresses(what: &[OsString], output: Output) -> Result<Vec<Address>, Failure> {
    let mut all: Vec<Address> = Vec::new();
    for argument in what {
        let found = match argument.to_str() {
            Some("-") => in_standard_input(output)?,
            Some(argument) => in_argument(argument)?,
            // What is no text can be the name of a file only.
            None => picture(Path::new(argument))?.into(),
        };
        for fault in &found.damaged {
            output.note(&format!(
                "note: another QR code in the picture should be a contact and is not: {fault}"
            ));
        }
        for address in found.contacts {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    Ok(all)
}

/// What one source holds.
struct Found {
    contacts: Vec<Address>,
    /// What is wrong with codes of a picture that should be contacts.
    damaged: Vec<AddressError>,
}

impl From<Vec<Address>> for Found {
    fn from(contacts: Vec<Address>) -> Self {
        Self {
            contacts,
            damaged: Vec::new(),
        }
    }
}

impl From<PictureContacts> for Found {
    fn from(found: PictureContacts) -> Self {
        Self {
            contacts: found.contacts,
            damaged: found.faults,
        }
    }
}

fn in_argument(argument: &str) -> Result<Found, Failure> {
    let wrong = match argument.parse::<Address>() {
        Ok(address) => return Ok(vec![address].into()),
        Err(wrong) => wrong,
    };
    let trimmed = argument.trim();
    let path = Path::new(trimmed);
    if is_picture_name(trimmed) || (!trimmed.contains("://") && path.is_file()) {
        return Ok(picture(path)?.into());
    }
    if !trimmed.contains(char::is_whitespace)
        && find_addresses(trimmed).is_ok_and(|found| found.is_empty())
    {
        return Err(wrong.into());
    }
    Ok(in_text(argument)?.into())
}

/// The contacts in what was typed, pasted or dropped on a screen, where no shell reads the names of files.
///
/// # Errors
///
/// As [`addresses`].
pub(crate) fn in_pasted(text: &str) -> Result<Vec<Address>, Failure> {
    match named_picture(text) {
        Some(path) => in_picture(&path),
        None => Ok(in_argument(text)?.contacts),
    }
}

/// The picture that a text names, as a shell would read it: with quotation marks, `\ ` or `~/`.
pub(crate) fn named_picture(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    if text.contains('\n') || text.contains("://") {
        return None;
    }
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark));
    let name = unquoted.map_or_else(|| text.replace("\\ ", " "), str::to_owned);
    let path = match (name.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(&name),
    };
    (is_picture_name(&name) || path.is_file()).then_some(path)
}

/// The contacts in the QR codes of a picture.
///
/// # Errors
///
/// The file cannot be read, is no picture, or holds no contact.
pub(crate) fn in_picture(path: &Path) -> Result<Vec<Address>, Failure> {
    Ok(picture(path)?.contacts)
}

fn picture(path: &Path) -> Result<PictureContacts, Failure> {
    let bytes = read(path)?;
    read_contacts(&bytes).map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            message: format!("{}: {}", path.display(), failure.message).into(),
            ..failure
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(
            ErrorKind::InvalidFile,
            format!("{} cannot be read: {error}", path.display()),
        )
        .help("name a PNG, JPEG or WebP picture with a QR code in it, a contact link or an ID")
    };
    if path.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn in_standard_input(output: Output) -> Result<Found, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output.note("Paste the message, then press Ctrl-D on a line of its own:");
    }
    let mut bytes = Vec::new();
    // A picture may come this way, too.
    stdin
        .lock()
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::new(
                ErrorKind::InvalidFile,
                format!("standard input cannot be read: {error}"),
            )
        })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(in_text(text)?.into()),
        Err(_) => Ok(read_contacts(&bytes)?.into()),
    }
}

fn in_text(text: &str) -> Result<Vec<Address>, Failure> {
    if text.len() > MAX_TEXT {
        return Err(Failure::new(
            ErrorKind::InvalidLink,
            format!(
                "this text is too long to look for contacts: {} bytes, at most {MAX_TEXT}",
                text.len()
            ),
        )
        .help("give the message alone that holds the contact link"));
    }
    let found = find_addresses(text)?;
    if found.is_empty() {
        let message = "there is no contact link, SecureCall ID or Matrix ID in this text";
        return Err(Failure::new(ErrorKind::InvalidLink, message)
            .help("a contact link looks like securecall://contact/…"));
    }
    Ok(found)
}

fn is_picture_name(text: &str) -> bool {
    let lower = text.to_lowercase();
    !text.contains("://") && PICTURE_ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_picture_is_read_as_a_shell_reads_it() {
        let named = |text: &str| {
            let path = named_picture(text)?;
            path.to_str().map(str::to_owned)
        };
        for text in [
            "'/tmp/my code.png'",
            "\"/tmp/my code.png\"",
            "/tmp/my\\ code.png ",
            "/tmp/my code.png\n",
        ] {
            assert_eq!(named(text).as_deref(), Some("/tmp/my code.png"), "{text}");
        }
        assert!(named("~/code.webp").is_some_and(|path| !path.starts_with('~')));
        for text in [
            "hello",
            "https://example.org/code.png",
            "see\ncode.png",
            "'",
            "",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}

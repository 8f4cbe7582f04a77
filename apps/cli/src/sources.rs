//! Where contacts come from: addresses, texts that hold some, pictures, standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use securecall_contact::{Address, AddressError, Doubt, FoundAddress, find_addresses};
use securecall_contact_qr::{MAX_FILE_BYTES, PictureContacts, is_picture, read_contacts};

use crate::error::{ErrorKind, Failure};
use crate::output::Output;
use crate::text_encoding;

/// The longest text that is searched for contacts, in bytes: a long chat message, not a library.
const MAX_TEXT: usize = 1024 * 1024;
/// Endings of names that somebody means a picture by.
const PICTURE_ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".webp", ".gif"];
/// Endings of names that somebody means another file by.
const FILE_ENDINGS: [&str; 10] = [
    ".txt", ".text", ".md", ".eml", ".htm", ".html", ".heic", ".pdf", ".svg", ".bmp",
];

/// The contacts that all these hold, each once: addresses, texts, names of picture files, `-` for standard input.
///
/// # Errors
///
/// The first one that holds none, or a damaged one.
pub(crate) fn addresses(what: &[OsString], output: Output) -> Result<Vec<FoundAddress>, Failure> {
    let mut all: Vec<FoundAddress> = Vec::new();
    for argument in what {
        let found = match argument.to_str() {
            Some("-") => in_standard_input(output)?,
            Some(argument) => in_argument(argument)?,
            // What is no text can be the name of a file only.
            None => in_file(Path::new(argument))?,
        };
        for fault in &found.damaged {
            output.note(&format!(
                "note: another QR code in the picture should be a contact and is not: {fault}"
            ));
        }
        for contact in found.contacts {
            if !all.iter().any(|known| known.address == contact.address) {
                all.push(contact);
            }
        }
    }
    Ok(all)
}

/// What one source holds.
struct Found {
    contacts: Vec<FoundAddress>,
    /// What is wrong with codes of a picture that should be contacts.
    damaged: Vec<AddressError>,
}

impl From<Vec<FoundAddress>> for Found {
    fn from(contacts: Vec<FoundAddress>) -> Self {
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
        // A link by itself may have come out of a mail, too.
        Ok(_) if argument.contains("=3D") => return Ok(in_text(argument)?.into()),
        Ok(address) => {
            let doubts = Vec::new();
            return Ok(vec![FoundAddress { address, doubts }].into());
        }
        Err(wrong) => wrong,
    };
    let trimmed = argument.trim();
    let path = Path::new(trimmed);
    if is_picture_name(trimmed) {
        return Ok(picture(path)?.into());
    }
    if !trimmed.contains("://") && (path.exists() || is_file_name(trimmed)) {
        return in_file(path);
    }
    // A link of another kind is no contact link, whatever it holds.
    let is_another_link =
        |found: &FoundAddress| trimmed.contains("://") && found.doubts.contains(&Doubt::NoScheme);
    if !trimmed.contains(char::is_whitespace)
        && find_addresses(trimmed).is_ok_and(|found| found.iter().all(is_another_link))
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
pub(crate) fn in_pasted(text: &str) -> Result<Vec<FoundAddress>, Failure> {
    match named_picture(text) {
        Some(path) if !is_picture_name(&path.to_string_lossy()) => Ok(in_file(&path)?.contacts),
        Some(path) => Ok(picture(&path)?.contacts),
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
    let found = picture(path)?.contacts.into_iter();
    Ok(found.map(|contact| contact.address).collect())
}

fn picture(path: &Path) -> Result<PictureContacts, Failure> {
    in_picture_bytes(&read(path)?, &path.display().to_string())
}

fn in_picture_bytes(bytes: &[u8], name: &str) -> Result<PictureContacts, Failure> {
    read_contacts(bytes).map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            message: format!("{name}: {}", failure.message).into(),
            ..failure
        }
    })
}

fn in_file(path: &Path) -> Result<Found, Failure> {
    in_bytes(&read(path)?, &path.display().to_string())
}

/// A picture, or a text in whatever encoding.
fn in_bytes(bytes: &[u8], name: &str) -> Result<Found, Failure> {
    if bytes.len() <= MAX_FILE_BYTES && !is_picture(bytes) {
        match text_encoding::decode(bytes) {
            Ok(text) => return Ok(in_text(&text)?.into()),
            Err(text_encoding::Unreadable::Encoding(encoding)) => {
                let message = format!("{name}: this text is in {encoding}, which is not read");
                return Err(Failure::new(ErrorKind::InvalidFile, message)
                    .help("save it as UTF-8, or copy the contact link out of it"));
            }
            // Pictures of another kind are named.
            Err(text_encoding::Unreadable::NoText) => {}
        }
    }
    Ok(in_picture_bytes(bytes, name)?.into())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let unreadable = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {name}"),
            io::ErrorKind::IsADirectory => format!("{name} is a directory, not a file"),
            io::ErrorKind::PermissionDenied => format!("{name} may not be read by you"),
            _ => format!("{name} cannot be read: {error}"),
        };
        let help = match error.kind() {
            io::ErrorKind::NotFound => "check the name, and the directory you are in",
            _ => {
                "name a PNG, JPEG or WebP picture with a QR code in it, a text, a contact link or an ID"
            }
        };
        Failure::new(ErrorKind::InvalidFile, message).help(help)
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
    in_bytes(&bytes, "standard input")
}

fn in_text(text: &str) -> Result<Vec<FoundAddress>, Failure> {
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

/// Whether a text that is no address was meant for the name of a file: most often of one that is not there.
fn is_file_name(text: &str) -> bool {
    let lower = text.to_lowercase();
    let has_directory =
        text.starts_with(['/', '~']) || text.starts_with("./") || text.starts_with("../");
    !text.contains(char::is_whitespace)
        && (has_directory || FILE_ENDINGS.iter().any(|ending| lower.ends_with(ending)))
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

//! Where contacts come from: addresses, texts that hold some, pictures.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use securecall_contact::{Address, AddressError, Doubt, FoundAddress, find_addresses};
use securecall_contact_qr::{
    MAX_FILE_BYTES, PictureContacts, PictureError, is_picture, read_contacts,
};

use crate::text_encoding;

/// The longest text that is searched for contacts, in bytes: a long chat message, not a library.
const MAX_TEXT: usize = 1024 * 1024;
/// Endings of names that somebody means a picture by.
const PICTURE_ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".webp", ".gif"];
/// Endings of names that somebody means another file by.
const FILE_ENDINGS: [&str; 10] = [
    ".txt", ".text", ".md", ".eml", ".htm", ".html", ".heic", ".pdf", ".svg", ".bmp",
];

/// A source holds no contacts.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It should be an address, and is none; or it holds too many.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A picture without a contact, or something that is neither text nor picture.
    #[error("{name}: {error}")]
    Picture {
        /// The file's name.
        name: String,
        /// What is wrong with it.
        error: PictureError,
    },
    /// A file cannot be read.
    #[error("{}", unreadable(name, error))]
    File {
        /// Its name.
        name: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// A text whose encoding is known and not read.
    #[error("{name}: this text is in {encoding}, which is not read")]
    Encoding {
        /// The file's name.
        name: String,
        /// The name of the encoding.
        encoding: &'static str,
    },
    /// A text that nobody has meant to be searched.
    #[error("this text is too long to look for contacts: {bytes} bytes, at most {MAX_TEXT}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A text without a contact.
    #[error("there is no contact link, SecureCall ID or Matrix ID in this text")]
    Nothing,
}

/// What one source holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The contacts, each with what is not certain about it.
    pub contacts: Vec<FoundAddress>,
    /// What is wrong with codes of a picture that should be contacts.
    pub damaged: Vec<AddressError>,
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

/// The contacts in an argument, in which a shell has read the names of files already.
///
/// # Errors
///
/// It holds none, or a damaged one; or it names a file that does, or cannot be read.
pub fn in_argument(argument: &str) -> Result<Found, SourceError> {
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
/// As [`in_argument`].
pub fn in_pasted(text: &str) -> Result<Vec<FoundAddress>, SourceError> {
    match named_picture(text) {
        Some(path) if !is_picture_name(&path.to_string_lossy()) => Ok(in_file(&path)?.contacts),
        Some(path) => Ok(picture(&path)?.contacts),
        None => Ok(in_argument(text)?.contacts),
    }
}

/// The picture that a text names, as a shell would read it: with quotation marks, `\ ` or `~/`.
pub fn named_picture(text: &str) -> Option<PathBuf> {
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
pub fn in_picture(path: &Path) -> Result<Vec<Address>, SourceError> {
    let found = picture(path)?.contacts.into_iter();
    Ok(found.map(|contact| contact.address).collect())
}

fn picture(path: &Path) -> Result<PictureContacts, SourceError> {
    in_picture_bytes(&read(path)?, &path.display().to_string())
}

fn in_picture_bytes(bytes: &[u8], name: &str) -> Result<PictureContacts, SourceError> {
    read_contacts(bytes).map_err(|error| SourceError::Picture {
        name: name.to_owned(),
        error,
    })
}

/// The contacts in a file: a picture, or a text in whatever encoding.
///
/// # Errors
///
/// It cannot be read, or holds none.
pub fn in_file(path: &Path) -> Result<Found, SourceError> {
    in_bytes(&read(path)?, &path.display().to_string())
}

/// The contacts in what was read from somewhere that is called `name`: a picture, or a text in whatever encoding.
///
/// # Errors
///
/// It holds none.
pub fn in_bytes(bytes: &[u8], name: &str) -> Result<Found, SourceError> {
    if bytes.len() <= MAX_FILE_BYTES && !is_picture(bytes) {
        match text_encoding::decode(bytes) {
            Ok(text) => return Ok(in_text(&text)?.into()),
            Err(text_encoding::Unreadable::Encoding(encoding)) => {
                return Err(SourceError::Encoding {
                    name: name.to_owned(),
                    encoding,
                });
            }
            // Pictures of another kind are named.
            Err(text_encoding::Unreadable::NoText) => {}
        }
    }
    Ok(in_picture_bytes(bytes, name)?.into())
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let failed = |error: io::Error| SourceError::File {
        name: path.display().to_string(),
        error,
    };
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

/// What people call it.
fn unreadable(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {name}"),
        io::ErrorKind::IsADirectory => format!("{name} is a directory, not a file"),
        io::ErrorKind::PermissionDenied => format!("{name} may not be read by you"),
        _ => format!("{name} cannot be read: {error}"),
    }
}

fn in_text(text: &str) -> Result<Vec<FoundAddress>, SourceError> {
    if text.len() > MAX_TEXT {
        return Err(SourceError::TooLong { bytes: text.len() });
    }
    let found = find_addresses(text)?;
    if found.is_empty() {
        return Err(SourceError::Nothing);
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

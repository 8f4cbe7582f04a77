//! What is wrong with a text, a file or a picture that should hold contacts, told to a person.

use std::io;

use securecall_profile::sources::SourceError;
use securecall_profile::{PastedError, ProofError};

use super::{ErrorKind, Failure};

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        match error {
            SourceError::Address(error) => error.into(),
            SourceError::Picture { name, error } => {
                let failure = Self::from(error);
                Self {
                    message: format!("{name}: {}", failure.message).into(),
                    ..failure
                }
            }
            SourceError::File { error, .. } => Self::new(ErrorKind::InvalidFile, message).help(match error.kind() {
                io::ErrorKind::NotFound => "check the name, and the directory you are in",
                _ => "name a PNG, JPEG or WebP picture with a QR code in it, a text, a contact link or an ID",
            }),
            SourceError::Encoding { .. } => Self::new(ErrorKind::InvalidFile, message)
                .help("save it as UTF-8, or copy the contact link out of it"),
            SourceError::TooLong { .. } => Self::new(ErrorKind::InvalidLink, message)
                .help("give the message alone that holds the contact link"),
            SourceError::Nothing => Self::new(ErrorKind::InvalidLink, message)
                .help("a contact link looks like securecall://contact/…"),
        }
    }
}

impl From<PastedError> for Failure {
    fn from(error: PastedError) -> Self {
        match error {
            PastedError::Neither(error) => Self::from(error).help(
                "give the whole ID as they read it, or the name of a picture of their QR code",
            ),
            PastedError::Source(error) => error.into(),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let message = error.to_string();
        match error {
            ProofError::NoKey { .. } => Self::new(ErrorKind::InvalidPicture, message)
                .help("it holds a Matrix ID alone; ask for the QR code of `securecall contact share --qr`"),
            ProofError::Verify(error) => error.into(),
        }
    }
}

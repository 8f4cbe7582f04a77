//! What a contact is verified by.

use std::path::{Path, PathBuf};

use securecall_contact::{Address, SecureCallId, SecureCallIdError};

use crate::contact_book::{self, VerifyError};
use crate::content::Contact;
use crate::sources::{self, SourceError};

/// A text is nothing that verifies a contact.
#[derive(Debug, thiserror::Error)]
pub enum PastedError {
    /// It is neither an ID nor the name of a picture.
    #[error("this is not a SecureCall ID: {0}")]
    Neither(SecureCallIdError),
    /// It names a picture that shows none.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A contact is not verified by a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The picture shows accounts alone.
    #[error("{}: there is no key in the QR code", path.display())]
    NoKey {
        /// The picture.
        path: PathBuf,
    },
    /// It is another key, or there is nothing to compare.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// The other person's key, by a way that no server controls.
#[derive(Debug)]
pub enum Proof {
    /// Read aloud.
    Id(SecureCallId),
    /// The QR codes of a picture.
    Picture(PathBuf, Vec<Address>),
}

impl Proof {
    /// An ID as somebody reads it aloud: in groups, in either case.
    ///
    /// # Errors
    ///
    /// It is no SecureCall ID.
    pub fn typed(text: &str) -> Result<Self, SecureCallIdError> {
        let joined: String = text
            .chars()
            .filter(|character| !character.is_whitespace() && !matches!(character, '-' | '·'))
            .collect();
        // A dash is a character of the older form.
        let plain = text.trim();
        // As an address, what draws nothing in it does not count.
        if let Ok(Address::Id(id)) = plain.parse() {
            return Ok(Self::Id(id));
        }
        plain.parse().or_else(|_| joined.parse()).map(Self::Id)
    }

    /// A picture of the QR code that the other person shows.
    ///
    /// # Errors
    ///
    /// As [`sources::in_picture`].
    pub fn in_picture(path: &Path) -> Result<Self, SourceError> {
        Ok(Self::Picture(path.to_owned(), sources::in_picture(path)?))
    }

    /// Whatever of these was typed, pasted or dropped on a terminal.
    ///
    /// # Errors
    ///
    /// It is neither an ID nor the name of a picture with one.
    pub fn pasted(text: &str) -> Result<Self, PastedError> {
        match (Self::typed(text), sources::named_picture(text)) {
            (Ok(proof), _) => Ok(proof),
            (Err(_), Some(path)) => Ok(Self::in_picture(&path)?),
            (Err(error), None) => Err(PastedError::Neither(error)),
        }
    }

    /// Marks the contact at `index` as verified.
    ///
    /// # Errors
    ///
    /// This is another key, or the contact has none; then nothing is changed.
    pub fn verify(self, contacts: &mut [Contact], index: usize) -> Result<Contact, ProofError> {
        let contact = &contacts[index];
        contact_book::check_can_be_verified(contact)?;
        let proven = match self {
            Self::Id(id) => id,
            Self::Picture(path, found) => shown(&found, contact, &path)?,
        };
        contact_book::check_same_key(contact, &proven)?;
        Ok(contact_book::verify(contacts, index)?)
    }
}

/// The contact's own key if it is in the picture, else the first one that is.
fn shown(picture: &[Address], contact: &Contact, path: &Path) -> Result<SecureCallId, ProofError> {
    let mut keys = picture.iter().filter_map(Address::securecall_id);
    let first = keys.clone().next().copied();
    let first = first.ok_or_else(|| ProofError::NoKey {
        path: path.to_owned(),
    })?;
    Ok(keys
        .find(|key| contact.id == Some(**key))
        .copied()
        .unwrap_or(first))
}

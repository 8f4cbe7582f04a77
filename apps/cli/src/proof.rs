//! What a contact is verified by.

use std::path::{Path, PathBuf};

use securecall_contact::{Address, SecureCallId, SecureCallIdError};

use crate::contact_book;
use crate::error::{ErrorKind, Failure};
use crate::profile::Contact;
use crate::sources;

/// The other person's key, by a way that no server controls.
#[derive(Debug)]
pub(crate) enum Proof {
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
    pub(crate) fn typed(text: &str) -> Result<Self, Failure> {
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
        let id = plain
            .parse()
            .or_else(|_| joined.parse())
            .map_err(|error: SecureCallIdError| Failure::from(error))?;
        Ok(Self::Id(id))
    }

    /// A picture of the QR code that the other person shows.
    ///
    /// # Errors
    ///
    /// As [`sources::in_picture`].
    pub(crate) fn in_picture(path: &Path) -> Result<Self, Failure> {
        Ok(Self::Picture(path.to_owned(), sources::in_picture(path)?))
    }

    /// Whatever of these was typed, pasted or dropped on a terminal.
    ///
    /// # Errors
    ///
    /// It is neither an ID nor the name of a picture with one.
    pub(crate) fn pasted(text: &str) -> Result<Self, Failure> {
        let failure = match (Self::typed(text), sources::named_picture(text)) {
            (Ok(proof), _) => return Ok(proof),
            (Err(_), Some(path)) => return Self::in_picture(&path),
            (Err(failure), None) => failure,
        };
        Err(failure
            .help("give the whole ID as they read it, or the name of a picture of their QR code"))
    }

    /// Marks the contact at `index` as verified.
    ///
    /// # Errors
    ///
    /// This is another key, or the contact has none; then nothing is changed.
    pub(crate) fn verify(self, contacts: &mut [Contact], index: usize) -> Result<Contact, Failure> {
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
fn shown(picture: &[Address], contact: &Contact, path: &Path) -> Result<SecureCallId, Failure> {
    let mut keys = picture.iter().filter_map(Address::securecall_id);
    let first = keys.clone().next().copied().ok_or_else(|| {
        Failure::new(
            ErrorKind::InvalidPicture,
            format!("{}: there is no key in the QR code", path.display()),
        )
        .help("it holds a Matrix ID alone; ask for the QR code of `securecall contact share --qr`")
    })?;
    Ok(keys
        .find(|key| contact.id == Some(**key))
        .copied()
        .unwrap_or(first))
}

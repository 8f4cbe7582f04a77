//! What the contact book says, told to a person.

use securecall_profile::contact_book::{
    AddError, Finding, NameError, NameInUse, NameOfAnother, RenameError, Unasked, VerifyError,
};
use securecall_profile::who::{OtherKeyKnown, WhoError};

use super::{ErrorKind, Failure};

impl From<WhoError> for Failure {
    fn from(error: WhoError) -> Self {
        let message = error.to_string();
        match error {
            WhoError::Address(error) => error.into(),
            WhoError::Unknown(_) => Self::new(ErrorKind::UnknownContact, message)
                .help("`securecall contact list` shows them; give a SecureCall ID, a contact link or a Matrix ID for anybody else"),
            WhoError::OtherKey(error) => error.into(),
        }
    }
}

impl From<OtherKeyKnown> for Failure {
    fn from(error: OtherKeyKnown) -> Self {
        Self::new(ErrorKind::KeyMismatch, error.to_string()).help(format!(
            "ask {} on another way whether their key has changed; then `securecall contact remove`, and add the new link",
            error.name
        ))
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let failure = Self::new(ErrorKind::Usage, error.to_string());
        match error {
            NameError::Invisible => failure,
            NameError::NotShown { would_do } => failure.help(format!("this would do: {would_do}")),
            NameError::IsAddress => {
                failure.help("an address as a name could be mistaken for that address")
            }
        }
    }
}

impl From<NameInUse> for Failure {
    fn from(error: NameInUse) -> Self {
        Self::new(ErrorKind::NameInUse, error.to_string()).help(
            "give another name; if it is the same person with a new key, ask them on another way whether their key has \
             changed, and remove the old contact first",
        )
    }
}

impl From<NameOfAnother> for Failure {
    fn from(error: NameOfAnother) -> Self {
        let name = &error.name;
        Self::new(ErrorKind::KeyMismatch, error.to_string()).help(format!(
            "ask {name} on another way whether their key has changed. If it has: `securecall contact remove`, and add the new link. \
             If this is somebody else: give another name with --name"
        ))
    }
}

impl From<RenameError> for Failure {
    fn from(error: RenameError) -> Self {
        match error {
            RenameError::Name(error) => error.into(),
            RenameError::InUse(error) => error.into(),
        }
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        let message = error.to_string();
        match error {
            AddError::OwnAddress => {
                Self::new(ErrorKind::Usage, message).help("share it; add the other's")
            }
            AddError::OtherKey(error) => error.into(),
            AddError::TwoContacts { at_address, .. } => Self::new(ErrorKind::KeyMismatch, message).help(format!(
                "ask them on another way whether they are the same person. If they are: `securecall contact remove {}`, and add it again",
                at_address.matrix_id
            )),
            AddError::NameInUse(error) => error.into(),
            AddError::NameOfAnother(error) => error.into(),
            AddError::Unasked(error) => error.into(),
        }
    }
}

impl From<Unasked> for Failure {
    fn from(error: Unasked) -> Self {
        let failure = Self::new(ErrorKind::NeedsTerminal, error.to_string());
        match *error.0 {
            Finding::KeyForKeyless { contact, .. } => failure.help(format!(
                "ask them on another way whether this is their key; then add it at a terminal, or `securecall contact remove {}` \
                 first: no option allows it",
                contact.matrix_id
            )),
            _ => failure.help(
                "ask them on another way whether they have moved; then add it at a terminal, or with --change-address",
            ),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let message = error.to_string();
        match error {
            VerifyError::KeyUnknown { .. } => Self::new(ErrorKind::KeyUnknown, message)
                .help("ask for their SecureCall contact link, and add it with `securecall contact add`"),
            VerifyError::OtherKey { name, .. } => Self::new(ErrorKind::KeyMismatch, message).help(format!(
                "the contact stays unverified. One of the two links was changed on its way, or this is somebody else's: ask {name} in person"
            )),
        }
    }
}

//! Any form in which somebody's address may be given.

use std::str::FromStr;

use crate::{
    ContactLink, ContactLinkError, MatrixId, MatrixIdError, NameLabel, SecureCallId,
    SecureCallIdError, ServerName,
};

/// An address as a person gives it: a contact link, a Matrix ID or a SecureCall ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A contact link of either form.
    Link(ContactLink),
    /// A Matrix ID.
    MatrixId(MatrixId),
    /// A bare SecureCall ID.
    Id(SecureCallId),
}

impl Address {
    /// The key that the address holds; `None` for an ordinary Matrix account.
    #[must_use]
    pub fn securecall_id(&self) -> Option<&SecureCallId> {
        match self {
            Self::Link(link) => Some(link.id()),
            Self::MatrixId(matrix_id) => matrix_id.securecall_id(),
            Self::Id(id) => Some(id),
        }
    }

    /// The Matrix ID to call, on `default_domain` where the address names no server.
    #[must_use]
    pub fn matrix_id(&self, default_domain: &ServerName) -> MatrixId {
        match self {
            Self::Link(link) => link.matrix_id(default_domain),
            Self::MatrixId(matrix_id) => matrix_id.clone(),
            Self::Id(id) => MatrixId::of_securecall_id(id, default_domain),
        }
    }

    /// The name that the address suggests. Nobody vouches for it.
    #[must_use]
    pub fn name(&self) -> Option<&NameLabel> {
        match self {
            Self::Link(link) => link.name(),
            Self::MatrixId(_) | Self::Id(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// What holds `://` is read as a link, what starts with `@` as a Matrix ID, all else as a SecureCall ID.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.contains("://") {
            Ok(Self::Link(text.parse()?))
        } else if text.starts_with('@') {
            Ok(Self::MatrixId(text.parse()?))
        } else {
            Ok(Self::Id(text.parse()?))
        }
    }
}

/// What is wrong with a text that should be an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is a link, but not a contact's.
    #[error(transparent)]
    Link(#[from] ContactLinkError),
    /// It starts as a Matrix ID, but is none.
    #[error(transparent)]
    MatrixId(#[from] MatrixIdError),
    /// It is none of the others, and no SecureCall ID either.
    #[error(transparent)]
    Id(#[from] SecureCallIdError),
}

impl AddressError {
    /// The fault of the ID inside, whichever form it came in.
    #[must_use]
    pub fn id_error(&self) -> Option<&SecureCallIdError> {
        match self {
            Self::Id(error)
            | Self::MatrixId(MatrixIdError::SecureCallId(error))
            | Self::Link(
                ContactLinkError::Id(error)
                | ContactLinkError::MatrixId(MatrixIdError::SecureCallId(error)),
            ) => Some(error),
            Self::Link(_) | Self::MatrixId(_) => None,
        }
    }
}

/// The addresses in a text, such as a message that somebody pasted, in their order and each once.
///
/// A word counts if it looks like an address: a link with one of our schemes and paths, a Matrix ID, or 56 characters in
/// one piece. One that looks so and is wrong is an error, not skipped.
///
/// # Errors
///
/// The first word that looks like an address and is none.
pub fn find_addresses(text: &str) -> Result<Vec<Address>, AddressError> {
    let mut found: Vec<Address> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')'))
    {
        let word = word.trim_end_matches(['.', ',', ';', '!', ':']);
        if !looks_like_address(word) {
            continue;
        }
        let address: Address = word.parse()?;
        let known = found.iter().any(|other| same_contact(other, &address));
        if !known {
            found.push(address);
        }
    }
    Ok(found)
}

/// Whether two addresses in one text are the same contact in two forms, as in a share text.
fn same_contact(a: &Address, b: &Address) -> bool {
    match (a.securecall_id(), b.securecall_id()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn looks_like_address(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.starts_with("securecall:")
        || (lower.starts_with("https://") && lower.contains("/add"))
        || (word.starts_with('@') && word.contains(':'))
        || word.len() == SecureCallId::LENGTH && word.bytes().all(|b| b.is_ascii_alphanumeric())
}

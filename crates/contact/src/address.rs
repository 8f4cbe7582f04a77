//! Any form in which somebody's address may be given.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::{
    ContactLink, ContactLinkError, MatrixId, MatrixIdError, NameLabel, SecureCallId,
    SecureCallIdError, ServerName, id_in_pieces::id_in_groups, invisible::without_invisible,
};

/// An address as a person gives it: a contact link, a Matrix ID or a SecureCall ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A contact link of either form.
    Link(ContactLink),
    /// A Matrix ID, self-certifying or of an ordinary account.
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

    /// Whether both are the same contact: the same key in whatever form, or without one the same address.
    #[must_use]
    pub fn is_same_contact(&self, other: &Self) -> bool {
        match (self.securecall_id(), other.securecall_id()) {
            (Some(own), Some(others)) => own == others,
            _ => self == other,
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

    /// Invisible characters do not count. What holds `://` is read as a link, what starts with `@` as a Matrix ID, all else as a SecureCall ID. A Matrix ID may come as
    /// other Matrix programs share it: `https://matrix.to/#/@…` or `matrix:u/…` (Matrix specification, appendix "URIs").
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = without_invisible(text);
        let text = text.trim();
        if let Some(matrix_id) = in_matrix_uri(text) {
            Ok(Self::MatrixId(matrix_id.parse()?))
        } else if text.contains("://") {
            Ok(Self::Link(text.parse()?))
        } else if text.starts_with('@') {
            Ok(Self::MatrixId(text.parse()?))
        } else {
            let id = text
                .parse()
                .or_else(|error| id_in_groups(text).ok_or(error))?;
            Ok(Self::Id(id))
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
    /// A text with more addresses than anybody sends.
    #[error("there are more than {MAX_ADDRESSES} addresses in this text")]
    TooMany,
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
            Self::Link(_) | Self::MatrixId(_) | Self::TooMany => None,
        }
    }
}

/// Most addresses that are taken out of one text.
pub const MAX_ADDRESSES: usize = 100;

/// The Matrix ID of a user in a matrix.to link or a `matrix:` URI; `None` for all other texts.
pub(crate) fn in_matrix_uri(text: &str) -> Option<String> {
    let after = |prefix: &str| {
        let start = text.get(..prefix.len())?;
        start
            .eq_ignore_ascii_case(prefix)
            .then(|| &text[prefix.len()..])
    };
    let link = after("https://matrix.to/#/").or_else(|| after("https://matrix.to/%23/"));
    let (user, sigil) = match link {
        Some(user) => (user, ""),
        None => (after("matrix:u/")?, "@"),
    };
    let user = user.split(['?', '/']).next().unwrap_or_default();
    let user = percent_decode_str(user).decode_utf8().ok()?;
    let matrix_id = format!("{sigil}{user}");
    // Rooms and events have links of the same form.
    matrix_id.starts_with('@').then_some(matrix_id)
}

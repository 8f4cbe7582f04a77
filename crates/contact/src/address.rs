//! Any form in which somebody's address may be given.

use std::{borrow::Cow, str::FromStr};

use percent_encoding::percent_decode_str;

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

    /// What holds `://` is read as a link, what starts with `@` as a Matrix ID, all else as a SecureCall ID. A Matrix ID may come as
    /// other Matrix programs share it: `https://matrix.to/#/@…` or `matrix:u/…` (Matrix specification, appendix "URIs").
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(matrix_id) = in_matrix_uri(text) {
            Ok(Self::MatrixId(matrix_id.parse()?))
        } else if text.contains("://") {
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

/// A link whose ID part is shorter than this many characters is a web page of somebody's, not a damaged contact link.
const LEAST_ID: usize = 20;

/// The addresses in a text, such as a message that somebody pasted, in their order and each once.
///
/// A word counts if it looks like an address: a link with one of our schemes and paths, a Matrix ID or a link to one, or 56
/// characters in one piece. One that looks so and is wrong is an error, not skipped. Brackets, quotation marks, the marks of
/// Markdown and the `&amp;` of HTML around and in a link do not count.
///
/// # Errors
///
/// The first word that looks like an address and is none; [`AddressError::TooMany`].
pub fn find_addresses(text: &str) -> Result<Vec<Address>, AddressError> {
    let mut found: Vec<Address> = Vec::new();
    for word in text.split(is_between_words) {
        let word = without_marks(word);
        if !looks_like_address(word) {
            continue;
        }
        let address: Address = unescaped(word).parse()?;
        if found.iter().any(|other| same_contact(other, &address)) {
            continue;
        }
        if found.len() == MAX_ADDRESSES {
            return Err(AddressError::TooMany);
        }
        found.push(address);
    }
    Ok(found)
}

/// White space, and what people and programs put around links. No address holds any of these.
fn is_between_words(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '<' | '>' | '"' | '(' | ')' | '{' | '}' | '|' | '`' | '“' | '”' | '„' | '«' | '»'
        )
}

/// A word without the marks around it. Square brackets stay where they are a pair: an IPv6 address has some.
fn without_marks(word: &str) -> &str {
    let is_mark = |c| matches!(c, '.' | ',' | ';' | '!' | '?' | ':' | '*' | '\\' | '…');
    let mut word = word;
    loop {
        let mut rest = word.trim_matches(is_mark);
        rest = rest.trim_start_matches('[');
        let unpaired = rest.matches(']').count() > rest.matches('[').count();
        if unpaired && let Some(shorter) = rest.strip_suffix(']') {
            rest = shorter;
        }
        if rest == word {
            return word;
        }
        word = rest;
    }
}

/// A link as it was before it was put into HTML. None of ours holds a `;` of its own.
fn unescaped(word: &str) -> Cow<'_, str> {
    if word.contains("://") && word.contains("&amp;") {
        Cow::Owned(word.replace("&amp;", "&"))
    } else {
        Cow::Borrowed(word)
    }
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
        || lower
            .strip_prefix("https://")
            .is_some_and(looks_like_web_form)
        || in_matrix_uri(word).is_some()
        || (word.starts_with('@') && word.contains(':'))
        || word.len() == SecureCallId::LENGTH && word.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Whether a web address is a contact's, whole or damaged: the page `/add`, and behind it what could be an ID.
fn looks_like_web_form(rest: &str) -> bool {
    let Some((page, fragment)) = rest
        .split_once('/')
        .map(|(_, path)| path.split_once('#').unwrap_or((path, "")))
    else {
        return false;
    };
    let page = page.split('?').next().unwrap_or_default();
    let Some(in_path) = page.strip_prefix("add") else {
        return false;
    };
    let id = match in_path {
        "" | "/" => fragment,
        in_path => match in_path.strip_prefix('/') {
            Some(id) => id,
            None => return false,
        },
    };
    let id = id.split(['?', '/', '&']).next().unwrap_or_default();
    id.len() >= LEAST_ID
}

/// The Matrix ID of a user in a matrix.to link or a `matrix:` URI; `None` for all other texts.
fn in_matrix_uri(text: &str) -> Option<String> {
    let after = |prefix: &str| {
        let start = text.get(..prefix.len())?;
        start
            .eq_ignore_ascii_case(prefix)
            .then(|| &text[prefix.len()..])
    };
    let (user, sigil) = match after("https://matrix.to/#/") {
        Some(user) => (user, ""),
        None => (after("matrix:u/")?, "@"),
    };
    let user = user.split(['?', '/']).next().unwrap_or_default();
    let user = percent_decode_str(user).decode_utf8().ok()?;
    let matrix_id = format!("{sigil}{user}");
    // Rooms and events have links of the same form.
    matrix_id.starts_with('@').then_some(matrix_id)
}

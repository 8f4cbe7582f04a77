//! Matrix IDs, and those among them that are SecureCall addresses.

use std::{fmt, str::FromStr};

use crate::{SecureCallId, SecureCallIdError, ServerName, ServerNameError};

/// What a SecureCall address starts with, after the `@`.
const SECURECALL_PREFIX: &str = "sc_";

/// A Matrix user ID, `@localpart:server`. The server name is kept in lower case; then they are compared byte for byte.
///
/// Where the localpart is `sc_<SecureCall ID>` the Matrix ID certifies itself: it holds the key of its owner, and
/// [`securecall_id`](Self::securecall_id) gives it. A localpart that starts with `sc_` and does not go on with a valid
/// ID is refused, so that a mistyped address never passes for an ordinary account, for which no key would be asked.
///
/// Grammar: <https://spec.matrix.org/v1.16/appendices/#user-identifiers>, the historical character set included.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixId {
    text: String,
    server_name: ServerName,
    securecall_id: Option<SecureCallId>,
}

impl MatrixId {
    /// Longest Matrix ID, in bytes.
    pub const MAX_LENGTH: usize = 255;

    /// The self-certifying address of `id` on `server_name`.
    #[must_use]
    pub fn of_securecall_id(id: &SecureCallId, server_name: &ServerName) -> Self {
        Self {
            text: format!("@{SECURECALL_PREFIX}{id}:{server_name}"),
            server_name: server_name.clone(),
            securecall_id: Some(*id),
        }
    }

    /// The whole ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands between `@` and the first colon.
    #[must_use]
    pub fn localpart(&self) -> &str {
        &self.text[1..self.text.len() - self.server_name.as_str().len() - 1]
    }

    /// What stands behind the first colon: who keeps the account.
    #[must_use]
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// The ID that a self-certifying address holds; `None` for an ordinary account.
    #[must_use]
    pub fn securecall_id(&self) -> Option<&SecureCallId> {
        self.securecall_id.as_ref()
    }
}

impl FromStr for MatrixId {
    type Err = MatrixIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LENGTH {
            return Err(MatrixIdError::TooLong { found: text.len() });
        }
        let rest = text.strip_prefix('@').ok_or(MatrixIdError::NoSigil)?;
        let (localpart, server_name) = rest.split_once(':').ok_or(MatrixIdError::NoServerName)?;
        check_localpart(localpart)?;
        let server_name: ServerName = server_name.parse()?;
        Ok(Self {
            text: format!("@{localpart}:{server_name}"),
            server_name,
            securecall_id: securecall_id_of(localpart)?,
        })
    }
}

impl fmt::Display for MatrixId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for MatrixId {
    /// Shortened: a Matrix ID names a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.localpart().chars().take(6).collect();
        write!(f, "MatrixId(@{start}…:{})", self.server_name)
    }
}

impl AsRef<str> for MatrixId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// What is wrong with a text that should be a Matrix ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixIdError {
    /// More bytes than Matrix allows.
    #[error("a Matrix ID has at most 255 characters, this has {found}")]
    TooLong {
        /// Bytes counted.
        found: usize,
    },
    /// It does not start with `@`.
    #[error("a Matrix ID starts with '@'")]
    NoSigil,
    /// There is no colon.
    #[error("a Matrix ID ends with ':' and the name of a server")]
    NoServerName,
    /// Nothing between `@` and the colon.
    #[error("there is no name between '@' and ':'")]
    EmptyLocalpart,
    /// A character that no localpart has.
    #[error("'{}' cannot be in a Matrix ID", .character.escape_debug())]
    Character {
        /// The first that is not visible ASCII.
        character: char,
    },
    /// What follows the colon is not a server name.
    #[error(transparent)]
    ServerName(#[from] ServerNameError),
    /// It starts with `@sc_`, so a SecureCall ID should follow.
    #[error("after '@sc_' comes a SecureCall ID, but: {0}")]
    SecureCallId(#[from] SecureCallIdError),
    /// It would be a SecureCall address, were it in lower case.
    #[error("'@sc_' and what follows it are written in lower case")]
    UpperCase,
}

fn check_localpart(localpart: &str) -> Result<(), MatrixIdError> {
    if localpart.is_empty() {
        return Err(MatrixIdError::EmptyLocalpart);
    }
    match localpart.chars().find(|c| !c.is_ascii_graphic()) {
        Some(character) => Err(MatrixIdError::Character { character }),
        None => Ok(()),
    }
}

fn securecall_id_of(localpart: &str) -> Result<Option<SecureCallId>, MatrixIdError> {
    let Some((prefix, id)) = localpart.split_at_checked(SECURECALL_PREFIX.len()) else {
        return Ok(None);
    };
    if !prefix.eq_ignore_ascii_case(SECURECALL_PREFIX) {
        return Ok(None);
    }
    if localpart.bytes().any(|b| b.is_ascii_uppercase()) && id.len() == SecureCallId::LENGTH {
        return Err(MatrixIdError::UpperCase);
    }
    if prefix != SECURECALL_PREFIX {
        return Err(MatrixIdError::UpperCase);
    }
    Ok(Some(SecureCallId::from_canonical(id)?))
}

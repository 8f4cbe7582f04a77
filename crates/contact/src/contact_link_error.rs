//! Why a text is no contact link.

use crate::{MatrixIdError, SecureCallIdError, ServerNameError};

/// What is wrong with a text that should be a contact link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContactLinkError {
    /// Longer than any link that is ever made.
    #[error("a contact link has at most 4096 bytes, this has {found}")]
    TooLong {
        /// Bytes counted.
        found: usize,
    },
    /// No `://` in it.
    #[error("this is not a link")]
    NoScheme,
    /// Neither `securecall` nor `https`.
    #[error("a contact link starts with 'securecall://contact/' or 'https://'")]
    Scheme,
    /// A `securecall` link for something else than a contact.
    #[error("only links that start with 'securecall://contact/' are contacts")]
    Host,
    /// A web address whose host is not one.
    #[error("the web address names no valid host: {0}")]
    PageHost(#[source] ServerNameError),
    /// A web address of another page.
    #[error("the path of a contact's web address is '/add/', followed by the SecureCall ID")]
    Path,
    /// Nothing where the ID should be.
    #[error("the link holds no SecureCall ID")]
    NoId,
    /// Something behind the ID that does not belong there.
    #[error("there is something behind the SecureCall ID that does not belong there")]
    Junk,
    /// What stands where the SecureCall ID should is none.
    #[error(transparent)]
    Id(#[from] SecureCallIdError),
    /// `server=` is not a server name.
    #[error("'server' in the link is wrong: {0}")]
    Server(#[source] ServerNameError),
    /// `mxid=` is not a Matrix ID.
    #[error("'mxid' in the link is wrong: {0}")]
    MatrixId(#[source] MatrixIdError),
    /// A query key that must come once came twice.
    #[error("'{key}' is in the link twice")]
    Twice {
        /// `server`, `mxid` or `name`.
        key: &'static str,
    },
    /// `mxid=` is the self-certifying address of somebody else.
    #[error(
        "the link names two different keys: its SecureCall ID and its 'mxid' do not belong together"
    )]
    AnotherKey,
}

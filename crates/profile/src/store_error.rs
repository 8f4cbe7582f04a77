//! Why the store cannot be read or written.

use std::fmt;

use securecall_randomness::NoRandomness;

use crate::storage_error::StorageError;

/// The profile's store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was read is not what was written.
    #[error("the profile's store (profile.json) is damaged: {part} cannot be read")]
    Damaged {
        /// The part that it shows in.
        part: &'static str,
    },
    /// It is of a version that does not exist yet.
    #[error(
        "the profile was written by a newer securecall (store version {version}, this program knows {known})"
    )]
    Newer {
        /// The version of the store.
        version: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The operating system refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing can be sealed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Something that cannot be, was.
    #[error("{reason}")]
    Internal {
        /// What it was.
        reason: String,
    },
}

impl StoreError {
    /// The store is damaged in one of its parts.
    pub(crate) const fn damaged(part: &'static str) -> Self {
        Self::Damaged { part }
    }

    /// A fault of this program.
    pub(crate) fn internal(reason: impl fmt::Display) -> Self {
        Self::Internal {
            reason: reason.to_string(),
        }
    }
}

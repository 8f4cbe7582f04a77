//! Why a place does not come up.

use std::io;

use crate::{dendrite::DendriteError, ghostnet_relays::GhostNetRelaysError, synapse::SynapseError};

/// Why a place does not come up.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// `securecall-server` refuses.
    #[error("`securecall-server {command}` fails: {said}")]
    Refused {
        /// With these words after its name.
        command: String,
        /// What it wrote.
        said: String,
    },
    /// A program did not get ready in time, or ended.
    #[error("{name} {what}:\n{said}")]
    NotReady {
        /// What it is.
        name: String,
        /// That it ended, or that it is silent.
        what: &'static str,
        /// What it wrote.
        said: String,
    },
    /// A file of `init` is not as it is to be.
    #[error("{file}: there is no {wanted:?} to be changed")]
    Settings {
        /// Below the folder.
        file: String,
        /// What it was to hold.
        wanted: String,
    },
    /// No Synapse.
    #[error(transparent)]
    Synapse(#[from] SynapseError),
    /// No Dendrite.
    #[error(transparent)]
    Dendrite(#[from] DendriteError),
    /// No relays.
    #[error(transparent)]
    Relays(#[from] GhostNetRelaysError),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// A SQLite file could not be made or read.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// A program is not there, or a file or socket failed.
    #[error("{0} (`cargo xtask setup` installs what is missing)")]
    Io(#[from] io::Error),
}

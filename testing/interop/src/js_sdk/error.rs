//! What kept a device of matrix-js-sdk from doing as it was told.

use std::{io, path::PathBuf};

use crate::{browser::BrowserError, venv::VenvError};

/// Why there is no such device, or why it did not do something.
#[derive(Debug, thiserror::Error)]
pub enum JsSdkError {
    /// The page could not be built.
    #[error("matrix-js-sdk could not be built for a browser: {0}")]
    Build(String),
    /// A file of the build could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nowhere to build it.
    #[error(transparent)]
    Directory(#[from] VenvError),
    /// There is no browser.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// There is no network to be in.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Network(#[from] crate::network::NetworkError),
    /// A process or a socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The browser is gone, or did not answer.
    #[error("Chromium does not answer `{order}`; it wrote: {log}")]
    Silent {
        /// What it was asked for.
        order: String,
        /// What it wrote to its standard error.
        log: String,
    },
    /// The browser refused something.
    #[error("Chromium refused `{order}`: {said}")]
    Refused {
        /// What it was asked for.
        order: String,
        /// What it said.
        said: String,
    },
    /// The page reported an error.
    #[error("`{order}` failed in the page: {said}\nthe last lines of its log:\n{log}")]
    Failed {
        /// What the page was told to do.
        order: String,
        /// What it said.
        said: String,
        /// What matrix-js-sdk logged before.
        log: String,
    },
    /// The page answered with something else than was asked for.
    #[error("`{order}` gave something else: {said}")]
    Unexpected {
        /// What the page was told to do.
        order: String,
        /// What is wrong with the answer.
        said: String,
    },
}

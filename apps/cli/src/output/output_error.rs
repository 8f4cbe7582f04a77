//! Why output is missing.

use std::io;

use crate::error::{ErrorKind, Failure};

/// Why a line did not reach standard output.
#[derive(Debug)]
pub(crate) enum OutputError {
    /// Whoever read it has stopped.
    Closed,
    /// The disk is full, or the like.
    Failed(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(error),
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        let message = match error {
            OutputError::Closed => "whoever read standard output has stopped".to_owned(),
            OutputError::Failed(error) => unwritten(&error),
        };
        Self::new(ErrorKind::StorageFailed, message)
            .help("make room on the disk, or send it elsewhere; what the command did is done, only its output is missing")
    }
}

/// What is said where standard output takes nothing.
pub(super) fn unwritten(error: &io::Error) -> String {
    format!("standard output cannot be written: {error}")
}

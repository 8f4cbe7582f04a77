//! One process at a time: the lock of the Matrix session, which names its holder, and that of a change.

use std::fs::{self, File, TryLockError};
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use crate::atomic_file;
use crate::layout::SESSION_LOCK;
use crate::storage_error::StorageError;

/// How often a lock that is held is tried again.
const WAIT_STEP: Duration = Duration::from_millis(20);
/// Five seconds of that: a change takes milliseconds.
const WAIT_STEPS: u32 = 250;

/// The Matrix session could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SessionLockError {
    /// Another process has it.
    #[error("the profile is in use by {holder}")]
    InUse {
        /// Which process, as far as it has said so.
        holder: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The right to use the profile's Matrix session; given back when dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct SessionLock {
    _file: File,
}

impl SessionLock {
    /// Takes the lock in `directory` for `command`.
    pub(crate) fn take(directory: &Path, command: &str) -> Result<Self, SessionLockError> {
        let path = directory.join(SESSION_LOCK);
        let failed = |error| StorageError::new(&path, error);
        let mut file = atomic_file::open_private(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&path)),
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        let holder = format!("process {} (securecall {command})", process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Waits for a lock that is only ever held for a moment; not for ever, for its holder may have been stopped: then there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no way to wait for a file lock with a limit"
)]
pub(crate) fn wait_for(path: &Path) -> Result<Option<File>, StorageError> {
    let failed = |error| StorageError::new(path, error);
    let file = atomic_file::open_private(path).map_err(failed)?;
    for _ in 0..WAIT_STEPS {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(WAIT_STEP),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Ok(None)
}

fn in_use(path: &Path) -> SessionLockError {
    let holder = fs::read_to_string(path).unwrap_or_default();
    let holder = if holder.is_empty() {
        "another process"
    } else {
        holder.trim()
    };
    SessionLockError::InUse {
        holder: holder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let first = SessionLock::take(directory.path(), "listen").unwrap();
        let error = SessionLock::take(directory.path(), "call").unwrap_err();
        assert!(matches!(error, SessionLockError::InUse { .. }));
        let expected = format!(
            "the profile is in use by process {} (securecall listen)",
            process::id()
        );
        assert_eq!(error.to_string(), expected);
        drop(first);
        SessionLock::take(directory.path(), "call").unwrap();
    }
}

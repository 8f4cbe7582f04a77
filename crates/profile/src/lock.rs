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
/// Three seconds of that: a process that ends says goodbye first, which takes it two at most.
const SESSION_STEPS: u32 = 150;
/// Half a second of that: whoever waits for longer wants to know what for.
const TOLD_AFTER: u32 = 25;

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

    /// Takes the lock as soon as its holder lets go of it, if that is soon. `waiting` is told who the holder is, once, if it takes a while.
    pub(crate) fn wait_for(
        directory: &Path,
        command: &str,
        waiting: impl FnMut(&str),
    ) -> Result<Self, SessionLockError> {
        Self::take_in_steps(directory, command, waiting, pause)
    }

    fn take_in_steps(
        directory: &Path,
        command: &str,
        mut waiting: impl FnMut(&str),
        mut pause: impl FnMut(),
    ) -> Result<Self, SessionLockError> {
        for step in 0..SESSION_STEPS {
            match Self::take(directory, command) {
                Err(SessionLockError::InUse { holder }) if step == TOLD_AFTER => waiting(&holder),
                Err(SessionLockError::InUse { .. }) => {}
                outcome => return outcome,
            }
            pause();
        }
        Self::take(directory, command)
    }
}

/// Waits for a lock that is only ever held for a moment; not for ever, for its holder may have been stopped: then there is none.
pub(crate) fn wait_for(path: &Path) -> Result<Option<File>, StorageError> {
    let failed = |error| StorageError::new(path, error);
    let file = atomic_file::open_private(path).map_err(failed)?;
    for _ in 0..WAIT_STEPS {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Ok(None)
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no way to wait for a file lock with a limit"
)]
fn pause() {
    thread::sleep(WAIT_STEP);
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
    /// What comes of a wait in which the holder lets go after so many steps: whether the lock was taken, who was waited for, and the steps.
    fn waited(lets_go_after: u32) -> (bool, Vec<String>, u32) {
        let directory = tempfile::tempdir().unwrap();
        let mut first = Some(SessionLock::take(directory.path(), "listen").unwrap());
        let (mut told, mut steps) = (Vec::new(), 0);
        let waiting = |holder: &str| told.push(holder.to_owned());
        let pause = || {
            steps += 1;
            if steps == lets_go_after {
                first = None;
            }
        };
        let taken = SessionLock::take_in_steps(directory.path(), "call", waiting, pause);
        let is_held = matches!(taken, Err(SessionLockError::InUse { .. }));
        assert_eq!(is_held, taken.is_err());
        (taken.is_ok(), told, steps)
    }

    #[test]
    fn a_lock_that_is_let_go_of_is_waited_for() {
        let holder = format!("process {} (securecall listen)", process::id());
        // Hardly worth a word.
        assert_eq!(waited(TOLD_AFTER), (true, Vec::new(), TOLD_AFTER));
        let late = TOLD_AFTER + 1;
        assert_eq!(waited(late), (true, vec![holder.clone()], late));
        let last = SESSION_STEPS;
        assert_eq!(waited(last), (true, vec![holder.clone()], last));
        assert_eq!(waited(last + 1), (false, vec![holder], last));
    }
}

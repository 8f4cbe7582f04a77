//! The signed file of relays, as it is served: read again when it has changed, and never served when clients would refuse it.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use securecall_daemon::{Failure, file};
use securecall_ghostnet::UnixTime;
use securecall_ghostnet::directory::{Directory, DirectoryMark, MAX_DIRECTORY};

use crate::config::DirectoryConfig;

/// The file, and what was last read of it.
pub(crate) struct RelayDirectory {
    config: DirectoryConfig,
    last: Mutex<Option<Read>>,
}

struct Read {
    changed: Option<SystemTime>,
    bytes: Bytes,
    mark: DirectoryMark,
}

impl RelayDirectory {
    pub(crate) fn new(config: DirectoryConfig) -> Self {
        Self {
            config,
            last: Mutex::new(None),
        }
    }

    /// The file. One that was replaced by what clients would refuse is not served; the one before it is.
    pub(crate) fn bytes(&self, now: UnixTime) -> Result<Bytes, Failure> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = fs::metadata(&self.config.file).and_then(|data| data.modified());
        let changed = changed.ok();
        if let Some(read) = &*last
            && read.changed == changed
        {
            return Ok(read.bytes.clone());
        }
        let mark = last.as_ref().map(|read| &read.mark);
        match self.read(mark, now) {
            Ok((bytes, mark)) => {
                *last = Some(Read {
                    changed,
                    bytes: bytes.clone(),
                    mark,
                });
                Ok(bytes)
            }
            Err(failure) => match &mut *last {
                Some(before) => {
                    // Told once for each change.
                    tracing::error!(
                        "the relay directory is not served anew: `securecall-server check` says why"
                    );
                    before.changed = changed;
                    Ok(before.bytes.clone())
                }
                None => Err(failure),
            },
        }
    }

    fn read(
        &self,
        mark: Option<&DirectoryMark>,
        now: UnixTime,
    ) -> Result<(Bytes, DirectoryMark), Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("{}: {error}", self.config.file.display()))
        };
        let bytes =
            file::read(&self.config.file, MAX_DIRECTORY as u64).map_err(|error| failed(&error))?;
        let (_, mark) = Directory::read(&bytes, &self.config.keys, mark, self.config.reach, now)
            .map_err(|error| failed(&error))?;
        Ok((Bytes::copy_from_slice(&bytes), mark))
    }
}

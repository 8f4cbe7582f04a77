//! The profile: one directory with everything that belongs to one user of this machine.
//!
//! ```text
//! profile/
//!   profile.json     how the key is found, and the sealed contents: identity, account, contacts
//!   matrix/          matrix-sdk's store, encrypted with a key of its own
//!   replay-memory    the invites that were taken
//!   ghostnet         the entry relay that is kept, and tokens: sealed
//!   config.toml      settings, written by the user
//!   session.lock     held by the one process that uses the Matrix session
//!   write.lock       held for the moment of a change
//! ```
//!
//! Secrets are never written but sealed: a profile without a key is not made at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use securecall_matrix::AccountStore;

use crate::content::{AccountData, Content, Identity, StoreKey};
use crate::directory;
use crate::key_source::KeySource;
use crate::layout::{GHOSTNET_MEMORY, MATRIX_STORE, REPLAY_MEMORY, STORE, WRITE_LOCK};
use crate::lock::{self, SessionLock, SessionLockError};
use crate::master_key::MasterKey;
use crate::open_error::{NoAccount, NoIdentity, OpenError};
use crate::passphrases::Passphrases;
use crate::sealed_file::SealedFile;
use crate::sealed_memory::SealedMemory;
use crate::storage_error::StorageError;
use crate::store_error::StoreError;
use crate::unlock::{self, Unlocked};

/// The contents could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Another process holds the lock of changes, and keeps it.
    #[error("another process is changing the profile and does not come to an end")]
    Busy,
    /// There was no profile, and now there is another one.
    #[error("another process has just made an identity in this profile")]
    AnotherIdentity,
    /// The profile is sealed with a key that this process does not know.
    #[error("another process has just given the profile a new key")]
    AnotherKey,
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StorageError> for ChangeError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.into())
    }
}

/// A profile that is open: its key is known, its contents were read.
#[derive(Debug)]
pub struct Profile {
    directory: PathBuf,
    source: KeySource,
    key: MasterKey,
    content: Content,
    /// Of the store when it was last read.
    modified_at: Option<SystemTime>,
}

impl Profile {
    /// Opens the profile in `directory`. One that an earlier version has sealed is sealed anew, as new ones are.
    ///
    /// # Errors
    ///
    /// There is none yet; its store is damaged or newer; its key cannot be had.
    pub fn open<P: Passphrases>(directory: &Path, passphrases: &P) -> Result<Self, P::Error> {
        let path = directory.join(STORE);
        let modified_at = modification_time(&path);
        let file = SealedFile::read(&path)
            .map_err(OpenError::from)?
            .ok_or(OpenError::NoIdentity(NoIdentity))?;
        let Unlocked { key, better } = unlock::unlock(&file, passphrases)?;
        let content = file.open(&key).map_err(OpenError::from)?;
        let is_old = file.is_old() || better.is_some();
        let mut profile = Self {
            directory: directory.to_owned(),
            source: file.source,
            key,
            content,
            modified_at,
        };
        if !is_old {
            return Ok(profile);
        }
        match profile.seal_anew(better) {
            Ok(true) => Ok(profile),
            Ok(false) => Self::open(directory, passphrases),
            Err(error) => {
                // Nothing is lost: it is as safe as it was, and is tried again next time.
                tracing::warn!(%error, "the profile is still sealed as an earlier version did it");
                Ok(profile)
            }
        }
    }

    /// Opens the profile in `directory`, or makes an empty one that is written with its first change.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); or there is no way to get a key for a new profile.
    pub fn open_or_new<P: Passphrases>(
        directory: &Path,
        passphrases: &P,
    ) -> Result<Self, P::Error> {
        if directory.join(STORE).exists() {
            return Self::open(directory, passphrases);
        }
        let (source, key) = unlock::choose(passphrases)?;
        let content = Content::new(StoreKey::random().map_err(OpenError::from)?);
        Ok(Self {
            directory: directory.to_owned(),
            source,
            key,
            content,
            modified_at: None,
        })
    }

    /// What the profile holds.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The identity.
    ///
    /// # Errors
    ///
    /// There is none yet.
    pub fn identity(&self) -> Result<&Identity, NoIdentity> {
        self.content.identity.as_ref().ok_or(NoIdentity)
    }

    /// The account.
    ///
    /// # Errors
    ///
    /// There is none yet.
    pub fn account(&self) -> Result<&AccountData, NoAccount> {
        self.content.account.as_ref().ok_or(NoAccount)
    }

    /// Changes the contents and writes them, on top of what another process may have written meanwhile.
    ///
    /// # Errors
    ///
    /// The change's own, and writing failed: then nothing is changed.
    pub fn change<T, E: From<ChangeError>>(
        &mut self,
        change: impl FnOnce(&mut Content) -> Result<T, E>,
    ) -> Result<T, E> {
        directory::create(&self.directory).map_err(ChangeError::from)?;
        let _lock = self.lock_changes()?;
        let mut content = self.read_for_change()?;
        let result = change(&mut content)?;
        self.write(&self.source, &self.key, &content)
            .map_err(ChangeError::from)?;
        self.content = content;
        Ok(result)
    }

    fn lock_changes(&self) -> Result<File, ChangeError> {
        lock::wait_for(&self.directory.join(WRITE_LOCK))?.ok_or(ChangeError::Busy)
    }

    fn read_for_change(&self) -> Result<Content, ChangeError> {
        match SealedFile::read(&self.directory.join(STORE))? {
            Some(file) if file.source != self.source => Err(self.made_or_sealed_by_another()),
            Some(file) => Ok(file.open(&self.key)?),
            None => Ok(Content::new(self.content.matrix_store_key.duplicate())),
        }
    }

    fn write(
        &self,
        source: &KeySource,
        key: &MasterKey,
        content: &Content,
    ) -> Result<(), StoreError> {
        SealedFile::seal(source, key, content)?.write(&self.directory.join(STORE))
    }

    /// Seals the profile with another key, if there is one, and in the form of today. Gives whether it has: another process may have done so
    /// meanwhile.
    fn seal_anew(&mut self, better: Option<(KeySource, MasterKey)>) -> Result<bool, ChangeError> {
        let _lock = self.lock_changes()?;
        let path = self.directory.join(STORE);
        let Some(file) = SealedFile::read(&path)?.filter(|file| file.source == self.source) else {
            return Ok(false);
        };
        let content = file.open(&self.key)?;
        let (source, key) = match &better {
            Some((source, key)) => (source, key),
            None => (&self.source, &self.key),
        };
        self.write(source, key, &content)?;
        if let Some((source, key)) = better {
            (self.source, self.key) = (source, key);
        }
        self.content = content;
        self.modified_at = modification_time(&path);
        Ok(true)
    }

    /// The profile has another key than this process knows.
    fn made_or_sealed_by_another(&self) -> ChangeError {
        if self.content.identity.is_none() && self.modified_at.is_none() {
            return ChangeError::AnotherIdentity;
        }
        ChangeError::AnotherKey
    }

    /// Reads the contents again if another process has changed them. A store that cannot be read changes nothing.
    pub fn refresh(&mut self) -> bool {
        let path = self.directory.join(STORE);
        let modified_at = modification_time(&path);
        if modified_at == self.modified_at {
            return false;
        }
        self.modified_at = modified_at;
        match SealedFile::read(&path)
            .and_then(|file| file.map(|file| file.open(&self.key)).transpose())
        {
            Ok(Some(content)) => {
                self.content = content;
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "the profile has changed and cannot be read");
                false
            }
        }
    }

    /// Takes the Matrix session for this process, if no other has it.
    ///
    /// # Errors
    ///
    /// Another process has it.
    pub fn lock_session(&self, command: &str) -> Result<SessionLock, SessionLockError> {
        directory::create(&self.directory)?;
        SessionLock::take(&self.directory, command)
    }

    /// The same, but waits up to three seconds for a process that is about to end; `waiting` is told which, once, if that takes a while.
    /// What the other process has changed is read again.
    ///
    /// # Errors
    ///
    /// Another process has it and goes on.
    pub fn wait_for_session(
        &mut self,
        command: &str,
        waiting: impl FnMut(&str),
    ) -> Result<SessionLock, SessionLockError> {
        directory::create(&self.directory)?;
        let lock = SessionLock::wait_for(&self.directory, command, waiting)?;
        // It may have made, or removed, the account.
        self.refresh();
        Ok(lock)
    }

    /// The encrypted store of the account.
    pub fn account_store(&self) -> AccountStore {
        let key = *self.content.matrix_store_key.as_bytes();
        AccountStore::new(self.matrix_store(), securecall_matrix::StoreKey::new(key))
    }

    /// Where the memory of taken invites is kept.
    pub fn replay_memory(&self) -> PathBuf {
        self.directory.join(REPLAY_MEMORY)
    }

    /// Where the entry relay that is kept, and tokens for relays, are remembered.
    pub fn ghostnet_memory(&self) -> SealedMemory {
        SealedMemory::new(
            self.directory.join(GHOSTNET_MEMORY),
            &self.content.matrix_store_key,
            b"securecall ghostnet memory",
        )
    }

    /// Removes matrix-sdk's store: the device it belongs to is gone.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn remove_matrix_store(&self) -> Result<(), StorageError> {
        match fs::remove_dir_all(self.matrix_store()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::new(&self.matrix_store(), error))
            }
            _ => Ok(()),
        }
    }

    fn matrix_store(&self) -> PathBuf {
        self.directory.join(MATRIX_STORE)
    }
}

fn modification_time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

//! The profile: one directory with everything that belongs to one user of this machine.
//!
//! ```text
//! profile/
//!   profile.json     how the key is found, and the sealed contents: identity, account, contacts
//!   matrix/          matrix-sdk's store, encrypted with a key of its own
//!   replay-memory    the invites that were taken
//!   config.toml      settings, written by the user
//!   session.lock     held by the one process that uses the Matrix session
//!   write.lock       held for the moment of a change
//! ```
//!
//! Secrets are never written but sealed: a profile without a key is not made at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use directories::ProjectDirs;

use crate::error::{ErrorKind, Failure};

mod atomic_file;
mod content;
mod directory;
mod key_source;
mod keyring;
mod lock;
mod sealed_file;

pub(crate) use content::{AccountData, Contact, Content, Identity};
pub(crate) use key_source::fill_random;
pub(crate) use lock::SessionLock;

use content::StoreKey;
use key_source::{KeySource, MasterKey, Unlocked};
use sealed_file::SealedFile;

const STORE: &str = "profile.json";
const WRITE_LOCK: &str = "write.lock";
const MATRIX_STORE: &str = "matrix";
const REPLAY_MEMORY: &str = "replay-memory";

/// A profile that is open: its key is known, its contents were read.
#[derive(Debug)]
pub(crate) struct Profile {
    directory: PathBuf,
    source: KeySource,
    key: MasterKey,
    content: Content,
    /// Of the store when it was last read.
    modified_at: Option<SystemTime>,
}

impl Profile {
    /// The directory that is meant by `--profile`, `SECURECALL_PROFILE` or neither.
    ///
    /// # Errors
    ///
    /// Neither is given and the operating system names no data directory.
    pub(crate) fn directory(option: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let variable = std::env::var_os("SECURECALL_PROFILE")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        option
            .or(variable)
            .or_else(|| {
                ProjectDirs::from("tech", "stealthx", "securecall")
                    .map(|dirs| dirs.data_dir().to_owned())
            })
            .ok_or_else(|| {
                Failure::new(
                    ErrorKind::Usage,
                    "there is no home directory to keep the profile in",
                )
                .help("name a directory with --profile DIR")
            })
    }

    /// Takes an existing directory away from everybody but its owner. Gives what to say of it, if that was needed.
    ///
    /// # Errors
    ///
    /// It belongs to another user, or holds more than a profile, so that it is not ours to close.
    pub(crate) fn make_private(directory: &Path) -> Result<Option<String>, Failure> {
        directory::make_private(directory)
    }

    /// Opens the profile in `directory`. One that an earlier version has sealed is sealed anew, as new ones are.
    ///
    /// # Errors
    ///
    /// There is none yet; its store is damaged or newer; its key cannot be had.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(STORE);
        let modified_at = modification_time(&path);
        let file = SealedFile::read(&path)?.ok_or_else(no_identity)?;
        let Unlocked { key, better } = file.source.unlock(&file)?;
        let content = file.open(&key)?;
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
            Ok(false) => Self::open(directory),
            Err(failure) => {
                // Nothing is lost: it is as safe as it was, and is tried again next time.
                tracing::warn!(%failure, "the profile is still sealed as an earlier version did it");
                Ok(profile)
            }
        }
    }

    /// Opens the profile in `directory`, or makes an empty one that is written with its first change.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); or there is no way to get a key for a new profile.
    pub(crate) fn open_or_new(directory: &Path) -> Result<Self, Failure> {
        if directory.join(STORE).exists() {
            return Self::open(directory);
        }
        let (source, key) = KeySource::choose()?;
        let content = Content::new(StoreKey::random()?);
        Ok(Self {
            directory: directory.to_owned(),
            source,
            key,
            content,
            modified_at: None,
        })
    }

    /// What the profile holds.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// The identity.
    ///
    /// # Errors
    ///
    /// There is none yet.
    pub(crate) fn identity(&self) -> Result<&Identity, Failure> {
        self.content.identity.as_ref().ok_or_else(no_identity)
    }

    /// The account.
    ///
    /// # Errors
    ///
    /// There is none yet.
    pub(crate) fn account(&self) -> Result<&AccountData, Failure> {
        self.content.account.as_ref().ok_or_else(|| {
            Failure::new(ErrorKind::NoAccount, "this profile has no account on a homeserver yet")
                .help("make one with `securecall register --homeserver URL`, or use one you have with `securecall login`")
        })
    }

    /// Changes the contents and writes them, on top of what another process may have written meanwhile.
    ///
    /// # Errors
    ///
    /// The change's own, and writing failed: then nothing is changed.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Content) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        directory::create(&self.directory)?;
        let _lock = lock::wait_for(&self.directory.join(WRITE_LOCK))?;
        let path = self.directory.join(STORE);
        let mut content = match SealedFile::read(&path)? {
            Some(file) if file.source != self.source => {
                return Err(self.made_or_sealed_by_another());
            }
            Some(file) => file.open(&self.key)?,
            None => Content::new(self.content.matrix_store_key.duplicate()),
        };
        let result = change(&mut content)?;
        SealedFile::seal(&self.source, &self.key, &content)?.write(&path)?;
        self.content = content;
        Ok(result)
    }

    /// Seals the profile with another key, if there is one, and in the form of today. Gives whether it has: another process may have done so
    /// meanwhile.
    fn seal_anew(&mut self, better: Option<(KeySource, MasterKey)>) -> Result<bool, Failure> {
        let _lock = lock::wait_for(&self.directory.join(WRITE_LOCK))?;
        let path = self.directory.join(STORE);
        let Some(file) = SealedFile::read(&path)?.filter(|file| file.source == self.source) else {
            return Ok(false);
        };
        let content = file.open(&self.key)?;
        let (source, key) = match &better {
            Some((source, key)) => (source, key),
            None => (&self.source, &self.key),
        };
        SealedFile::seal(source, key, &content)?.write(&path)?;
        if let Some((source, key)) = better {
            (self.source, self.key) = (source, key);
        }
        self.content = content;
        self.modified_at = modification_time(&path);
        Ok(true)
    }

    /// The profile has another key than this process knows.
    fn made_or_sealed_by_another(&self) -> Failure {
        if self.content.identity.is_none() && self.modified_at.is_none() {
            return Failure::new(
                ErrorKind::IdentityExists,
                "another process has just made an identity in this profile",
            )
            .help("see it with `securecall id show`, or use another profile with --profile DIR");
        }
        Failure::new(
            ErrorKind::ProfileInUse,
            "another process has just given the profile a new key",
        )
        .help("try again")
    }

    /// Reads the contents again if another process has changed them. A store that cannot be read changes nothing.
    pub(crate) fn refresh(&mut self) -> bool {
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
            Err(failure) => {
                tracing::warn!(%failure, "the profile has changed and cannot be read");
                false
            }
        }
    }

    /// Takes the Matrix session for this process.
    ///
    /// # Errors
    ///
    /// Another process has it.
    pub(crate) fn lock_session(&self, command: &str) -> Result<SessionLock, Failure> {
        directory::create(&self.directory)?;
        SessionLock::take(&self.directory, command)
    }

    /// Where matrix-sdk keeps its store.
    pub(crate) fn matrix_store(&self) -> PathBuf {
        self.directory.join(MATRIX_STORE)
    }

    /// The key of matrix-sdk's store.
    pub(crate) fn matrix_store_key(&self) -> &[u8; 32] {
        self.content.matrix_store_key.as_bytes()
    }

    /// Where the memory of taken invites is kept.
    pub(crate) fn replay_memory(&self) -> PathBuf {
        self.directory.join(REPLAY_MEMORY)
    }

    /// Removes matrix-sdk's store: the device it belongs to is gone.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub(crate) fn remove_matrix_store(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(self.matrix_store()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(storage_failed(&self.matrix_store(), &error))
            }
            _ => Ok(()),
        }
    }
}

fn modification_time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

fn no_identity() -> Failure {
    Failure::new(ErrorKind::NoIdentity, "this profile has no identity yet")
        .help("make one with `securecall id new`, or bring yours back with `securecall id restore`")
}

/// Writes a file that the user named, as a whole.
///
/// # Errors
///
/// The operating system refused.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| {
        let failure = Failure::new(
            ErrorKind::InvalidFile,
            format!("{} cannot be written: {error}", path.display()),
        );
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                storage_failed(path, &error)
            }
            _ => failure.help("name a file that can be written"),
        }
    })
}

/// Reading or writing below `path` failed.
pub(crate) fn storage_failed(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(
        ErrorKind::StorageFailed,
        format!("{}: {error}", path.display()),
    );
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.help("the disk is full: make room and try again; nothing was lost")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            failure.help("check who owns the profile directory, or name another with --profile DIR")
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Failure::new(
            ErrorKind::StorageFailed,
            format!("{} is not a directory", path.display()),
        )
        .help("name a directory for the profile with --profile DIR"),
        _ => failure,
    }
}

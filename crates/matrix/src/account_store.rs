//! The encrypted store of one account: its session and its Olm state.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use matrix_sdk_crypto::store::CryptoStore;
use matrix_sdk_sqlite::{SqliteCryptoStore, SqliteStoreConfig};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Homeserver, RestoreError, credentials::Credentials, server_error::chain};

/// Under this name the session lies in the store, encrypted like everything else there.
const SESSION: &str = "securecall session";

/// The layout of [`StoredSession`]; a greater number was written by a newer program.
const VERSION: u32 = 1;

const DATABASE_FILES: [&str; 3] = [
    "matrix-sdk-crypto.sqlite3",
    "matrix-sdk-crypto.sqlite3-wal",
    "matrix-sdk-crypto.sqlite3-shm",
];

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key does not fit: a wrong passphrase, or a store of another profile.
    #[error("the account store cannot be opened with this key")]
    WrongKey,
    /// The files are there but make no sense.
    #[error("the account store is damaged: {reason}")]
    Damaged {
        /// What the database said.
        reason: String,
    },
    /// The Olm state and the session do not belong together.
    #[error("the account store belongs to another account or device")]
    OtherAccount,
    /// Written by a later version of this program.
    #[error(
        "the account store was written by a newer version (layout {found}, this program knows {VERSION})"
    )]
    Newer {
        /// The number of the layout that is stored.
        found: u32,
    },
    /// The file system said no: not allowed, no room left, or the disk fails.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The key that everything in the store is encrypted with.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Takes 32 uniformly random (or properly derived) bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("StoreKey(..)")
    }
}

/// Where an account is kept, and the key to it.
#[derive(Clone, Debug)]
pub struct AccountStore {
    directory: PathBuf,
    key: StoreKey,
}

/// What it takes to be this device again.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredSession {
    version: u32,
    pub(crate) homeserver_url: String,
    pub(crate) ca_pem: Option<String>,
    pub(crate) session: Credentials,
}

impl StoredSession {
    pub(crate) fn new(
        homeserver_url: String,
        ca_pem: Option<String>,
        session: Credentials,
    ) -> Self {
        Self {
            version: VERSION,
            homeserver_url,
            ca_pem,
            session,
        }
    }

    /// Where the account is.
    ///
    /// # Errors
    ///
    /// When what is stored makes no sense.
    pub(crate) fn homeserver(&self) -> Result<Homeserver, RestoreError> {
        let homeserver = Homeserver::new(&self.homeserver_url)?;
        let Some(pem) = &self.ca_pem else {
            return Ok(homeserver);
        };
        let unreadable = || StoreError::Damaged {
            reason: "its certificate is unreadable".to_owned(),
        };
        Ok(homeserver.with_ca_pem(pem.clone()).ok_or_else(unreadable)?)
    }
}

impl AccountStore {
    /// A store in `directory`, which is made when something is first written.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, key: StoreKey) -> Self {
        Self {
            directory: directory.into(),
            key,
        }
    }

    /// Whether anything is stored there. Where nobody may look there is something: who opens it is told what is wrong.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.database_path().try_exists().unwrap_or(true)
    }

    /// Removes what is stored there. The directory itself stays.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed.
    pub fn remove(&self) -> Result<(), StoreError> {
        for name in DATABASE_FILES {
            let path = self.directory.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn database_path(&self) -> PathBuf {
        self.directory.join(DATABASE_FILES[0])
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key.0
    }

    pub(crate) async fn open(&self) -> Result<SqliteCryptoStore, StoreError> {
        self.make_directory()?;
        // One connection reads while another writes; more only cost memory.
        let config = SqliteStoreConfig::with_low_memory_config(&self.directory)
            .key(Some(&self.key.0))
            .pool_max_size(2);
        SqliteCryptoStore::open_with_config(&config)
            .await
            .map_err(|error| self.open_error(&error))
    }

    /// Opens it and reads whose it is.
    ///
    /// # Errors
    ///
    /// When there is no account, or the store cannot be used.
    pub(crate) async fn open_session(
        &self,
    ) -> Result<(SqliteCryptoStore, StoredSession), RestoreError> {
        if !self.exists() {
            return Err(RestoreError::NotLoggedIn);
        }
        let database = self.open().await?;
        let stored = self.read_session(&database).await?;
        Ok((database, stored.ok_or(RestoreError::NotLoggedIn)?))
    }

    pub(crate) async fn read_session(
        &self,
        database: &SqliteCryptoStore,
    ) -> Result<Option<StoredSession>, StoreError> {
        let Some(bytes) = database
            .get_custom_value(SESSION)
            .await
            .map_err(|error| self.fault(&error))?
        else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);

        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        // The number alone: a newer layout may have nothing else in common with ours.
        let Version { version } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
        if version > VERSION {
            return Err(StoreError::Newer { found: version });
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| damaged(&error))
    }

    pub(crate) async fn write_session(
        &self,
        database: &SqliteCryptoStore,
        session: &StoredSession,
    ) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(session).map_err(|error| damaged(&error))?;
        database
            .set_custom_value(SESSION, bytes)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// What an error of the open database means: the disk's fault, or damage.
    pub(crate) fn fault(&self, error: &(impl std::error::Error + 'static)) -> StoreError {
        let reason = chain(error);
        match disk_fault(&reason) {
            Some(kind) => StoreError::Io {
                path: self.directory.clone(),
                source: io::Error::new(kind, reason),
            },
            None => StoreError::Damaged { reason },
        }
    }

    fn make_directory(&self) -> Result<(), StoreError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.directory)
            .map_err(|source| StoreError::Io {
                path: self.directory.clone(),
                source,
            })
    }

    fn open_error(&self, error: &(impl std::error::Error + 'static)) -> StoreError {
        let reason = chain(error);
        // The SDK keeps the kinds of this error to itself; their words are stable within the pinned version.
        if reason.contains("store cipher: ") {
            StoreError::WrongKey
        } else if disk_fault(&reason).is_some() {
            self.fault(error)
        } else if let Some(source) = self.unusable() {
            StoreError::Io {
                path: self.directory.clone(),
                source,
            }
        } else {
            StoreError::Damaged { reason }
        }
    }

    /// Whether the directory cannot be written at all, which is not the database's fault.
    fn unusable(&self) -> Option<io::Error> {
        fs::metadata(&self.directory).err().or_else(|| {
            let probe = self.directory.join(".writable");
            let outcome = fs::write(&probe, [0; 1]).err();
            let _ = fs::remove_file(probe);
            outcome
        })
    }
}

impl AsRef<Path> for AccountStore {
    fn as_ref(&self) -> &Path {
        &self.directory
    }
}

/// Whether it is the disk that failed, in the words that SQLite has for each of its result codes.
fn disk_fault(reason: &str) -> Option<io::ErrorKind> {
    const WORDS: [(&str, io::ErrorKind); 5] = [
        ("database or disk is full", io::ErrorKind::StorageFull),
        ("disk I/O error", io::ErrorKind::Other),
        (
            "attempt to write a readonly database",
            io::ErrorKind::ReadOnlyFilesystem,
        ),
        ("unable to open database file", io::ErrorKind::Other),
        ("access permission denied", io::ErrorKind::PermissionDenied),
    ];
    WORDS
        .iter()
        .find(|(words, _)| reason.contains(words))
        .map(|(_, kind)| *kind)
}

fn damaged(error: &(impl std::error::Error + 'static)) -> StoreError {
    StoreError::Damaged {
        reason: chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_failing_disk_is_not_a_damaged_store() {
        let store = AccountStore::new("somewhere", StoreKey::new([7; 32]));
        for (words, kind) in [
            ("database or disk is full", io::ErrorKind::StorageFull),
            ("disk I/O error", io::ErrorKind::Other),
        ] {
            let fault = store.fault(&io::Error::other(words));
            let StoreError::Io { source, .. } = fault else {
                panic!("{fault:?}");
            };
            assert_eq!(source.kind(), kind);
        }
        let fault = store.fault(&io::Error::other("database disk image is malformed"));
        assert!(matches!(fault, StoreError::Damaged { .. }), "{fault:?}");
    }

    #[tokio::test]
    async fn what_a_newer_program_has_written_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path(), StoreKey::new([7; 32]));
        let database = store.open().await.unwrap();
        for (stored, is_newer) in [
            // Nothing else need be there as it is now.
            (format!(r#"{{"version":{}}}"#, VERSION + 1), true),
            (r#"{"version":1}"#.to_owned(), false),
            ("{}".to_owned(), false),
            ("nonsense".to_owned(), false),
        ] {
            let bytes = stored.clone().into_bytes();
            database.set_custom_value(SESSION, bytes).await.unwrap();
            match store.read_session(&database).await {
                Err(StoreError::Newer { found }) if is_newer => assert_eq!(found, VERSION + 1),
                Err(StoreError::Damaged { .. }) if !is_newer => {}
                Err(other) => panic!("{stored}: {other:?}"),
                Ok(_) => panic!("{stored}: it was read"),
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_is_told_for_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let store = |key| AccountStore::new(directory.path(), StoreKey::new([key; 32]));
        let open = async |key| store(key).open().await.err();
        assert!(open(7).await.is_none());
        assert!(matches!(open(8).await, Some(StoreError::WrongKey)));

        store(7).remove().unwrap();
        fs::write(store(7).database_path(), "no database at all").unwrap();
        assert!(matches!(open(7).await, Some(StoreError::Damaged { .. })));
        // Where nothing can be written it is not the database's fault.
        fs::create_dir(directory.path().join(".writable")).unwrap();
        assert!(matches!(open(7).await, Some(StoreError::Io { .. })));

        fs::remove_dir(directory.path().join(".writable")).unwrap();
        store(7).remove().unwrap();
        fs::create_dir(store(7).database_path()).unwrap();
        assert!(matches!(open(7).await, Some(StoreError::Io { .. })));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_new_directory_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let (outer, inner) = (directory.path().join("a"), directory.path().join("a/b"));
        let store = AccountStore::new(&inner, StoreKey::new([7; 32]));
        store.open().await.unwrap();
        for made in [outer, inner] {
            let mode = fs::metadata(&made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_looked_at_is_not_taken_for_none() {
        let directory = tempfile::tempdir().unwrap();
        // In a file nobody may look for another one, whatever rights they have.
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let store = AccountStore::new(&file, StoreKey::new([7; 32]));
        assert!(store.exists());
        assert!(store.open().await.is_err());
    }

    #[tokio::test]
    async fn all_files_of_a_store_are_removed_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path(), StoreKey::new([7; 32]));
        assert!(!store.exists());
        let database = store.open().await.unwrap();
        assert!(store.exists());
        drop(database);
        for name in DATABASE_FILES {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        fs::write(directory.path().join("another"), "x").unwrap();
        store.remove().unwrap();
        assert!(!store.exists());
        let left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(left, ["another"]);
        // Nothing there any more is no failure.
        store.remove().unwrap();
        // What is no file cannot be removed as one, which is not passed over.
        fs::create_dir(store.database_path()).unwrap();
        assert!(matches!(store.remove(), Err(StoreError::Io { .. })));
    }
}

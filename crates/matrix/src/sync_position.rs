//! Where the next sync is to begin.

use std::sync::{Mutex, MutexGuard, PoisonError};

use matrix_sdk_crypto::store::CryptoStore;
use matrix_sdk_sqlite::SqliteCryptoStore;

use crate::{AccountStore, StoreError};

/// Where the last sync ended, as far as it is stored.
const SYNC_POSITION: &str = "securecall sync position";

/// A place in the homeserver's stream: `next_batch` of the last answer. In memory it moves with every sync, in the store
/// only where a program begins or ends.
pub(crate) struct SyncPosition {
    current: Mutex<Option<String>>,
    database: SqliteCryptoStore,
    store: AccountStore,
}

impl SyncPosition {
    /// Goes on where the last program left off.
    pub(crate) async fn load(
        database: SqliteCryptoStore,
        store: AccountStore,
    ) -> Result<Self, StoreError> {
        let stored = database.get_custom_value(SYNC_POSITION).await;
        let stored = stored.map_err(|error| store.fault(&error))?;
        let current = stored.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(Self {
            current: Mutex::new(current),
            database,
            store,
        })
    }

    /// `None` before the first sync ever, and after [`forget`](Self::forget).
    pub(crate) fn current(&self) -> Option<String> {
        self.lock().clone()
    }

    pub(crate) fn advance(&self, next_batch: String) {
        *self.lock() = Some(next_batch);
    }

    /// Begins anew; says whether there was a position.
    pub(crate) fn forget(&self) -> bool {
        self.lock().take().is_some()
    }

    /// Stores where the next program is to begin.
    pub(crate) async fn store(&self, next_batch: &str) -> Result<(), StoreError> {
        let stored = self
            .database
            .set_custom_value(SYNC_POSITION, next_batch.into())
            .await;
        stored.map_err(|error| self.store.fault(&error))
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

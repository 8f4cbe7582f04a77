//! What the library leaves in the account's store, and never removes: bounded here.
//!
//! Anybody can make an Olm session with our device, and every message leaves a hash; keys of rooms can be sent to us as
//! well, and much that we have no use for. The library's store has no operation to remove any of it, so this opens
//! the database on a connection of its own. Keys are hashed there with the store's cipher, values are encrypted, and
//! nothing here needs to read a value.
//!
//! Who is kept: the sessions of devices that we have written to, as many as there are contacts; the newest of all others.
//! A device that we have written to since there was no call is never touched.

use std::collections::BTreeSet;

use matrix_sdk_store_encryption::StoreCipher;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use tokio::task::spawn_blocking;

use crate::{AccountStore, StoreError};

/// A device's Olm identity key, in base64 as the library has it.
pub(crate) type SenderKey = String;

/// Sessions kept of one device: the newest. Two are in use while both ends have just made one.
const MAX_SESSIONS_OF_ONE: u32 = 8;

/// Sessions kept of devices that we have never written to.
const MAX_SESSIONS_OF_STRANGERS: u32 = 512;

/// Devices kept of those that we have written to; the ones written to last.
const MAX_PEERS: u32 = 1024;

/// Hashes kept of messages. They tell a repeated message from a damaged one, no more: what was opened once cannot be
/// opened again.
const MAX_HASHES: u32 = 1024;

/// Devices and users kept that the homeserver has told us of. What is not there is asked for when it is needed.
const MAX_TOLD: u32 = 2048;

/// Database pages (of 4 KiB) that may be empty before the file is made smaller.
const MAX_EMPTY_PAGES: i64 = 1024;

/// What is kept of rooms, the newest: keys that others have made, our own, and which rooms are encrypted. A key opens what
/// comes within two minutes, so even a flood of them takes nothing that is needed; a room of ours that is pushed out of the
/// last table is asked about again.
const ROOM_TABLES: [(&str, u32); 3] = [
    ("inbound_group_session", 1_024),
    ("outbound_group_session", 64),
    ("room_settings", 1_024),
];

/// What only backups, secrets, verification and the history of rooms need.
const UNUSED_TABLES: [&str; 6] = [
    "direct_withheld_info",
    "key_requests",
    "secrets_inbox",
    "received_room_key_bundle",
    "room_key_backups_fully_downloaded",
    "rooms_pending_key_bundle",
];

/// The removals, for one account's store.
#[derive(Clone)]
pub(crate) struct StoreUpkeep {
    store: AccountStore,
    own_user: String,
}

impl StoreUpkeep {
    pub(crate) fn new(store: AccountStore, own_user: &str) -> Self {
        Self {
            store,
            own_user: own_user.to_owned(),
        }
    }

    /// Removes what is beyond the bounds. `written_to` are new since the last time, `pinned` must stay.
    pub(crate) async fn run(
        &self,
        written_to: BTreeSet<SenderKey>,
        pinned: BTreeSet<SenderKey>,
    ) -> Result<(), StoreError> {
        let upkeep = self.clone();
        let tidied = spawn_blocking(move || upkeep.tidy(&written_to, &pinned)).await;
        match tidied {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fault(&error)),
            Err(error) => Err(self.fault(&error)),
        }
    }

    pub(crate) fn fault(&self, error: &(impl std::error::Error + 'static)) -> StoreError {
        self.store.fault(error)
    }

    fn tidy(
        &self,
        written_to: &BTreeSet<SenderKey>,
        pinned: &BTreeSet<SenderKey>,
    ) -> Result<(), Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut database = Connection::open_with_flags(self.store.database_path(), flags)?;
        let cipher = self.cipher(&database)?;
        let change = database.transaction()?;
        for table in UNUSED_TABLES {
            change.execute(&format!("DELETE FROM {table}"), ())?;
        }
        for (table, limit) in ROOM_TABLES {
            keep_newest(&change, table, limit, None)?;
        }
        // Before sessions go: whoever was written to just now is no stranger.
        note_peers(
            &change,
            written_to.iter().map(|key| hash(&cipher, "session", key)),
        )?;
        remove_sessions(
            &change,
            pinned.iter().map(|key| hash(&cipher, "session", key)),
        )?;
        keep_newest(&change, "olm_hash", MAX_HASHES, None)?;
        for (table, hashed_as) in [
            ("device", "device"),
            ("identity", "identity"),
            ("tracked_user", "tracked_users"),
        ] {
            let own = hash(&cipher, hashed_as, &self.own_user);
            keep_newest(&change, table, MAX_TOLD, Some(own))?;
        }
        change.commit()?;

        // SQLite makes a file smaller outside of transactions only.
        let empty: i64 = database.query_row("PRAGMA freelist_count", (), |row| row.get(0))?;
        if empty > MAX_EMPTY_PAGES {
            database.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    fn cipher(&self, database: &Connection) -> Result<StoreCipher, Fault> {
        let sql = "SELECT value FROM kv WHERE key = 'cipher'";
        let exported: Option<Vec<u8>> = database.query_row(sql, (), |row| row.get(0)).optional()?;
        let exported = exported.ok_or(Fault::NoCipher)?;
        Ok(StoreCipher::import_with_key(self.store.key(), &exported)?)
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Cipher(#[from] matrix_sdk_store_encryption::Error),
    #[error("it holds no cipher")]
    NoCipher,
}

/// As the library's store hashes a key of this table.
fn hash(cipher: &StoreCipher, table: &str, key: &str) -> [u8; 32] {
    cipher.hash_key(table, key.as_bytes())
}

/// Takes down whom we have written to, in the order of the last time.
fn note_peers(
    change: &Transaction<'_>,
    written_to: impl Iterator<Item = [u8; 32]>,
) -> Result<(), rusqlite::Error> {
    change.execute_batch(
        "CREATE TABLE IF NOT EXISTS securecall_peer (
             sender_key BLOB PRIMARY KEY NOT NULL,
             written_to INTEGER NOT NULL
         )",
    )?;
    // Only the order counts, so no clock is asked, which might be set back.
    let next = "SELECT coalesce(max(written_to), 0) + 1 FROM securecall_peer";
    let now: i64 = change.query_row(next, (), |row| row.get(0))?;
    for key in written_to {
        change.execute(
            "INSERT INTO securecall_peer (sender_key, written_to) VALUES (?1, ?2)
             ON CONFLICT (sender_key) DO UPDATE SET written_to = ?2",
            params![key, now],
        )?;
    }
    change.execute(
        "DELETE FROM securecall_peer WHERE sender_key NOT IN
             (SELECT sender_key FROM securecall_peer ORDER BY written_to DESC, rowid DESC LIMIT ?1)",
        [MAX_PEERS],
    )?;
    Ok(())
}

/// A session's row keeps its number when it changes: the greatest number is the newest session.
fn remove_sessions(
    change: &Transaction<'_>,
    pinned: impl Iterator<Item = [u8; 32]>,
) -> Result<(), rusqlite::Error> {
    change.execute_batch("CREATE TEMP TABLE pinned (sender_key BLOB PRIMARY KEY NOT NULL)")?;
    for key in pinned {
        change.execute("INSERT INTO temp.pinned VALUES (?1)", [key])?;
    }
    change.execute(
        "DELETE FROM session WHERE rowid IN (
             SELECT number FROM (
                 SELECT rowid AS number, sender_key, row_number() OVER
                     (PARTITION BY sender_key ORDER BY rowid DESC) AS place
                 FROM session
             ) WHERE place > ?1 AND sender_key NOT IN (SELECT sender_key FROM temp.pinned)
         )",
        [MAX_SESSIONS_OF_ONE],
    )?;
    change.execute(
        "DELETE FROM session WHERE rowid IN (
             SELECT rowid FROM session
             WHERE sender_key NOT IN (SELECT sender_key FROM securecall_peer)
                 AND sender_key NOT IN (SELECT sender_key FROM temp.pinned)
             ORDER BY rowid DESC LIMIT -1 OFFSET ?1
         )",
        [MAX_SESSIONS_OF_STRANGERS],
    )?;
    Ok(())
}

/// Leaves the newest rows of a table, and those of our own user.
fn keep_newest(
    change: &Transaction<'_>,
    table: &str,
    limit: u32,
    own_user: Option<[u8; 32]>,
) -> Result<(), rusqlite::Error> {
    let newest = format!(
        "DELETE FROM {table} WHERE rowid NOT IN
             (SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT ?1)"
    );
    match own_user {
        Some(own) => change.execute(&format!("{newest} AND user_id != ?2"), params![limit, own]),
        None => change.execute(&newest, [limit]),
    }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use matrix_sdk_sqlite::SqliteCryptoStore;
    use tempfile::TempDir;

    use super::*;
    use crate::StoreKey;

    const OWN: &str = "@own:homeserver.test";

    /// A store as the library makes it, with rows that nobody reads.
    struct Rows {
        upkeep: StoreUpkeep,
        database: Connection,
        cipher: StoreCipher,
        _opened: SqliteCryptoStore,
        _directory: TempDir,
    }

    impl Rows {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = AccountStore::new(directory.path(), StoreKey::new([7; 32]));
            let opened = store.open().await.unwrap();
            let database = Connection::open(store.database_path()).unwrap();
            let upkeep = StoreUpkeep::new(store, OWN);
            let cipher = upkeep.cipher(&database).unwrap();
            Self {
                upkeep,
                database,
                cipher,
                _opened: opened,
                _directory: directory,
            }
        }

        /// Rows with the numbers `range` in the columns that must not be empty; all in one transaction, for speed.
        fn fill(&mut self, table: &str, values: &str, range: std::ops::Range<u32>) {
            let change = self.database.transaction().unwrap();
            let sql = format!("INSERT INTO {table} VALUES ({values})");
            for number in range {
                change.execute(&sql, [number]).unwrap();
            }
            change.commit().unwrap();
        }

        fn add_session(&self, number: u32, sender: &str) {
            let key = hash(&self.cipher, "session", sender);
            let sql = "INSERT INTO session (session_id, sender_key, data) VALUES (?1, ?2, '')";
            self.database.execute(sql, params![number, key]).unwrap();
        }

        fn sessions_of(&self, sender: &str) -> Vec<u32> {
            let key = hash(&self.cipher, "session", sender);
            let sql = "SELECT session_id FROM session WHERE sender_key = ?1 ORDER BY rowid";
            let mut rows = self.database.prepare(sql).unwrap();
            let ids = rows.query_map([key], |row| row.get(0)).unwrap();
            ids.collect::<Result<_, _>>().unwrap()
        }

        fn number(&self, sql: &str) -> u32 {
            self.database.query_row(sql, (), |row| row.get(0)).unwrap()
        }

        fn count(&self, table: &str) -> u32 {
            self.number(&format!("SELECT count(*) FROM {table}"))
        }

        async fn tidy(&self, written_to: &[&str], pinned: &[&str]) {
            let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
            let done = self.upkeep.run(keys(written_to), keys(pinned)).await;
            done.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_kept_of_rooms_is_bounded_and_the_oldest_goes() {
        let mut rows = Rows::new().await;
        for (table, column, values) in [
            (
                "inbound_group_session",
                "session_id",
                "?1, '', 0, '', NULL, NULL",
            ),
            ("outbound_group_session", "room_id", "?1, ''"),
            ("room_settings", "room_id", "?1, ''"),
        ] {
            let limit = ROOM_TABLES.iter().find(|it| it.0 == table).unwrap().1;
            rows.fill(table, values, 0..limit);
            rows.tidy(&[], &[]).await;
            assert_eq!(rows.count(table), limit, "{table}");
            rows.fill(table, values, limit..limit + 3);
            rows.tidy(&[], &[]).await;
            assert_eq!(rows.count(table), limit, "{table}");
            let oldest = rows.number(&format!("SELECT min({column}) FROM {table}"));
            assert_eq!(oldest, 3, "{table}");
        }
    }

    #[tokio::test]
    async fn tables_that_nobody_needs_are_emptied() {
        let mut rows = Rows::new().await;
        for (table, values) in [
            ("direct_withheld_info", "?1, '', ''"),
            ("key_requests", "?1, 0, ''"),
            ("secrets_inbox", "?1, ''"),
            ("received_room_key_bundle", "?1, '', ''"),
            ("room_key_backups_fully_downloaded", "?1"),
            ("rooms_pending_key_bundle", "?1, ''"),
        ] {
            rows.fill(table, values, 0..3);
            assert_eq!(rows.count(table), 3, "{table}");
            rows.tidy(&[], &[]).await;
            assert_eq!(rows.count(table), 0, "{table}");
        }
    }

    #[tokio::test]
    async fn what_the_homeserver_tells_is_bounded_and_the_oldest_goes_but_our_own() {
        let mut rows = Rows::new().await;
        for (table, hashed_as, column, values) in [
            ("device", "device", "user_id", "?1, '', ''"),
            ("identity", "identity", "user_id", "?1, ''"),
            ("tracked_user", "tracked_users", "user_id", "?1, ''"),
            ("olm_hash", "", "data", "?1"),
        ] {
            let (limit, is_told) = match table {
                "olm_hash" => (MAX_HASHES, false),
                _ => (MAX_TOLD, true),
            };
            rows.fill(table, values, 0..1);
            if is_told {
                let own = hash(&rows.cipher, hashed_as, OWN);
                let sql = format!("UPDATE {table} SET user_id = ?1");
                rows.database.execute(&sql, [own]).unwrap();
            }
            rows.fill(table, values, 1..limit + 3);
            rows.tidy(&[], &[]).await;
            assert_eq!(rows.count(table), limit + u32::from(is_told), "{table}");
            let oldest = rows.number(&format!(
                "SELECT min({column}) FROM {table} WHERE typeof({column}) = 'integer'"
            ));
            assert_eq!(oldest, 3, "{table}");
        }
    }

    #[tokio::test]
    async fn sessions_of_strangers_are_bounded_and_the_newest_stay() {
        let rows = Rows::new().await;
        // The oldest of all: one that is written to, and one that is in a call.
        rows.add_session(0, "peer");
        rows.add_session(1, "pinned");
        for number in 2..MAX_SESSIONS_OF_STRANGERS + 5 {
            rows.add_session(number, &format!("stranger{number}"));
        }
        rows.tidy(&["peer"], &["pinned"]).await;
        assert_eq!(rows.count("session"), MAX_SESSIONS_OF_STRANGERS + 2);
        for gone in ["stranger2", "stranger4"] {
            assert!(rows.sessions_of(gone).is_empty(), "{gone}");
        }
        assert_eq!(rows.sessions_of("stranger5"), [5]);
        // Who was written to stays known; who is in no call any more does not.
        rows.tidy(&[], &[]).await;
        assert_eq!(rows.sessions_of("peer"), [0]);
        assert!(rows.sessions_of("pinned").is_empty());
    }

    #[tokio::test]
    async fn the_newest_sessions_of_one_device_stay_and_all_while_there_is_a_call() {
        let rows = Rows::new().await;
        for number in 0..MAX_SESSIONS_OF_ONE + 2 {
            rows.add_session(number, "peer");
            rows.add_session(100 + number, "pinned");
        }
        rows.tidy(&["peer", "pinned"], &["pinned"]).await;
        let newest: Vec<u32> = (2..MAX_SESSIONS_OF_ONE + 2).collect();
        assert_eq!(rows.sessions_of("peer"), newest);
        let all = usize::try_from(MAX_SESSIONS_OF_ONE).unwrap() + 2;
        assert_eq!(rows.sessions_of("pinned").len(), all);
    }

    #[tokio::test]
    async fn the_peers_that_were_written_to_last_are_known() {
        let rows = Rows::new().await;
        let names: Vec<String> = (0..MAX_PEERS)
            .map(|number| format!("peer{number}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        rows.tidy(&names[..1], &[]).await;
        rows.tidy(&names[1..2], &[]).await;
        rows.tidy(&names[2..], &[]).await;
        // Again, so that it is not the oldest any more.
        rows.tidy(&names[..1], &[]).await;
        rows.tidy(&["one more"], &[]).await;
        assert_eq!(rows.count("securecall_peer"), MAX_PEERS);
        let is_known = |name: &str| {
            let key = hash(&rows.cipher, "session", name);
            let sql = "SELECT count(*) FROM securecall_peer WHERE sender_key = ?1";
            let known: u32 = rows
                .database
                .query_row(sql, [key], |row| row.get(0))
                .unwrap();
            known == 1
        };
        assert!(is_known(names[0]) && is_known("one more"));
        assert!(!is_known(names[1]));
    }

    #[tokio::test]
    async fn a_file_that_is_mostly_empty_is_made_smaller() {
        let mut rows = Rows::new().await;
        let is_empty = "PRAGMA freelist_count";
        let pages = u32::try_from(MAX_EMPTY_PAGES).unwrap();
        for (filler, left) in [(pages / 2, true), (pages + 100, false)] {
            rows.fill("direct_withheld_info", "?1, '', zeroblob(4000)", 0..filler);
            rows.tidy(&[], &[]).await;
            assert_eq!(rows.number(is_empty) > 0, left, "{filler}");
        }
    }

    #[tokio::test]
    async fn a_store_without_its_cipher_is_not_touched() {
        let mut rows = Rows::new().await;
        rows.fill("secrets_inbox", "?1, ''", 0..1);
        rows.database
            .execute("DELETE FROM kv WHERE key = 'cipher'", ())
            .unwrap();
        let outcome = rows.upkeep.run(BTreeSet::new(), BTreeSet::new()).await;
        assert!(
            matches!(outcome, Err(StoreError::Damaged { .. })),
            "{outcome:?}"
        );
        assert_eq!(rows.count("secrets_inbox"), 1);
    }
}

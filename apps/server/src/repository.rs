//! What the server keeps, in SQLite or PostgreSQL. Both are told the same text: what one of them does not know is not used.

mod enrolments;
mod invitations;
mod operators;
mod sales;
mod users;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, ConnectOptions as _, Executor as _, SqlSafeStr as _};

use crate::config::{DatabaseConfig, DatabaseLocation};

pub(crate) use enrolments::{Admission, Applicant};
pub(crate) use invitations::NewInvitation;
pub(crate) use users::UserState;

/// How long a request waits for a connection: less than for its own answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// SQLite has one writer at a time; the others wait this long.
const BUSY: &str = "PRAGMA busy_timeout = 8000";

/// Readers do not wait for the writer. What a power cut takes is the last moment, and never part of a transaction.
const SQLITE_MANNERS: [&str; 4] = [
    BUSY,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = ON",
];

/// Each is run once, in this order, and never changed afterwards.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "first", include_str!("../migrations/1_first.sql")),
    (
        2,
        "operators",
        include_str!("../migrations/2_operators.sql"),
    ),
];

/// Why something was not kept or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepositoryError {
    /// The database does not do it. The text may name it, and is for the operator.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// It was made by a later version, or changed by somebody.
    #[error("the database's tables: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Something in it that this program has not written.
    #[error("the database holds {0:?}, which this version does not know")]
    Unknown(String),
}

/// The tables.
#[derive(Clone)]
pub(crate) struct Repository {
    pool: AnyPool,
}

impl Repository {
    /// Opens it, and brings its tables up to date. SQLite's file is made if it is not there.
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self, RepositoryError> {
        let repository = Self::connect(config).await?;
        repository.migrate().await?;
        Ok(repository)
    }

    async fn migrate(&self) -> Result<(), RepositoryError> {
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
            Migration::new(version, name.into(), MigrationType::Simple, sql, false)
        });
        Migrator::with_migrations(migrations.into())
            .run(&self.pool)
            .await?;
        Ok(())
    }

    /// The same without a look at its tables.
    pub(crate) async fn connect(config: &DatabaseConfig) -> Result<Self, RepositoryError> {
        sqlx::any::install_default_drivers();
        let is_sqlite = matches!(config.location, DatabaseLocation::Sqlite(_));
        let url = match &config.location {
            DatabaseLocation::Sqlite(path) => sqlite_url(path),
            DatabaseLocation::Postgres(url) => url.clone(),
        };
        // sqlx would log each query.
        let options = url
            .parse::<AnyConnectOptions>()?
            .disable_statement_logging();
        let pool = AnyPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_sqlite {
                        for manner in SQLITE_MANNERS {
                            connection.execute(manner).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<(), RepositoryError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// A copy in a new file, of one moment: SQLite only.
    pub(crate) async fn copy_to(&self, file: &str) -> Result<(), RepositoryError> {
        sqlx::query("VACUUM INTO $1")
            .bind(file)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends its connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Each octet that could mean something in a URL is written as its number.
fn sqlite_url(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;

    let mut url = String::from("sqlite://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                url.push(char::from(*byte));
            }
            other => {
                let _ = write!(url, "%{other:02X}");
            }
        }
    }
    url.push_str("?mode=rwc");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty database in memory would be one for each connection: a file it is.
    pub(super) async fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let config = DatabaseConfig {
            location: DatabaseLocation::Sqlite(folder.path().join("a b%?#.db")),
            connections: 4,
        };
        let repository = Repository::open(&config).await.unwrap();
        (folder, repository)
    }

    #[tokio::test]
    async fn what_is_deleted_is_not_left_in_the_file() {
        let (folder, repository) = repository().await;
        let code = "abcd-efgh".parse().unwrap();
        let note = "for somebody who is not to be known";
        let invitation = NewInvitation {
            id: "one",
            code: &code,
            note,
            uses: 1,
            not_after: securecall_ghostnet::UnixTime::from_secs(1_000),
        };
        repository.add_invitation(&invitation).await.unwrap();
        let holds_note = || {
            let bytes = std::fs::read(folder.path().join("a b%?#.db")).unwrap();
            bytes.windows(note.len()).any(|it| it == note.as_bytes())
        };
        // So that it is in the file itself, and not only in what is yet to be written there.
        let checkpoint =
            || sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&repository.pool);
        checkpoint().await.unwrap();
        assert!(holds_note());
        repository.revoke_invitation("one").await.unwrap();
        checkpoint().await.unwrap();
        assert!(!holds_note());
    }

    #[tokio::test]
    async fn a_file_of_any_name_is_made_and_opened_again() {
        let (folder, repository) = repository().await;
        repository.ping().await.unwrap();
        repository.close().await;
        assert!(folder.path().join("a b%?#.db").is_file());
        let config = DatabaseConfig {
            location: DatabaseLocation::Sqlite(folder.path().join("a b%?#.db")),
            connections: 4,
        };
        Repository::open(&config).await.unwrap();
    }
}

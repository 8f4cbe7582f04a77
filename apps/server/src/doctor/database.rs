//! A homeserver's database, read and never written.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use securecall_daemon::{Failure, FailureKind};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::settings::Settings;
use crate::config::DatabaseLocation;

/// How long the homeserver may be writing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where rows are. It can hold a password and is not shown.
#[derive(Clone)]
pub(super) enum Location {
    /// Files of SQLite: several make one database.
    Sqlite(Vec<PathBuf>),
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    pub(super) fn of_url(url: &DatabaseLocation) -> Result<Self, Failure> {
        match url {
            DatabaseLocation::Sqlite(path) => Ok(Self::Sqlite(vec![path.clone()])),
            DatabaseLocation::Postgres(url) => {
                let options = PgConnectOptions::from_str(url);
                // The error may repeat the URL, and with it a password.
                let options = options
                    .map_err(|_| Failure::usage("the URL of the database is not understood"))?;
                Ok(Self::Postgres(Box::new(options)))
            }
        }
    }

    /// As Synapse's settings name it.
    pub(super) fn of_synapse(settings: &Settings) -> Option<Self> {
        let name = settings.text("database.name")?;
        let args = settings.at("database.args");
        let arg = |key: &str| args.and_then(|args| args.get(key));
        let text = |key: &str| arg(key).and_then(Value::as_str);
        if name == "sqlite3" {
            let path = settings.file(text("database")?);
            return Some(Self::Sqlite(vec![path]));
        }
        let mut options = PgConnectOptions::new();
        if let Some(user) = text("user") {
            options = options.username(user);
        }
        if let Some(password) = text("password") {
            options = options.password(password);
        }
        if let Some(name) = text("dbname").or_else(|| text("database")) {
            options = options.database(name);
        }
        if let Some(host) = text("host") {
            options = options.host(host);
        }
        let port = arg("port").and_then(|port| {
            let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
            number.or_else(|| port.as_str().and_then(|port| port.parse().ok()))
        });
        if let Some(port) = port {
            options = options.port(port);
        }
        Some(Self::Postgres(Box::new(options)))
    }

    /// As Dendrite's settings name it: one of PostgreSQL, or a file for each part.
    pub(super) fn of_dendrite(settings: &Settings) -> Option<Self> {
        if let Some(url) = settings.text("global.database.connection_string")
            && !url.starts_with("file:")
        {
            let options = PgConnectOptions::from_str(url).ok()?;
            return Some(Self::Postgres(Box::new(options)));
        }
        let parts = [
            "app_service_api.database",
            "federation_api.database",
            "key_server.database",
            "media_api.database",
            "relay_api.database",
            "room_server.database",
            "sync_api.database",
            "user_api.account_database",
        ];
        let mut files = Vec::new();
        for part in parts {
            let text = settings.text(&format!("{part}.connection_string"));
            if let Some(file) = text.and_then(|text| text.strip_prefix("file:")) {
                let file = file.trim_start_matches("//");
                let path = settings.file(file);
                // It makes no file for a part that it does not run.
                if path.exists() {
                    files.push(path);
                }
            }
        }
        (!files.is_empty()).then_some(Self::Sqlite(files))
    }
}

/// Open databases.
pub(super) enum Database {
    Sqlite(Vec<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Database {
    pub(super) async fn open(location: &Location) -> Result<Self, Failure> {
        match location {
            Location::Sqlite(paths) => {
                let mut open = Vec::new();
                for path in paths {
                    open.push(open_file(path).await?);
                }
                Ok(Self::Sqlite(open))
            }
            Location::Postgres(options) => {
                let options = options
                    .as_ref()
                    .clone()
                    .application_name("securecall-server doctor")
                    .ssl_mode(PgSslMode::Prefer)
                    .options([
                        ("default_transaction_read_only", "on"),
                        ("statement_timeout", "60000"),
                    ])
                    .disable_statement_logging();
                let connection = PgConnection::connect_with(&options).await;
                let connection = connection.map_err(|error| {
                    Failure::new(FailureKind::Network, format!("PostgreSQL: {error}"))
                })?;
                Ok(Self::Postgres(Box::new(connection)))
            }
        }
    }

    /// How many rows a query counts; `None` where there is no such table. The query has one parameter: a time in milliseconds.
    pub(super) async fn count(
        &mut self,
        table: &'static str,
        query: &'static str,
        before: i64,
    ) -> Result<Option<i64>, Failure> {
        let failed = |error: sqlx::Error| Failure::machine(format!("{table}: {error}"));
        match self {
            Self::Sqlite(open) => {
                let mut found = None;
                for connection in open {
                    let is_there: i64 = sqlx::query_scalar(
                        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
                    )
                    .bind(table)
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(failed)?;
                    if is_there == 0 {
                        continue;
                    }
                    let count: i64 = sqlx::query_scalar(query)
                        .bind(before)
                        .fetch_one(&mut *connection)
                        .await
                        .map_err(failed)?;
                    found = Some(found.unwrap_or(0) + count);
                }
                Ok(found)
            }
            Self::Postgres(connection) => {
                let is_there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
                    .bind(table)
                    .fetch_one(&mut **connection)
                    .await
                    .map_err(failed)?;
                if !is_there {
                    return Ok(None);
                }
                let count: i64 = sqlx::query_scalar(query)
                    .bind(before)
                    .fetch_one(&mut **connection)
                    .await
                    .map_err(failed)?;
                Ok(Some(count))
            }
        }
    }

    /// A setting of PostgreSQL; SQLite has none.
    pub(super) async fn setting(&mut self, name: &'static str) -> Result<Option<String>, Failure> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(connection) => {
                sqlx::query_scalar("SELECT setting FROM pg_settings WHERE name = $1")
                    .bind(name)
                    .fetch_optional(&mut **connection)
                    .await
                    .map_err(|error| Failure::machine(format!("pg_settings: {error}")))
            }
        }
    }
}

async fn open_file(path: &Path) -> Result<SqliteConnection, Failure> {
    if matches!(path.try_exists(), Ok(false)) {
        return Err(
            Failure::usage(format!("{}: there is no such file", path.display())).help(
                "the homeserver makes it when it first runs; if it has run, `--database-url` names the right one",
            ),
        );
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let connection = SqliteConnection::connect_with(&options).await;
    connection.map_err(|error| {
        Failure::machine(format!("{}: {error}", path.display()))
            .help("run doctor on the homeserver's machine, as root")
    })
}

//! `securecall-server backup`: a copy of SQLite's file, while the server runs.

use std::path::Path;

use securecall_daemon::{Failure, Output};
use serde_json::json;

use crate::cli::Cli;
use crate::config::{Config, DatabaseLocation};
use crate::repository::Repository;
use crate::server::database_failure;

pub(crate) async fn run(cli: &Cli, file: &Path, output: Output) -> Result<(), Failure> {
    let config = Config::load(&cli.global.config)?;
    match &config.database.location {
        DatabaseLocation::Postgres(_) => {
            return Err(Failure::usage("the database is PostgreSQL's")
                .help("pg_dump makes its backups, with the homeserver's"));
        }
        DatabaseLocation::Sqlite(path) if !path.is_file() => {
            return Err(Failure::usage(format!(
                "{}: there is no database yet",
                path.display()
            )));
        }
        DatabaseLocation::Sqlite(_) => {}
    }
    let Some(name) = file.to_str().filter(|_| !file.exists()) else {
        return Err(
            Failure::usage(format!("{} is there already", file.display()))
                .help("name a file that is not there"),
        );
    };
    let repository = Repository::connect(&config.database)
        .await
        .map_err(database_failure)?;
    let done = repository.copy_to(name).await.map_err(database_failure);
    repository.close().await;
    done?;
    output.result(
        &json!({ "type": "backup", "file": name }),
        &format!("{name} is a copy as of now. The secrets beside server.toml are not in it."),
    );
    Ok(())
}

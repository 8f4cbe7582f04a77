//! `securecall-server backup`: a copy of SQLite's file, while the server runs.

use std::path::Path;

use securecall_daemon::file::write_new;
use securecall_daemon::{Failure, Output};
use serde_json::json;

use crate::cli::Cli;
use crate::config::{Config, DatabaseLocation};
use crate::repository::{Repository, RepositoryError};
use crate::server::database_failure;

pub(crate) async fn run(cli: &Cli, file: &Path, output: Output) -> Result<(), Failure> {
    let config = Config::load(&cli.global.config)?;
    match &config.database.location {
        DatabaseLocation::Postgres(_) => {
            return Err(Failure::usage("the database is PostgreSQL's")
                .help("pg_dump makes its backups, with the homeserver's"));
        }
        DatabaseLocation::Sqlite(path) if !path.is_file() => {
            return Err(
                Failure::usage(format!("{}: there is no database yet", path.display()))
                    .help("`securecall-server run` makes it, the first time"),
            );
        }
        DatabaseLocation::Sqlite(_) => {}
    }
    let Some(name) = file.to_str() else {
        return Err(
            Failure::usage(format!("{}: this name is no text", file.display()))
                .help("name a file in letters that SQLite can be told"),
        );
    };
    // Made here, for its owner alone: SQLite would let all read it, and takes an empty file.
    if !write_new(file, b"")? {
        return Err(
            Failure::usage(format!("{} is there already", file.display()))
                .help("name a file that is not there"),
        );
    }
    if let Err(error) = copy(&config, name).await {
        // Half a copy is none, and would be in the way of the next.
        let _ = std::fs::remove_file(file);
        return Err(database_failure(error).help(
            "is there room for the copy, and may this user read the database and write there?",
        ));
    }
    output.result(
        &json!({ "type": "backup", "file": name }),
        &format!("{name} is a copy as of now. The secrets beside server.toml are not in it."),
    );
    Ok(())
}

async fn copy(config: &Config, name: &str) -> Result<(), RepositoryError> {
    let repository = Repository::connect(&config.database).await?;
    let done = repository.copy_to(name).await;
    repository.close().await;
    done
}

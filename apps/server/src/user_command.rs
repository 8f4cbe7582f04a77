//! `securecall-server user`: who has an account, who waits for one, who is shut out.

use securecall_contact::{MatrixId, SecureCallId};
use securecall_daemon::{Failure, FailureKind, Output, unix_time};
use serde_json::json;

use crate::cli::{Cli, UserCommand};
use crate::config::Config;
use crate::day::Day;
use crate::homeserver::Homeserver;
use crate::operators::{self, OperatorError};
use crate::repository::{Repository, UserState};
use crate::server::database_failure;

pub(crate) async fn run(cli: &Cli, command: &UserCommand, output: Output) -> Result<(), Failure> {
    let config = Config::load(&cli.global.config)?;
    let repository = Repository::open(&config.database)
        .await
        .map_err(database_failure)?;
    let done = obey(&config, &repository, command, output).await;
    repository.close().await;
    done
}

async fn obey(
    config: &Config,
    repository: &Repository,
    command: &UserCommand,
    output: Output,
) -> Result<(), Failure> {
    let today = Day::of(unix_time());
    match command {
        UserCommand::List { waiting } => {
            let state = waiting.then_some(UserState::Waiting);
            let users = repository.users(state).await.map_err(database_failure)?;
            if users.is_empty() {
                output.remark(match state {
                    Some(_) => "Nobody waits for approval.",
                    None => "Nobody has enrolled yet.",
                });
            }
            for user in users {
                let matrix_id = format!("@sc_{}:{}", user.id, config.domain);
                let (state, day) = (user.state.word(), user.day.to_string());
                output.result(
                    &json!({ "type": "user", "matrix_id": matrix_id, "state": state, "day": day }),
                    &format!("{matrix_id}  {state:<9} {day}"),
                );
            }
            Ok(())
        }
        UserCommand::Approve { who } => {
            let (id, matrix_id) = who_is(config, who)?;
            let moved = repository
                .move_user(&id, &[UserState::Waiting], UserState::Approved, today)
                .await
                .map_err(database_failure)?;
            if !moved {
                return Err(
                    Failure::usage(format!("{matrix_id} does not wait for approval"))
                        .help("`securecall-server user list --waiting` shows who does"),
                );
            }
            output.result(
                &json!({ "type": "user", "matrix_id": matrix_id.as_str(), "state": "approved" }),
                &format!("{matrix_id} gets the account when they run `securecall register` again."),
            );
            Ok(())
        }
        UserCommand::Disable { who } => disable(config, repository, who, today, output).await,
    }
}

/// First here, so that nobody is let in again; then at the homeserver.
async fn disable(
    config: &Config,
    repository: &Repository,
    who: &str,
    today: Day,
    output: Output,
) -> Result<(), Failure> {
    let (id, matrix_id) = who_is(config, who)?;
    let homeserver = Homeserver::new(&config.homeserver, &config.domain)?;
    let before = repository.user_state(&id).await.map_err(database_failure)?;
    repository
        .disable_user(&id, today)
        .await
        .map_err(database_failure)?;
    // Who has only waited has no account there.
    let has_account = !matches!(before, Some(UserState::Waiting | UserState::Approved));
    if has_account {
        operators::lock_out(&homeserver, repository, &matrix_id, unix_time())
            .await
            .map_err(|error| match error {
                OperatorError::Repository(error) => database_failure(error),
                OperatorError::Homeserver(error) => Failure::new(
                    FailureKind::Network,
                    format!("{matrix_id} gets nothing from this server any more, but {error}: their sessions go on"),
                )
                .help("run the same command again when the homeserver answers"),
            })?;
    }
    output.result(
        &json!({ "type": "user", "matrix_id": matrix_id.as_str(), "state": "disabled" }),
        &format!("{matrix_id} is shut out."),
    );
    Ok(())
}

/// A SecureCall ID, or the Matrix ID that holds it.
fn who_is(config: &Config, who: &str) -> Result<(SecureCallId, MatrixId), Failure> {
    let help = "give the SecureCall ID or the Matrix ID, as `securecall-server user list` shows it";
    let wrong =
        |what: &dyn std::fmt::Display| Failure::usage(format!("{who:?}: {what}")).help(help);
    if !who.starts_with('@') {
        let id: SecureCallId = who.parse().map_err(|error| wrong(&error))?;
        return Ok((id, MatrixId::of_securecall_id(&id, &config.domain)));
    }
    let matrix_id: MatrixId = who.parse().map_err(|error| wrong(&error))?;
    if *matrix_id.server_name() != config.domain {
        return Err(wrong(&"this is an account of another server"));
    }
    match matrix_id.securecall_id() {
        Some(id) => Ok((*id, matrix_id)),
        None => Err(wrong(&"this account has no SecureCall ID in its name")),
    }
}

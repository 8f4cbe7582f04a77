//! Administrators of the homeserver, each for the time of one command.
//!
//! That one is made is written down before, and struck out when it is gone. What a crash leaves in between is ended by the next command,
//! or by the server that runs.

use securecall_contact::MatrixId;
use securecall_ghostnet::UnixTime;

use crate::homeserver::{Homeserver, HomeserverError, Operator, new_operator_name};
use crate::repository::{Repository, RepositoryError};

/// More than a command takes: each of its requests has 20 s. Where one takes longer nevertheless, it fails and can be repeated.
const LIFETIME: u64 = 180;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    #[error(transparent)]
    Homeserver(#[from] HomeserverError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Shuts an account out, and ends what earlier commands have left.
pub(crate) async fn lock_out(
    homeserver: &Homeserver,
    repository: &Repository,
    user: &MatrixId,
    now: UnixTime,
) -> Result<(), OperatorError> {
    let left = repository.left_operators(now).await?;
    let name = new_operator_name();
    let operator = appoint(homeserver, repository, &name, now).await?;
    let done = operator.lock_out(user).await;
    if let Err(error) = conclude(operator, repository, &name, &left).await {
        tracing::warn!(%error, "an administrator of the homeserver is left; the server that runs will end it");
    }
    Ok(done?)
}

/// Ends what commands have left, if they have left any.
pub(crate) async fn end_left(
    homeserver: &Homeserver,
    repository: &Repository,
    now: UnixTime,
) -> Result<(), OperatorError> {
    let left = repository.left_operators(now).await?;
    if left.is_empty() {
        return Ok(());
    }
    let name = new_operator_name();
    let operator = appoint(homeserver, repository, &name, now).await?;
    conclude(operator, repository, &name, &left).await
}

async fn appoint<'a>(
    homeserver: &'a Homeserver,
    repository: &Repository,
    name: &str,
    now: UnixTime,
) -> Result<Operator<'a>, OperatorError> {
    // A homeserver that is down would leave a line each time.
    homeserver.makes_accounts().await?;
    repository.add_operator(name, now.plus(LIFETIME)).await?;
    let appointed = homeserver.appoint(name).await;
    if let Err(HomeserverError::Refused { .. }) = appointed {
        repository.forget_operator(name).await?;
    }
    // After any other failure it may be there nevertheless.
    Ok(appointed?)
}

/// Ends those that are left, as far as that goes, and then the one that did it.
async fn conclude(
    operator: Operator<'_>,
    repository: &Repository,
    name: &str,
    left: &[String],
) -> Result<(), OperatorError> {
    let mut ended = Ok(());
    for other in left {
        if let Err(error) = operator.end(other).await {
            ended = Err(error.into());
            continue;
        }
        repository.forget_operator(other).await?;
    }
    operator.retire().await?;
    repository.forget_operator(name).await?;
    ended
}

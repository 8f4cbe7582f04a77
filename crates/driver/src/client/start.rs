//! The first sync, where the homeserver cannot be reached at first.

use std::time::Duration;

use securecall_matrix::{Account, Inbox, StartError};
use web_time::Instant;

use crate::clock;

/// Between two tries: from the first to the second figure, doubling.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// How long a start that does not wait tries again: a server that restarts, a network that comes up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first sync of an account, tried until it works.
#[derive(Debug)]
pub(crate) struct FirstSync {
    account: Account,
    /// Whether rooms are synced as well.
    rooms: bool,
    wait: Duration,
}

impl FirstSync {
    pub(crate) fn of(account: &Account, rooms: bool) -> Self {
        Self {
            account: account.clone(),
            rooms,
            wait: RETRY.0,
        }
    }

    /// Tries once.
    pub(crate) async fn once(&self) -> Result<Inbox, StartError> {
        match self.rooms {
            true => self.account.start_with_rooms().await,
            false => self.account.start().await,
        }
    }

    /// Tries until it works, or a few seconds are over, or trying is of no use.
    pub(crate) async fn within_patience(&mut self) -> Result<Inbox, StartError> {
        let begun = clock::now();
        loop {
            match self.once().await {
                Err(StartError::Server(error))
                    if error.may_pass() && self.fits_patience(begun, error.asked_wait()) =>
                {
                    tracing::info!(%error, "the homeserver did not take the first sync");
                    self.pause(error.asked_wait()).await;
                }
                other => return other,
            }
        }
    }

    /// Tries until it works or trying is of no use, after a first try that failed.
    pub(crate) async fn until_it_works(
        mut self,
        asked_wait: Duration,
    ) -> Result<Inbox, StartError> {
        self.pause(asked_wait).await;
        loop {
            match self.once().await {
                Err(StartError::Server(error)) if error.may_pass() => {
                    tracing::debug!(%error, "the homeserver did not take the first sync");
                    self.pause(error.asked_wait()).await;
                }
                other => return other,
            }
        }
    }

    fn fits_patience(&self, begun: Instant, asked_wait: Duration) -> bool {
        let next = clock::now() + self.wait.max(asked_wait);
        next.saturating_duration_since(begun) < PATIENCE
    }

    async fn pause(&mut self, asked_wait: Duration) {
        const LONGEST: Duration = Duration::from_secs(60);
        tokio::time::sleep(self.wait.max(asked_wait.min(LONGEST))).await;
        self.wait = (self.wait * 2).min(RETRY.1);
    }
}

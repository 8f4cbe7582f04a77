//! The sync of an account: begun, and ended with an empty inbox.

use tracing::warn;

use crate::{Account, Inbox, ServerError, inbox::inbox, syncer::SyncTask};

/// Why no sync runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The account's inbox is with somebody, and there is but one.
    #[error("the account is synced already")]
    AlreadyStarted,
    /// The first sync failed.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Account {
    /// Syncs once and then goes on syncing. After this, a call placed to this device will arrive: its keys are on the
    /// server, and what others send comes out of the inbox.
    ///
    /// # Errors
    ///
    /// When the first sync fails. Later failures are reported by the inbox, and repaired.
    pub async fn start(&self) -> Result<Inbox, StartError> {
        self.start_with(false).await
    }

    /// Like [`start`](Self::start), and the inbox has [`Incoming::Room`](crate::Incoming::Room) as well: calls of accounts
    /// without a known key go through rooms. The homeserver is asked for what calls need of them and no more; but what is
    /// encrypted comes whatever it is, so that every message in an encrypted room ends a poll.
    ///
    /// A device that has never synced begins with what comes from then on: invitations and calls of before stay where
    /// they are.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with_rooms(&self) -> Result<Inbox, StartError> {
        self.start_with(true).await
    }

    async fn start_with(&self, rooms: bool) -> Result<Inbox, StartError> {
        let mut task = self.sync_task().lock().await;
        if task.is_some() {
            return Err(StartError::AlreadyStarted);
        }
        self.syncer().want_rooms(rooms);
        self.olm().tidy_or_warn().await;
        let mut early = self.upload_keys().await?;
        if let Err(error) = self.note_set_up().await {
            warn!(%error, "the account store failed; the keys will be looked for again");
        }
        early.extend(self.syncer().first_sync().await?);
        let (sender, inbox) = inbox(early);
        *task = Some(SyncTask::start(self.syncer().clone(), sender));
        Ok(inbox)
    }

    /// Ends the sync and empties this device's inbox on the server, which keeps a message until the sync after the one
    /// that brought it. What comes out of it still goes to the [`Inbox`], if there is one.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be reached; then the messages stay there until the next time.
    pub async fn drain(&self) -> Result<(), ServerError> {
        let task = self.stop_syncing().await;
        let sender = task.as_ref().map(SyncTask::sender);
        let drained = self.syncer().drain_into(sender).await;
        self.olm().tidy_or_warn().await;
        drained
    }
}

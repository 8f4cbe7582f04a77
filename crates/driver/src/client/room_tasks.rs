//! What is asked of the homeserver because of something in a room, each in a task of its own.

use securecall_contact::RoomId;
use securecall_matrix::{Account, RoomError, RoomFacts, RoomInvite};
use tokio::task::JoinSet;

/// Invitations that are accepted at once.
const MAX_JOINS: usize = 4;

/// The questions about rooms that are under way, and the invitations that are being accepted.
#[derive(Default)]
pub(super) struct RoomTasks {
    questions: JoinSet<(RoomId, Result<RoomFacts, RoomError>)>,
    joins: JoinSet<()>,
}

impl RoomTasks {
    /// Asks what a room is like.
    pub(super) fn ask(&mut self, account: &Account, room: RoomId) {
        let account = account.clone();
        self.questions.spawn(async move {
            let facts = account.room_facts(&room).await;
            (room, facts)
        });
    }

    /// Accepts an invitation.
    pub(super) fn join(&mut self, account: &Account, invite: RoomInvite) {
        while self.joins.try_join_next().is_some() {}
        if self.joins.len() >= MAX_JOINS {
            tracing::warn!("too many invitations to rooms at once: one is left as it is");
            return;
        }
        let account = account.clone();
        self.joins.spawn(async move {
            if let Err(error) = account.join(&invite).await {
                tracing::info!(%error, "an invitation to a room was not accepted");
            }
        });
    }

    /// The next answer about a room; for ever while nothing is asked. Nothing is lost if the wait is cut short.
    pub(super) async fn answer(&mut self) -> (RoomId, Result<RoomFacts, RoomError>) {
        loop {
            match self.questions.join_next().await {
                Some(Ok(answer)) => return answer,
                Some(Err(error)) => {
                    tracing::error!(%error, "a question about a room failed inside");
                }
                None => std::future::pending().await,
            }
        }
    }
}

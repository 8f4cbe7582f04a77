//! What is asked of the homeserver because of something in a room, each in a task of its own.

use std::collections::HashMap;

use securecall_contact::RoomId;
use securecall_matrix::{Account, RoomError, RoomFacts, RoomInvite};
use tokio::task::{Id, JoinSet};

/// What is done.
pub(super) enum Done {
    /// A question about a room has its answer.
    Facts(RoomId, Result<RoomFacts, RoomError>),
    /// We are in the room that we were invited to, or not.
    Joined(RoomId, bool),
}

/// The questions about rooms that are under way, and the invitations that are being accepted.
#[derive(Default)]
pub(super) struct RoomTasks {
    tasks: JoinSet<Done>,
    /// Calls may wait for these, whatever becomes of their tasks.
    joins: HashMap<Id, RoomId>,
}

impl RoomTasks {
    /// Asks what a room is like.
    pub(super) fn ask(&mut self, account: &Account, room: RoomId) {
        let account = account.clone();
        self.tasks.spawn(async move {
            let facts = account.room_facts(&room).await;
            Done::Facts(room, facts)
        });
    }

    /// Accepts an invitation.
    pub(super) fn join(&mut self, account: &Account, invite: RoomInvite) {
        let (account, room) = (account.clone(), invite.room.clone());
        let task = self.tasks.spawn(async move {
            let joined = account.join(&invite).await;
            if let Err(error) = &joined {
                tracing::info!(%error, "an invitation to a room was not accepted");
            }
            Done::Joined(invite.room, joined.is_ok())
        });
        self.joins.insert(task.id(), room);
    }

    /// The next thing that is done; for ever while nothing is. Nothing is lost if the wait is cut short.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            match self.tasks.join_next_with_id().await {
                Some(Ok((task, done))) => {
                    self.joins.remove(&task);
                    return done;
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "a task about a room failed inside");
                    if let Some(room) = self.joins.remove(&error.id()) {
                        return Done::Joined(room, false);
                    }
                }
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_join_that_breaks_inside_is_over_as_well() {
        let room: RoomId = "!room:example.org".parse().unwrap();
        let mut tasks = RoomTasks::default();
        let task = tasks.tasks.spawn(async { panic!("inside") });
        tasks.joins.insert(task.id(), room.clone());
        let done = tasks.next().await;
        assert!(matches!(done, Done::Joined(of, false) if of == room));
        assert!(tasks.joins.is_empty());
    }
}

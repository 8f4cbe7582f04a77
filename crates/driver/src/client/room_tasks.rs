//! What is asked of the homeserver because of something in a room, each in a task of its own.

use std::collections::HashMap;

use securecall_contact::RoomId;
use securecall_matrix::{Account, RoomError, RoomFacts, RoomInvite};
use tokio::task::{AbortHandle, JoinSet};

/// Invitations that are accepted at once. One takes half a minute where the inviter's server does not let us in. Strangers have
/// eight in one go and one a minute (`may_join` of the endpoint), so that contacts find a place.
const MAX_JOINS: usize = 16;

/// The questions about rooms that are under way, and the invitations that are being accepted.
#[derive(Default)]
pub(super) struct RoomTasks {
    questions: JoinSet<(RoomId, Result<RoomFacts, RoomError>)>,
    joins: JoinSet<()>,
    joining: HashMap<RoomId, AbortHandle>,
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
        let account = account.clone();
        self.spawn_join(invite.room.clone(), async move {
            if let Err(error) = account.join(&invite).await {
                tracing::info!(%error, "an invitation to a room was not accepted");
            }
        });
    }

    /// We are not in this room, nor invited to it: it is not tried any more.
    pub(super) fn left(&mut self, room: &RoomId) {
        if let Some(joining) = self.joining.remove(room) {
            joining.abort();
        }
    }

    fn spawn_join(&mut self, room: RoomId, join: impl Future<Output = ()> + Send + 'static) {
        while self.joins.try_join_next().is_some() {}
        self.joining.retain(|_, joining| !joining.is_finished());
        if self.joining.contains_key(&room) {
            // Told twice.
            return;
        }
        if self.joining.len() >= MAX_JOINS {
            tracing::warn!("too many invitations to rooms at once: one is left as it is");
            return;
        }
        let joining = self.joins.spawn(join);
        self.joining.insert(room, joining);
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn room(number: usize) -> RoomId {
        format!("!{number}").parse().unwrap()
    }

    /// Accepts an invitation that takes for ever; what it holds is gone once it is given up.
    fn try_for_ever(tasks: &mut RoomTasks, room: RoomId, held: &mpsc::Sender<()>) {
        let held = held.clone();
        tasks.spawn_join(room, async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
    }

    #[tokio::test]
    async fn an_invitation_that_is_withdrawn_is_not_tried_any_more_and_may_come_again() {
        let mut tasks = RoomTasks::default();
        let (held, mut given_up) = mpsc::channel(1);
        try_for_ever(&mut tasks, room(1), &held);
        drop(held);
        tasks.left(&room(2));
        tokio::task::yield_now().await;
        assert_eq!(given_up.sender_strong_count(), 1);
        tasks.left(&room(1));
        assert_eq!(given_up.recv().await, None);

        let (joined, mut has_joined) = mpsc::channel(1);
        tasks.spawn_join(room(1), async move { joined.send(()).await.unwrap() });
        assert_eq!(has_joined.recv().await, Some(()));
    }

    #[tokio::test]
    async fn an_invitation_is_accepted_once_at_a_time_and_so_many_are_at_most() {
        let mut tasks = RoomTasks::default();
        let (held, given_up) = mpsc::channel(1);
        for number in 0..2 * MAX_JOINS {
            try_for_ever(&mut tasks, room(number % (MAX_JOINS + 1)), &held);
        }
        assert_eq!(given_up.sender_strong_count(), MAX_JOINS + 1);
        tasks.left(&room(0));
        try_for_ever(&mut tasks, room(0), &held);
        assert!(tasks.joining.contains_key(&room(0)));
        assert_eq!(tasks.joining.len(), MAX_JOINS);
    }
}

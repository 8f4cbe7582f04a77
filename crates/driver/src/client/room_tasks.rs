//! What is asked of the homeserver because of something in a room, each in a task of its own.

use std::collections::{HashMap, HashSet};

use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{Account, RoomError, RoomFacts};
use tokio::task::{AbortHandle, Id, JoinSet};

/// Rooms that are left at once. How many invitations are accepted at once is for the endpoint to say.
const MAX_LEAVES: usize = 16;

/// What is done.
pub(super) enum Done {
    /// A question about a room has its answer.
    Facts(RoomId, Result<RoomFacts, RoomError>),
    /// We are in the room that we were invited to, or not.
    Joined(RoomId, bool),
    /// A room is left, or cannot be.
    Left,
}

/// The questions about rooms that are under way, and the invitations that are being accepted.
#[derive(Default)]
pub(super) struct RoomTasks {
    tasks: JoinSet<Done>,
    /// Calls may wait for these, whatever becomes of their tasks. Each can be given up.
    joins: HashMap<Id, (RoomId, AbortHandle)>,
    leaving: HashSet<Id>,
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

    /// Accepts an invitation, to a room for us and another if one is named.
    pub(super) fn join(&mut self, account: &Account, room: RoomId, direct_with: Option<MatrixId>) {
        let account = account.clone();
        self.spawn_join(room.clone(), async move {
            let joined = account.join(&room, direct_with.as_ref()).await;
            if let Err(error) = &joined {
                tracing::info!(%error, "an invitation to a room was not accepted");
            }
            joined.is_ok()
        });
    }

    /// Leaves a room of us and another.
    pub(super) fn leave(&mut self, account: &Account, room: RoomId, other: MatrixId) {
        if self.leaving.len() >= MAX_LEAVES {
            tracing::warn!("too many rooms are left at once: one stays");
            return;
        }
        let account = account.clone();
        let leaving = self.tasks.spawn(async move {
            if let Err(error) = account.abandon_direct_room(&room, &other).await {
                tracing::info!(%error, "a room that is of no use was not left");
            }
            Done::Left
        });
        self.leaving.insert(leaving.id());
    }

    /// Whether a room is being left.
    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// We are not in this room, nor invited to it: it is not tried any more.
    pub(super) fn left(&mut self, room: &RoomId) {
        for (_, joining) in self.joins.values().filter(|(of, _)| of == room) {
            joining.abort();
        }
    }

    fn spawn_join(&mut self, room: RoomId, join: impl Future<Output = bool> + Send + 'static) {
        let of = room.clone();
        let joining = self
            .tasks
            .spawn(async move { Done::Joined(of, join.await) });
        self.joins.insert(joining.id(), (room, joining));
    }

    /// The next thing that is done; for ever while nothing is. Nothing is lost if the wait is cut short.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            match self.tasks.join_next_with_id().await {
                Some(Ok((task, done))) => {
                    self.joins.remove(&task);
                    self.leaving.remove(&task);
                    return done;
                }
                Some(Err(error)) => {
                    if !error.is_cancelled() {
                        tracing::error!(%error, "a task about a room failed inside");
                    }
                    if let Some((room, _)) = self.joins.remove(&error.id()) {
                        return Done::Joined(room, false);
                    }
                    if self.leaving.remove(&error.id()) {
                        return Done::Left;
                    }
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
            std::future::pending().await
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
        tasks.spawn_join(room(1), async move { joined.send(()).await.is_ok() });
        assert_eq!(has_joined.recv().await, Some(()));
    }

    #[tokio::test]
    async fn a_join_that_breaks_inside_is_over_as_well() {
        let room: RoomId = "!room:example.org".parse().unwrap();
        let mut tasks = RoomTasks::default();
        let task = tasks.tasks.spawn(async { panic!("inside") });
        tasks.joins.insert(task.id(), (room.clone(), task));
        let done = tasks.next().await;
        assert!(matches!(done, Done::Joined(of, false) if of == room));
        assert!(tasks.joins.is_empty());
    }
}

//! Into a room, and out of it.

use std::time::Duration;

use ruma::api::client::membership::{forget_room, join_room_by_id, leave_room};
use securecall_contact::{MatrixId, RoomId};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    error::{RoomError, code},
    ids::AsRuma as _,
};
use crate::{Account, ServerError, patience::patiently};

/// Pauses before a join that failed is tried again. A Synapse hands out an invitation to the server of the invited before it
/// has written it down, and says meanwhile that nobody was invited: for some tenths of a second, and longer where it is busy.
/// After the last pause half a minute is over; who calls waits for two.
const JOIN_PAUSES: [Duration; 7] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

impl Account {
    /// Accepts an invitation. A room for us and another is put on the account's list of such (`m.direct`).
    ///
    /// An invitation is often here before the server that it comes from lets anybody in by it, so a refusal is not the last
    /// word: this tries for half a minute. Nothing is lost if it is cut short, for instance because the invitation is withdrawn.
    ///
    /// # Errors
    ///
    /// When the homeserver does not let us in, or cannot be asked.
    pub async fn join(
        &self,
        room: &RoomId,
        direct_with: Option<&MatrixId>,
    ) -> Result<(), RoomError> {
        self.join_room(room).await?;
        if let Some(other) = direct_with
            && let Err(error) = self.note_direct(other, room).await
        {
            // A call from here would make another room. This one works.
            warn!(%error, "the room could not be put on the list of rooms of two");
        }
        Ok(())
    }

    /// Leaves a room, or refuses the invitation to it.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be told.
    pub async fn leave(&self, room: &RoomId) -> Result<(), RoomError> {
        let request = leave_room::v3::Request::new(room.as_ruma().to_owned());
        let leave = || async {
            let answer = self.client().send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        };
        patiently(leave).await.map_err(RoomError::from_server)?;
        // So that the homeserver may let go of it. What it does then is its own affair.
        let request = forget_room::v3::Request::new(room.as_ruma().to_owned());
        if let Err(error) = self.client().send(request).await {
            warn!(error = %ServerError::from_http(&error), "the homeserver keeps a room that we have left");
        }
        Ok(())
    }

    async fn join_room(&self, room: &RoomId) -> Result<(), RoomError> {
        let request = join_room_by_id::v3::Request::new(room.as_ruma().to_owned());
        let join = || async {
            let answer = self.client().send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        };
        let joined = with_pauses(|| patiently(join), sleep).await;
        joined.map_err(RoomError::from_server)
    }
}

/// Joins, and tries again where that may help. Joining twice is joining once.
async fn with_pauses<F, P>(
    join: impl Fn() -> F,
    pause: impl Fn(Duration) -> P,
) -> Result<(), ServerError>
where
    F: Future<Output = Result<(), ServerError>>,
    P: Future<Output = ()>,
{
    for wait in JOIN_PAUSES {
        match join().await {
            Err(error) if may_be_let_in(&error) => {
                info!(%error, ?wait, "not let into a room yet");
                pause(wait).await;
            }
            other => return other,
        }
    }
    join().await
}

/// Whether the same may succeed a little later. A room of another server also takes longer to join than one answer may take.
fn may_be_let_in(error: &ServerError) -> bool {
    match error {
        // It was waited for already, or it asks for more than anybody waits.
        ServerError::TooManyRequests { .. } => false,
        // What servers say of another server that does not answer as it should, or does not know of the invitation.
        _ => {
            error.may_pass()
                || matches!(
                    code(error),
                    Some("M_FORBIDDEN" | "M_NOT_FOUND" | "M_UNKNOWN")
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::ready,
    };

    use futures_util::FutureExt as _;

    use super::*;

    /// What comes of joining where so many attempts fail so, and the pauses between.
    fn joined(failures: usize, error: &ServerError) -> (Result<(), ServerError>, Vec<Duration>) {
        let attempts = Cell::new(0);
        let pauses = RefCell::default();
        let join = || {
            attempts.set(attempts.get() + 1);
            ready(match attempts.get() {
                number if number <= failures => Err(error.clone()),
                _ => Ok(()),
            })
        };
        let pause = |wait| {
            Vec::push(&mut pauses.borrow_mut(), wait);
            ready(())
        };
        let outcome = with_pauses(join, pause).now_or_never().unwrap();
        assert_eq!(attempts.get(), pauses.borrow().len() + 1);
        (outcome, pauses.into_inner())
    }

    fn refused(code: &str) -> ServerError {
        ServerError::Refused {
            code: code.to_owned(),
            message: "You are not invited to this room.".to_owned(),
        }
    }

    #[test]
    fn what_may_become_a_yes_is_tried_again_with_longer_and_longer_pauses() {
        let unreachable = ServerError::Unreachable {
            reason: "it answers 502".to_owned(),
            may_have_arrived: true,
        };
        for error in [
            refused("M_FORBIDDEN"),
            refused("M_NOT_FOUND"),
            refused("M_UNKNOWN"),
            unreachable,
            ServerError::TimedOut,
        ] {
            for failures in 0..=JOIN_PAUSES.len() {
                let (outcome, pauses) = joined(failures, &error);
                assert_eq!(outcome, Ok(()), "{error}");
                assert_eq!(pauses, JOIN_PAUSES[..failures], "{error}");
            }
            let (outcome, _) = joined(usize::MAX, &error);
            assert_eq!(outcome, Err(error));
        }
        assert!(JOIN_PAUSES.is_sorted());
    }

    #[test]
    fn what_stays_a_no_is_not_tried_again() {
        for error in [
            refused("M_INCOMPATIBLE_ROOM_VERSION"),
            ServerError::TooManyRequests { retry_after: None },
            ServerError::SessionEnded { soft: false },
        ] {
            assert_eq!(joined(1, &error), (Err(error), Vec::new()));
        }
    }
}

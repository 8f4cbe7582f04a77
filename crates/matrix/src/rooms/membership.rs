//! Into a room, and out of it.

use ruma::api::client::membership::{forget_room, join_room_by_id, leave_room};
use securecall_contact::RoomId;
use tracing::warn;

use super::{error::RoomError, ids::AsRuma as _, invite::RoomInvite};
use crate::{Account, ServerError, patience::patiently};

/// A room of another server takes a while to join, longer than one answer of ours may take. Joining twice is joining once.
const JOIN_ATTEMPTS: usize = 3;

impl Account {
    /// Accepts an invitation. A room for two is put on the account's list of such (`m.direct`).
    ///
    /// # Errors
    ///
    /// When the homeserver does not let us in: the invitation may be withdrawn.
    pub async fn join(&self, invite: &RoomInvite) -> Result<(), RoomError> {
        self.join_room(&invite.room).await?;
        if invite.is_direct
            && let Err(error) = self.note_direct(&invite.inviter, &invite.room).await
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
        let mut attempts = 0;
        loop {
            attempts += 1;
            let join = || async {
                let answer = self.client().send(request.clone()).await;
                let answer = answer.map_err(|error| ServerError::from_http(&error));
                answer.map(drop)
            };
            match patiently(join).await {
                Err(ServerError::TimedOut) if attempts < JOIN_ATTEMPTS => {}
                other => return other.map_err(RoomError::from_server),
            }
        }
    }
}

//! Invitations to rooms, and rooms that are left: what the endpoint wants of the homeserver, and what comes of it.

use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{JoinRule, RoomInvite};
use securecall_session::RoomInvitation;

use super::event_loop::Loop;
use crate::clock;

impl Loop {
    /// Somebody invites us to a room.
    pub(super) fn handle_invite(&mut self, invite: &RoomInvite) {
        let invitation = RoomInvitation {
            room: &invite.room,
            inviter: &invite.inviter,
            is_direct: invite.is_direct,
            is_public: invite.join_rule == JoinRule::Public,
        };
        if let Err(why) = self.endpoint.handle_invitation(clock::now(), invitation) {
            tracing::info!(
                why = why.as_str(),
                "an invitation to a room is left as it is"
            );
        }
    }

    /// A room is to be left, and is not used any more from now on.
    pub(super) fn leave_room(&mut self, room: RoomId, other: MatrixId) {
        self.rooms.left(&room);
        self.room_tasks.leave(&self.account, room, other);
    }
}

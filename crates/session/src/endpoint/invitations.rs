//! Invitations to rooms: whose are accepted, and when.
//!
//! Two people who have no room and call each other at the same time make one each, and invite the other to it. The room of whoever's
//! Matrix ID is the lesser, byte for byte, is the one: who has the greater goes there at once and leaves their own; who has the lesser
//! stays, and lets the other's invitation wait for some seconds. It is accepted after all if the other does not come by then: their
//! client may be one that knows of no such rule.

use std::collections::VecDeque;

use securecall_contact::{MatrixId, RoomId};
use web_time::Instant;

use super::Endpoint;
use crate::Output;
use crate::event::RefusedReason;
use crate::output::Request;

/// Invitations that are accepted at once. One takes half a minute where the inviter's server does not let us in. Strangers have
/// eight in one go and one a minute, so that contacts find a place.
const MAX_JOINS: usize = 16;
/// Rooms that are remembered of those that we went to.
const MAX_ENTERED: usize = 64;

/// An invitation to a room, as the homeserver tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomInvitation<'a> {
    /// Where to.
    pub room: &'a RoomId,
    /// Who invites us.
    pub inviter: &'a MatrixId,
    /// The inviter says that it is a room for the two of us.
    pub is_direct: bool,
    /// Anybody may join it.
    pub is_public: bool,
}

/// A room that we were invited to.
#[derive(Clone, Debug)]
pub(super) struct Invited {
    pub(super) room: RoomId,
    pub(super) inviter: MatrixId,
    pub(super) is_direct: bool,
}

/// The invitations that are being accepted, and what came of the last ones.
#[derive(Default)]
pub(super) struct Invitations {
    joining: Vec<Invited>,
    /// Rooms of two in which there was no call yet, the oldest first.
    entered: VecDeque<Invited>,
}

impl Invitations {
    /// Whether we are on our way to a room for two of this person.
    pub(super) fn leads_to(&self, inviter: &MatrixId) -> bool {
        let theirs = |it: &Invited| it.is_direct && it.inviter == *inviter;
        self.joining.iter().any(theirs)
    }

    fn is_joining(&self, room: &RoomId) -> bool {
        self.joining.iter().any(|it| it.room == *room)
    }

    /// A call is had in this room.
    pub(super) fn used(&mut self, room: &RoomId) {
        self.entered.retain(|it| it.room != *room);
    }
}

impl Endpoint {
    /// Somebody invites us to a room. Whoever may ring may have one to do so; then a [`Request::JoinRoom`] follows, at once or a
    /// little later.
    ///
    /// # Errors
    /// [`RefusedReason`]: it stays an invitation, and nothing is sent.
    pub fn handle_invitation(
        &mut self,
        now: Instant,
        invitation: RoomInvitation<'_>,
    ) -> Result<(), RefusedReason> {
        let RoomInvitation {
            room,
            inviter,
            is_direct,
            is_public,
        } = invitation;
        self.may_join(now, inviter, is_direct, is_public)?;
        let invited = Invited {
            room: room.clone(),
            inviter: inviter.clone(),
            is_direct,
        };
        // Once for each room, whoever invites us to it meanwhile: what comes of it is told by room.
        if self.invitations.is_joining(room) || self.search_holds(room) {
            return Ok(());
        }
        let is_ours = self.own.matrix_id.as_str() < inviter.as_str();
        if is_direct && is_ours && self.hold_invitation(now, &invited) {
            return Ok(());
        }
        self.join(invited)
    }

    /// We are in a room to which we were invited; or are not, and will not be.
    pub fn handle_room_entered(&mut self, room: &RoomId, entered: bool) {
        let joining = &mut self.invitations.joining;
        let Some(at) = joining.iter().position(|it| it.room == *room) else {
            return;
        };
        let invited = joining.remove(at);
        if !invited.is_direct {
            return;
        }
        self.search_may_move(&invited, entered);
        if entered && !self.room_calls.has_one_in(room) {
            if self.invitations.entered.len() >= MAX_ENTERED {
                self.invitations.entered.pop_front();
            }
            self.invitations.entered.push_back(invited);
        }
    }

    /// Accepts an invitation.
    pub(super) fn join(&mut self, invited: Invited) -> Result<(), RefusedReason> {
        if self.invitations.joining.len() >= MAX_JOINS {
            return Err(RefusedReason::TooManyCalls);
        }
        let request = Request::JoinRoom {
            room: invited.room.clone(),
            user: invited.inviter.clone(),
            is_direct: invited.is_direct,
        };
        self.outputs.push_back(Output::Request(request));
        self.invitations.joining.push(invited);
        Ok(())
    }

    /// Leaves a room of two that is of no use any more, or declines the invitation to it.
    pub(super) fn leave_room(&mut self, room: RoomId, user: MatrixId) {
        self.invitations.used(&room);
        let request = Request::LeaveRoom { room, user };
        self.outputs.push_back(Output::Request(request));
    }

    /// Who has invited us to a room is not there any more, and nobody has called in it: it is of no use to anybody.
    pub(super) fn leave_forsaken_room(&mut self, room: &RoomId, who: &MatrixId) {
        let entered = &mut self.invitations.entered;
        let Some(at) = entered.iter().position(|it| it.room == *room) else {
            return;
        };
        let is_ourselves = *who == self.own.matrix_id;
        let is_over = is_ourselves || entered.get(at).is_some_and(|it| it.inviter == *who);
        if !is_over {
            return;
        }
        entered.remove(at);
        if !is_ourselves {
            self.leave_room(room.clone(), who.clone());
        }
    }
}

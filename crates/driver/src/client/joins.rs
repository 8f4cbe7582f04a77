//! Invitations that are being accepted. A call to whoever invites us waits for that, and is placed in their room: until the join is
//! through nothing says that there is one, and the call would make another.

use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{JoinRule, RoomInvite};
use securecall_session::{Request, RequestId, RoomRequestError};

use super::event_loop::Loop;
use crate::clock;

/// Invitations that are accepted at once.
const MAX_JOINS: usize = 4;

/// The invitations, in the order in which they came.
#[derive(Default)]
pub(super) struct Joins {
    under_way: Vec<Joining>,
}

struct Joining {
    room: RoomId,
    inviter: MatrixId,
    /// Whether it is a room for the two of us.
    is_direct: bool,
    waiting: Vec<RequestId>,
}

/// A join that is over.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    inviter: MatrixId,
    /// Who waits for the room of this account and the inviter.
    waiting: Vec<RequestId>,
}

impl Joins {
    /// An invitation is to be accepted. Returns whether it may be, which it may not if there are too many.
    fn begin(&mut self, invite: &RoomInvite) -> bool {
        let is_known = self.under_way.iter().any(|it| it.room == invite.room);
        if is_known || self.under_way.len() >= MAX_JOINS {
            return false;
        }
        self.under_way.push(Joining {
            room: invite.room.clone(),
            inviter: invite.inviter.clone(),
            is_direct: invite.is_direct,
            waiting: Vec::new(),
        });
        true
    }

    /// Has a request for the room of this account and `user` wait until they are in it. Returns whether it has to.
    pub(super) fn wait(&mut self, user: &MatrixId, id: RequestId) -> bool {
        let theirs = |it: &&mut Joining| it.is_direct && it.inviter == *user;
        let joining = self.under_way.iter_mut().rev().find(theirs);
        joining.map(|it| it.waiting.push(id)).is_some()
    }

    fn end(&mut self, room: &RoomId) -> Option<Ended> {
        let at = self.under_way.iter().position(|it| it.room == *room)?;
        let Joining {
            inviter, waiting, ..
        } = self.under_way.remove(at);
        Some(Ended { inviter, waiting })
    }
}

impl Loop {
    /// Somebody invites us to a room.
    pub(super) fn handle_invite(&mut self, invite: RoomInvite) {
        let is_public = invite.join_rule == JoinRule::Public;
        let may =
            self.endpoint
                .may_join(clock::now(), &invite.inviter, invite.is_direct, is_public);
        match may {
            Ok(()) if self.joins.begin(&invite) => self.room_tasks.join(&self.account, invite),
            Ok(()) => {
                tracing::warn!("too many invitations to rooms at once: one is left as it is");
            }
            Err(why) => tracing::info!(
                why = why.as_str(),
                "an invitation to a room is left as it is"
            ),
        }
    }

    /// We are in the room that we were invited to, or will not be: whoever has waited for it may go on.
    pub(super) fn handle_joined(&mut self, room: &RoomId, joined: bool) {
        let Some(Ended { inviter, waiting }) = self.joins.end(room) else {
            return;
        };
        for id in waiting {
            let (user, room) = (inviter.clone(), room.clone());
            if !self.endpoint.awaits_room(id) {
                // The user has given the call up: for it no room is to be made.
                let none = Err(RoomRequestError::Failed);
                self.endpoint
                    .handle_room_found(clock::now(), &mut self.rng, id, none);
            } else if joined {
                self.requests.find_joined(&self.account, id, user, room);
            } else {
                let request = Request::FindRoom { id, user };
                self.requests.make(&self.account, request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_randomness::SystemRandomness;

    use super::*;
    use crate::client::requests::tests::{call, endpoint, first_request, next_request};

    fn user(name: &str) -> MatrixId {
        format!("@{name}:example.org").parse().unwrap()
    }

    fn invite(number: usize, inviter: &str, is_direct: bool) -> RoomInvite {
        RoomInvite {
            room: room(number),
            inviter: user(inviter),
            is_direct,
            encrypted: true,
            join_rule: JoinRule::Invite,
        }
    }

    fn room(number: usize) -> RoomId {
        format!("!room{number}:example.org").parse().unwrap()
    }

    /// The request for the room with somebody, as a call to them makes it.
    fn find(whom: &MatrixId) -> RequestId {
        match first_request(None, whom) {
            Request::FindRoom { id, user } if user == *whom => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_to_whoever_has_invited_us_waits_until_we_are_in_their_room_and_no_other_does() {
        let id = find(&user("bo"));
        let mut joins = Joins::default();
        assert!(!joins.wait(&user("bo"), id), "nobody has invited us");
        assert!(joins.begin(&invite(1, "bo", true)));
        assert!(joins.begin(&invite(2, "cem", true)));
        // What need not be a room of two is none for a call.
        assert!(joins.begin(&invite(3, "dan", false)));
        assert!(!joins.wait(&user("dan"), id));
        assert!(!joins.wait(&user("eve"), id));
        assert!(joins.wait(&user("bo"), id));
        let ended = |name, waiting| Ended {
            inviter: user(name),
            waiting,
        };
        assert_eq!(joins.end(&room(2)), Some(ended("cem", Vec::new())));
        assert_eq!(joins.end(&room(1)), Some(ended("bo", vec![id])));
        assert_eq!(joins.end(&room(1)), None);
        assert!(!joins.wait(&user("bo"), id), "the join is over");
    }

    #[test]
    fn only_so_many_invitations_are_accepted_at_once_and_each_of_them_once() {
        let mut joins = Joins::default();
        for number in 0..MAX_JOINS {
            assert!(joins.begin(&invite(number, "bo", true)));
            assert!(!joins.begin(&invite(number, "bo", true)));
        }
        assert!(!joins.begin(&invite(MAX_JOINS, "bo", true)));
        joins.end(&room(0)).unwrap();
        assert!(joins.begin(&invite(MAX_JOINS, "bo", true)));
    }

    #[test]
    fn for_a_call_that_was_given_up_no_room_is_made() {
        let (mut endpoint, mut rng) = (endpoint(), SystemRandomness);
        let placed = call(&mut endpoint, None, &user("bo"));
        let Request::FindRoom { id, .. } = next_request(&mut endpoint) else {
            panic!("no room is looked for");
        };
        assert!(endpoint.awaits_room(id));
        endpoint
            .hang_up(clock::now(), &mut rng, placed.handle)
            .unwrap();
        assert!(!endpoint.awaits_room(id));
    }
}

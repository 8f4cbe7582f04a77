//! What calls in rooms ask of the homeserver.

use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_matrix::{Account, JoinRule, RoomError, RoomFacts, RoomMessage, ServerError};
use securecall_session::{FoundRoom, RoomRequestError};

/// The room of this account and another, ready for a call if both are in it.
pub(super) async fn find(
    account: &Account,
    user: &MatrixId,
) -> Result<FoundRoom, RoomRequestError> {
    let found = account.find_direct_room(user).await;
    let found = found.map_err(|error| failed(&error))?;
    let found = found.ok_or(RoomRequestError::NoRoom)?;
    match found.facts {
        Some(facts) => prepare_known(account, user, found.room, as_known(&facts)).await,
        None => Ok(FoundRoom {
            room: found.room,
            ready: None,
        }),
    }
}

/// A new room, to which the other is invited; nothing is left of one that is given up.
pub(super) async fn make(
    account: &Account,
    user: &MatrixId,
    given_up: impl Future<Output = ()>,
) -> Result<FoundRoom, RoomRequestError> {
    let made = account.make_direct_room(user, given_up).await;
    let made = made.map_err(|error| failed(&error))?;
    Ok(FoundRoom {
        room: made.room,
        ready: None,
    })
}

/// The same room again, ready for a call. Devices are asked for anew: nobody tells of one that came since.
pub(super) async fn prepare_known(
    account: &Account,
    user: &MatrixId,
    room: RoomId,
    facts: securecall_session::RoomFacts,
) -> Result<FoundRoom, RoomRequestError> {
    let prepared = account.prepare_room(&room, user).await;
    prepared.map_err(|error| failed(&error))?;
    Ok(FoundRoom {
        room,
        ready: Some(facts),
    })
}

/// The room that somebody has invited us to, where we are now, ready for a call if it is one of the two alone; else as [`find`].
pub(super) async fn find_joined(
    account: &Account,
    user: &MatrixId,
    room: RoomId,
) -> Result<FoundRoom, RoomRequestError> {
    match prepare(account, user, room).await {
        Ok(found) if found.ready.is_some_and(|facts| !facts.is_public) => Ok(found),
        _ => find(account, user).await,
    }
}

/// A room to which the other has come, ready for a call.
pub(super) async fn prepare(
    account: &Account,
    user: &MatrixId,
    room: RoomId,
) -> Result<FoundRoom, RoomRequestError> {
    let (facts, prepared) =
        tokio::join!(account.room_facts(&room), account.prepare_room(&room, user));
    let facts = facts.map_err(|error| failed(&error))?;
    prepared.map_err(|error| failed(&error))?;
    // Whoever came and went again, or brought others.
    let ready = facts.is_of_two(account.matrix_id(), user);
    Ok(FoundRoom {
        room,
        ready: ready.then(|| as_known(&facts)),
    })
}

/// Sends an event.
pub(super) async fn send(
    account: &Account,
    message: RoomMessage<'_>,
) -> Result<EventId, RoomRequestError> {
    let sent = account.send_to_room(message).await;
    sent.map_err(|error| failed(&error))
}

/// Removes what is in an event of ours.
pub(super) async fn redact(
    account: &Account,
    room: &RoomId,
    event: EventId,
) -> Result<EventId, RoomRequestError> {
    let redacted = account.redact(room, &event).await;
    redacted.map(|()| event).map_err(|error| failed(&error))
}

/// What the endpoint is told of a room.
pub(super) fn as_known(facts: &RoomFacts) -> securecall_session::RoomFacts {
    securecall_session::RoomFacts {
        joined_members: facts.members.len(),
        is_public: facts.join_rule == JoinRule::Public,
        is_encrypted: facts.encrypted,
    }
}

fn failed(error: &RoomError) -> RoomRequestError {
    tracing::info!(%error, "a request to the homeserver about a room failed");
    match error {
        RoomError::BadMatrixId(_) | RoomError::CannotInvite(..) => RoomRequestError::NotFound,
        RoomError::NotMember | RoomError::Forbidden { .. } | RoomError::TooManyMembers => {
            RoomRequestError::Forbidden
        }
        RoomError::PeerUnreachable(_) => RoomRequestError::PeerUnreachable,
        RoomError::NotFound | RoomError::BadEvent { .. } | RoomError::GivenUp => {
            RoomRequestError::Failed
        }
        RoomError::QueueFull => RoomRequestError::LimitExceeded { retry_after: None },
        RoomError::Server(ServerError::TooManyRequests { retry_after }) => {
            RoomRequestError::LimitExceeded {
                retry_after: *retry_after,
            }
        }
        RoomError::Server(ServerError::Unreachable {
            may_have_arrived: false,
            ..
        }) => RoomRequestError::Unreachable,
        RoomError::Server(_) => RoomRequestError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_arrived_is_told_from_what_has_not() {
        let unreachable = |may_have_arrived| {
            RoomError::from(ServerError::Unreachable {
                reason: "it answers 502".to_owned(),
                may_have_arrived,
            })
        };
        let limit = RoomError::from(ServerError::TooManyRequests { retry_after: None });
        let nobody = RoomError::BadMatrixId("@A:b".to_owned());
        for (error, expected) in [
            (unreachable(false), RoomRequestError::Unreachable),
            (unreachable(true), RoomRequestError::Failed),
            (limit, RoomRequestError::LimitExceeded { retry_after: None }),
            (nobody, RoomRequestError::NotFound),
            (RoomError::NotMember, RoomRequestError::Forbidden),
            (
                RoomError::from(ServerError::TimedOut),
                RoomRequestError::Failed,
            ),
        ] {
            assert_eq!(failed(&error), expected, "{error}");
        }
    }
}

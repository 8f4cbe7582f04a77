//! What the group call of a room asks of the homeserver about state events of ours.

use std::time::Duration;

use securecall_contact::RoomId;
use securecall_matrix::{Account, GroupRoomEventType, GroupRoomKey, StateFailure};
use securecall_session::{DelayId, MembershipFailure, MembershipRequest, MembershipResponse};

/// Our own entry in the group calls of a room.
pub(super) async fn own_membership(
    account: &Account,
    room: &RoomId,
    request: MembershipRequest,
) -> Result<MembershipResponse, MembershipFailure> {
    let key = GroupRoomKey {
        room,
        event_type: GroupRoomEventType::Member,
        state_key: account.matrix_id().as_str(),
    };
    match request {
        MembershipRequest::ReadMember => {
            let content = account.read_state(key).await.map_err(failed)?;
            Ok(MembershipResponse::Content(content.into_bytes()))
        }
        MembershipRequest::WriteMember { content } => {
            let written = account.write_state(key, &content.to_string()).await;
            written.map_err(failed).map(|()| MembershipResponse::Done)
        }
        MembershipRequest::ScheduleMember { content, delay } => {
            schedule(account, key, &content.to_string(), delay).await
        }
        MembershipRequest::RestartDelayed { delay_id } => {
            let restarted = account.restart_delayed(delay_id.as_str()).await;
            restarted.map_err(failed).map(|()| MembershipResponse::Done)
        }
        MembershipRequest::CancelDelayed { delay_id } => {
            let cancelled = account.cancel_delayed(delay_id.as_str()).await;
            cancelled.map_err(failed).map(|()| MembershipResponse::Done)
        }
    }
}

/// The state event of a call of ours.
pub(super) async fn write_call(
    account: &Account,
    room: &RoomId,
    call_id: &str,
    content: &str,
) -> Result<MembershipResponse, MembershipFailure> {
    let key = GroupRoomKey {
        room,
        event_type: GroupRoomEventType::Call,
        state_key: call_id,
    };
    let written = account.write_state(key, content).await;
    written.map_err(failed).map(|()| MembershipResponse::Done)
}

async fn schedule(
    account: &Account,
    key: GroupRoomKey<'_>,
    content: &str,
    delay: Duration,
) -> Result<MembershipResponse, MembershipFailure> {
    let scheduled = account.schedule_state(key, content, delay).await;
    let delay_id = scheduled.map_err(failed)?;
    // By another name it could not be asked for again.
    let delay_id = DelayId::parse(&delay_id).ok_or(MembershipFailure::Unsupported)?;
    Ok(MembershipResponse::Delayed(delay_id))
}

fn failed(failure: StateFailure) -> MembershipFailure {
    tracing::info!(error = %failure, "a state event of a group call was not written or read");
    match failure {
        StateFailure::Forbidden => MembershipFailure::Forbidden,
        StateFailure::Unsupported => MembershipFailure::Unsupported,
        StateFailure::NotFound => MembershipFailure::NotFound,
        StateFailure::Later(wait) => MembershipFailure::Later(wait),
    }
}

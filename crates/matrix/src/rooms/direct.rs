//! The room of two people: the one there is, or a new one.

use std::{collections::BTreeSet, future::pending, pin::Pin, pin::pin, time::Duration};

use ruma::{
    OwnedUserId,
    api::client::{
        config::{get_global_account_data, set_global_account_data},
        membership::{joined_rooms, kick_user},
        room::create_room,
    },
    assign,
    events::{AnyInitialStateEvent, GlobalAccountDataEventType},
    serde::Raw,
};
use securecall_contact::{MatrixId, RoomId};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::to_raw_value};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{
    error::{RoomError, code},
    event::Membership,
    facts::RoomFacts,
    ids::AsRuma as _,
    invite::JoinRule,
};
use crate::{
    Account, ServerError, http_transport::Terms, patience::patiently, server_error::chain,
    user_id::user_id,
};

/// The account data that says which rooms are of two people.
const DIRECT: &str = "m.direct";

/// The longest of it that is read, in bytes: some ten thousand people.
const MAX_DIRECT: usize = 1024 * 1024;

/// Rooms that are looked at for one person, the newest first.
const MAX_CANDIDATES: usize = 8;

/// Who comes later sees nothing of before.
const HISTORY_VISIBILITY: &str = "joined";

/// How long a homeserver has for the first of two things that it is to do one after the other.
const HEAD_START: Duration = Duration::from_millis(500);

/// How often it is waited for that a room is left, each time as long as any answer may take.
const MAX_LEAVES: usize = 5;

/// By then a homeserver that waits for no other has made a room.
const SOON: Duration = Duration::from_secs(1);

/// A room of two people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectRoom {
    /// Which.
    pub room: RoomId,
    /// Whether it is encrypted. One that we make is.
    pub encrypted: bool,
    /// What the other is in it. Who is invited only cannot be called yet: that they have come is told by a
    /// [`Member`](crate::RoomEventContent::Member) event.
    pub callee: Membership,
    /// What it is like, if both are in it.
    pub facts: Option<RoomFacts>,
    /// Whether it was made just now.
    pub is_new: bool,
}

impl Account {
    /// The room of this account and `callee`, and of nobody else: the one there is
    /// ([`find_direct_room`](Self::find_direct_room)), or a new one ([`make_direct_room`](Self::make_direct_room)).
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or makes no room.
    pub async fn direct_room(&self, callee: &MatrixId) -> Result<DirectRoom, RoomError> {
        match self.find_direct_room(callee).await? {
            Some(found) => Ok(found),
            None => self.make_direct_room(callee, pending()).await,
        }
    }

    /// The room of this account and `callee`, and of nobody else: one that account data (`m.direct`) names and in which
    /// there are exactly these two, apart from members that are said to be no people. If there is none, one in which
    /// nobody but us is, and to which they are invited.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked.
    pub async fn find_direct_room(
        &self,
        callee: &MatrixId,
    ) -> Result<Option<DirectRoom>, RoomError> {
        let direct = self.direct_rooms().await?;
        let mut invited = None;
        let candidates = direct.get(callee.as_str()).and_then(Value::as_array);
        let candidates = candidates.into_iter().flatten().rev();
        let candidates = candidates.filter_map(|room| room.as_str()?.parse().ok());
        for room in candidates.take(MAX_CANDIDATES) {
            match self.look_at(room, callee).await? {
                Some(found) if found.callee == Membership::Joined => return Ok(Some(found)),
                other => invited = invited.or(other),
            }
        }
        Ok(invited)
    }

    /// A new room of this account and `callee`, which is encrypted, invites them, and shows nothing to those who come
    /// later.
    ///
    /// Where the callee is at another homeserver, ours waits for that one, and the room is there meanwhile. So when this
    /// fails, or `given_up` completes, nothing is left of it, as far as the homeserver allows.
    ///
    /// # Errors
    ///
    /// When the homeserver makes no room, or the callee's server does not answer it, or it was given up.
    pub async fn make_direct_room(
        &self,
        callee: &MatrixId,
        given_up: impl Future<Output = ()>,
    ) -> Result<DirectRoom, RoomError> {
        let user = user_id(callee).ok_or_else(|| RoomError::BadMatrixId(callee.to_string()))?;
        let before = self.joined_rooms().await?;
        let mut making = pin!(self.create(user, callee));
        let made = tokio::select! {
            biased;
            made = &mut making => made,
            () = given_up => {
                self.give_room_up(making, &before, callee).await;
                return Err(RoomError::GivenUp);
            }
        };
        if made.is_err() {
            self.leave_unfinished(&before, callee).await;
        }
        made
    }

    /// Leaves a room of this account and `callee`, or declines the invitation to it: withdraws their invitation if they
    /// have not come, and takes it off the list of such rooms.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be told.
    pub async fn abandon_direct_room(
        &self,
        room: &RoomId,
        callee: &MatrixId,
    ) -> Result<(), RoomError> {
        let left = match user_id(callee) {
            Some(user) => self.withdraw_and_leave(room, user).await,
            None => self.leave(room).await,
        };
        self.change_direct(callee, |rooms| {
            let before = rooms.len();
            rooms.retain(|known| known != room.as_str());
            rooms.len() != before
        })
        .await?;
        left
    }

    /// A homeserver that still waits for the server of the invited does all this when that is over, in this order, and answers only then.
    async fn withdraw_and_leave(&self, room: &RoomId, user: OwnedUserId) -> Result<(), RoomError> {
        let kick = kick_user::v3::Request::new(room.as_ruma().to_owned(), user);
        let mut kick = pin!(self.client().send(kick));
        let leave = async {
            for _ in 0..MAX_LEAVES {
                match self.leave(room).await {
                    Err(RoomError::Server(ServerError::TimedOut)) => {}
                    other => return other,
                }
            }
            self.leave(room).await
        };
        let (kicked, left) = match timeout(HEAD_START, &mut kick).await {
            Ok(kicked) => (kicked, leave.await),
            Err(_) => tokio::join!(kick, leave),
        };
        // It is of no use where they have come, or where it is their room.
        if let Err(error) = kicked {
            debug!(error = %ServerError::from_http(&error), "an invitation was not withdrawn");
        }
        left
    }

    /// A room that nobody waits for any more is not to stay, whenever it comes to be; unless the other has come to it before our
    /// homeserver has said that it is there, and may be calling.
    async fn give_room_up(
        &self,
        mut making: Pin<&mut impl Future<Output = Result<DirectRoom, RoomError>>>,
        before: &BTreeSet<String>,
        callee: &MatrixId,
    ) {
        let soon = timeout(SOON, &mut making).await;
        let abandon = async |made: Result<DirectRoom, RoomError>| {
            if let Ok(made) = made
                && self.is_unfinished(&made.room).await
            {
                self.abandon_logged(&made.room, callee).await;
            }
        };
        match soon {
            Ok(made) => abandon(made).await,
            // Our homeserver waits for another one. It can be told already.
            Err(_) => {
                let later = async { abandon(making.await).await };
                tokio::join!(self.leave_unfinished(before, callee), later);
            }
        }
    }

    /// Leaves what has come of an attempt that failed: a homeserver makes the room first, and then asks another one to invite
    /// somebody to it.
    async fn leave_unfinished(&self, before: &BTreeSet<String>, callee: &MatrixId) {
        let Ok(joined) = self.joined_rooms().await else {
            return;
        };
        let new = joined.difference(before).take(MAX_CANDIDATES);
        for room in new.filter_map(|room| room.parse::<RoomId>().ok()) {
            if self.is_unfinished(&room).await {
                self.abandon_logged(&room, callee).await;
            }
        }
    }

    async fn abandon_logged(&self, room: &RoomId, callee: &MatrixId) {
        if let Err(error) = self.abandon_direct_room(room, callee).await {
            warn!(%error, "a room that is of no use could not be left");
        }
    }

    /// Whether a room is one of those that are made here, in which nobody is but us.
    async fn is_unfinished(&self, room: &RoomId) -> bool {
        let (facts, history) = tokio::join!(
            self.room_facts(room),
            self.room_state(room, "m.room.history_visibility", ""),
        );
        let is_hidden =
            |state: &Value| state["history_visibility"].as_str() == Some(HISTORY_VISIBILITY);
        facts.is_ok_and(|it| it.encrypted && it.members == [self.matrix_id().clone()])
            && matches!(history, Ok(Some(state)) if is_hidden(&state))
    }

    /// A room that is said to be of two: whether it is.
    async fn look_at(
        &self,
        room: RoomId,
        callee: &MatrixId,
    ) -> Result<Option<DirectRoom>, RoomError> {
        let facts = match self.room_facts(&room).await {
            Ok(facts) => facts,
            Err(RoomError::Server(error)) => return Err(error.into()),
            // We have left it, or it is none of two.
            Err(_) => return Ok(None),
        };
        // Whoever comes by could answer.
        if facts.join_rule == JoinRule::Public {
            return Ok(None);
        }
        let callee = if facts.is_of_two(self.matrix_id(), callee) {
            Membership::Joined
        } else if facts.members == [self.matrix_id().clone()] {
            let member = self.room_state(&room, "m.room.member", callee.as_str());
            let member = member.await?;
            let membership = member.as_ref().and_then(|it| it["membership"].as_str());
            match membership.map(Membership::read) {
                Some(Membership::Invited) => Membership::Invited,
                _ => return Ok(None),
            }
        } else {
            return Ok(None);
        };
        Ok(Some(DirectRoom {
            room,
            encrypted: facts.encrypted,
            callee,
            facts: (callee == Membership::Joined).then_some(facts),
            is_new: false,
        }))
    }

    async fn create(&self, user: OwnedUserId, callee: &MatrixId) -> Result<DirectRoom, RoomError> {
        let request = assign!(create_room::v3::Request::new(), {
            // "Trusted" would make the other as powerful as we are, and their invitation one that we cannot withdraw.
            preset: Some(create_room::v3::RoomPreset::PrivateChat),
            is_direct: true,
            invite: vec![user],
            initial_state: initial_state()?,
        });
        // Twice it would be two rooms.
        let ask = || async {
            let answer = self
                .client()
                .send_on(Terms::ONCE_ELSEWHERE, request.clone())
                .await;
            answer.map_err(|error| ServerError::from_http(&error))
        };
        let answer = patiently(ask).await.map_err(|error| match error {
            ServerError::Refused { code, message } if is_about_invited(&code) => {
                RoomError::CannotInvite(callee.clone(), message)
            }
            // What a homeserver says that has asked another one in vain.
            ServerError::TimedOut
            | ServerError::Unreachable {
                may_have_arrived: true,
                ..
            } if callee.server_name() != self.matrix_id().server_name() => {
                RoomError::PeerUnreachable(callee.clone())
            }
            other => RoomError::from_server(other),
        })?;
        let room: RoomId = answer.room_id.as_str().parse().map_err(|_| {
            let reason = "the room it made has no usable ID".to_owned();
            ServerError::Misbehaves { reason }
        })?;
        self.olm().remember_encrypted(&room).await?;
        // The room is there: without its name in the list the next call makes another one, no worse.
        if let Err(error) = self.note_direct(callee, &room).await {
            warn!(%error, "the new room could not be put on the list of rooms of two");
        }
        Ok(DirectRoom {
            room,
            encrypted: true,
            callee: Membership::Invited,
            facts: None,
            is_new: true,
        })
    }

    /// Puts a room on the list of rooms of two.
    pub(super) async fn note_direct(
        &self,
        other: &MatrixId,
        room: &RoomId,
    ) -> Result<(), RoomError> {
        self.change_direct(other, |rooms| {
            let is_new = rooms.iter().all(|known| known != room.as_str());
            if is_new {
                rooms.push(json!(room.as_str()));
            }
            is_new
        })
        .await
    }

    /// Changes which rooms are of us and another; `change` says whether it has.
    async fn change_direct(
        &self,
        other: &MatrixId,
        change: impl FnOnce(&mut Vec<Value>) -> bool,
    ) -> Result<(), RoomError> {
        // The list is read and written as a whole: two at once would undo each other.
        let _alone = self.direct_lock().lock().await;
        let mut direct = self.direct_rooms().await?;
        let rooms = direct.entry(other.as_str()).or_insert_with(|| json!([]));
        // What is no list there is somebody's mistake, and of no use.
        let mut list = match rooms.take() {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        if !change(&mut list) {
            return Ok(());
        }
        if list.is_empty() {
            direct.remove(other.as_str());
        } else {
            *rooms = Value::Array(list);
        }
        let data = to_raw_value(&direct).map_err(|error| ServerError::Internal {
            reason: chain(&error),
        })?;
        let request = set_global_account_data::v3::Request::new_raw(
            self.user_id().to_owned(),
            GlobalAccountDataEventType::from(DIRECT),
            Raw::from_json(data),
        );
        let put = || async {
            let answer = self.client().send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        };
        patiently(put).await.map_err(RoomError::from_server)
    }

    /// The rooms that this account is in.
    pub(super) async fn joined_rooms(&self) -> Result<BTreeSet<String>, RoomError> {
        #[derive(Deserialize)]
        struct Answer {
            joined_rooms: BTreeSet<String>,
        }
        let ask = || async {
            let request = joined_rooms::v3::Request::new();
            let body = self.client().send_for_long_body(request, MAX_DIRECT);
            let body = body.await;
            body.map_err(|error| ServerError::from_http(&error))
        };
        let body = patiently(ask).await.map_err(RoomError::from_server)?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| ServerError::Misbehaves {
                reason: "its list of rooms is not as Matrix has it".to_owned(),
            })?;
        Ok(answer.joined_rooms)
    }

    async fn direct_rooms(&self) -> Result<Map<String, Value>, RoomError> {
        let request = get_global_account_data::v3::Request::new(
            self.user_id().to_owned(),
            GlobalAccountDataEventType::from(DIRECT),
        );
        let ask = || async {
            let body = self
                .client()
                .send_for_long_body(request.clone(), MAX_DIRECT);
            let body = body.await;
            body.map_err(|error| ServerError::from_http(&error))
        };
        match patiently(ask).await {
            Ok(body) => Ok(serde_json::from_slice(&body).map_err(|_| {
                // Not to be written over: it may be all right, and the answer not.
                let reason = "its list of rooms of two is not as Matrix has it".to_owned();
                ServerError::Misbehaves { reason }
            })?),
            Err(error) if code(&error) == Some("M_NOT_FOUND") => Ok(Map::new()),
            Err(error) => Err(RoomError::from_server(error)),
        }
    }
}

/// Said to the server with the room itself, so that nothing is ever in clear, and nothing to be seen by who comes later.
fn initial_state() -> Result<Vec<Raw<AnyInitialStateEvent>>, ServerError> {
    let events = [
        json!({ "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" } }),
        json!({ "type": "m.room.history_visibility", "state_key": "", "content": { "history_visibility": HISTORY_VISIBILITY } }),
        json!({ "type": "m.room.guest_access", "state_key": "", "content": { "guest_access": "forbidden" } }),
    ];
    let events = events.into_iter().map(|event| {
        let event = to_raw_value(&event);
        event.map(Raw::from_json)
    });
    let events: Result<_, serde_json::Error> = events.collect();
    events.map_err(|error| ServerError::Internal {
        reason: chain(&error),
    })
}

/// What homeservers say of somebody who is not there, or whose server is not.
fn is_about_invited(code: &str) -> bool {
    matches!(
        code,
        "M_FORBIDDEN" | "M_NOT_FOUND" | "M_INVALID_PARAM" | "M_BAD_STATE"
    )
}

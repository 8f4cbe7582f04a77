//! The room of two people: the one there is, or a new one.

use ruma::{
    OwnedUserId,
    api::client::{
        config::{get_global_account_data, set_global_account_data},
        room::create_room,
    },
    assign,
    events::{AnyInitialStateEvent, GlobalAccountDataEventType},
    serde::Raw,
};
use securecall_contact::{MatrixId, RoomId};
use serde_json::{Map, Value, json, value::to_raw_value};
use tracing::warn;

use super::{
    error::{RoomError, code},
    event::Membership,
    facts::RoomFacts,
    invite::JoinRule,
};
use crate::{Account, ServerError, patience::patiently, server_error::chain, user_id::user_id};

/// The account data that says which rooms are of two people.
const DIRECT: &str = "m.direct";

/// The longest of it that is read, in bytes: some ten thousand people.
const MAX_DIRECT: usize = 1024 * 1024;

/// Rooms that are looked at for one person, the newest first.
const MAX_CANDIDATES: usize = 8;

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
    /// The room of this account and `callee`, and of nobody else: one that account data (`m.direct`) names and in which
    /// there are exactly these two, apart from members that are said to be no people. If there is none, one in which
    /// nobody but us is, and to which they are invited; then a new one, which is encrypted, invites them, and shows
    /// nothing to those who come later.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or makes no room.
    pub async fn direct_room(&self, callee: &MatrixId) -> Result<DirectRoom, RoomError> {
        let user = user_id(callee).ok_or_else(|| RoomError::BadMatrixId(callee.to_string()))?;
        let direct = self.direct_rooms().await?;
        let mut invited = None;
        let candidates = direct.get(callee.as_str()).and_then(Value::as_array);
        let candidates = candidates.into_iter().flatten().rev();
        let candidates = candidates.filter_map(|room| room.as_str()?.parse().ok());
        for room in candidates.take(MAX_CANDIDATES) {
            match self.look_at(room, callee).await? {
                Some(found) if found.callee == Membership::Joined => return Ok(found),
                other => invited = invited.or(other),
            }
        }
        match invited {
            Some(found) => Ok(found),
            None => self.create(user, callee).await,
        }
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
            preset: Some(create_room::v3::RoomPreset::TrustedPrivateChat),
            is_direct: true,
            invite: vec![user],
            initial_state: initial_state()?,
        });
        // Twice it would be two rooms.
        let ask = || async {
            let answer = self.client().send_once(request.clone()).await;
            answer.map_err(|error| ServerError::from_http(&error))
        };
        let answer = patiently(ask).await.map_err(|error| match error {
            ServerError::Refused { code, message } if is_about_invited(&code) => {
                RoomError::CannotInvite(callee.clone(), message)
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
        let mut direct = self.direct_rooms().await?;
        let rooms = direct.entry(other.as_str()).or_insert_with(|| json!([]));
        // What is no list there is somebody's mistake, and of no use.
        if !rooms.is_array() {
            *rooms = json!([]);
        }
        if let Value::Array(rooms) = rooms {
            if rooms.iter().any(|known| known == room.as_str()) {
                return Ok(());
            }
            rooms.push(json!(room.as_str()));
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
        json!({ "type": "m.room.history_visibility", "state_key": "", "content": { "history_visibility": "joined" } }),
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

//! What a room is like, asked when it matters.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{
    api::client::{membership::joined_members, state::get_state_event_for_key},
    events::StateEventType,
};
use securecall_contact::{MatrixId, RoomId};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    error::{RoomError, code},
    ids::AsRuma as _,
    invite::JoinRule,
};
use crate::{Account, ServerError, http_error::HttpError, patience::patiently};

/// Rooms with more members are not looked at any closer: no call of two is placed in them.
pub const MAX_ROOM_MEMBERS: usize = 64;

/// The longest list of members that is read, in bytes.
const MAX_MEMBERS_ANSWER: usize = 256 * 1024;

/// Members that are no people: bots and bridges, by the word of the room's administrators (MSC4171).
const FUNCTIONAL_MEMBERS: &str = "io.element.functional_members";

/// What a room is like, now. All of it is the homeserver's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFacts {
    /// Who is in it, without those who are said to be no people; this account is one of them.
    pub members: Vec<MatrixId>,
    /// Whether it is encrypted, or has ever been seen to be.
    pub encrypted: bool,
    /// Who may join it.
    pub join_rule: JoinRule,
}

impl RoomFacts {
    /// Whether these two are in it, and nobody else.
    #[must_use]
    pub fn is_of_two(&self, one: &MatrixId, other: &MatrixId) -> bool {
        self.members.len() == 2 && self.members.contains(one) && self.members.contains(other)
    }
}

impl Account {
    /// Asks the homeserver, now, who is in a room and how it is set up.
    ///
    /// # Errors
    ///
    /// When we are not in it, when there are more than [`MAX_ROOM_MEMBERS`] people in it, or when the homeserver cannot be
    /// asked.
    pub async fn room_facts(&self, room: &RoomId) -> Result<RoomFacts, RoomError> {
        let (members, functional, encrypted, rule) = tokio::join!(
            self.joined_members(room),
            self.room_state(room, FUNCTIONAL_MEMBERS, ""),
            self.is_room_encrypted(room),
            self.room_state(room, "m.room.join_rules", ""),
        );
        // Of the four, this one says why there is no answer.
        let members = members?;
        let functional = functional?.as_ref().map(service_members);
        let functional = functional.unwrap_or_default();
        let rule = rule?;
        let rule = rule.as_ref().and_then(|rule| rule["join_rule"].as_str());
        let members: Vec<MatrixId> = members
            .into_iter()
            .filter(|member| !functional.contains(member.as_str()))
            .collect();
        if members.len() > MAX_ROOM_MEMBERS {
            return Err(RoomError::TooManyMembers);
        }
        Ok(RoomFacts {
            members,
            encrypted: encrypted?,
            join_rule: rule.map_or_else(JoinRule::default, JoinRule::read),
        })
    }

    /// Whether a room is encrypted: if it ever was seen to be, it is.
    pub(super) async fn is_room_encrypted(&self, room: &RoomId) -> Result<bool, RoomError> {
        if self.olm().is_known_encrypted(room).await? {
            return Ok(true);
        }
        let state = self.room_state(room, "m.room.encryption", "").await?;
        match state {
            Some(_) => self.olm().remember_encrypted(room).await?,
            None => self.syncer().room_memory().note_plain(room),
        }
        Ok(state.is_some())
    }

    /// A member who cannot be named is one all the same, so that a room of three does not look like one of two.
    async fn joined_members(&self, room: &RoomId) -> Result<Vec<MatrixId>, RoomError> {
        #[derive(Deserialize)]
        struct Answer {
            joined: BTreeMap<String, IgnoredAny>,
        }
        let request = joined_members::v3::Request::new(room.as_ruma().to_owned());
        let ask = || async {
            let body = self.client();
            let body = body.send_for_long_body(request.clone(), MAX_MEMBERS_ANSWER);
            match body.await {
                Ok(body) => Ok(Some(body)),
                Err(HttpError::TooLarge { .. }) => Ok(None),
                Err(error) => Err(ServerError::from_http(&error)),
            }
        };
        let body = match patiently(ask).await {
            // Of rooms that we are not in, nobody tells us anything.
            Err(error) if code(&error) == Some("M_FORBIDDEN") => return Err(RoomError::NotMember),
            other => other.map_err(RoomError::from_server)?,
        };
        let body = body.ok_or(RoomError::TooManyMembers)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| misbehaves())?;
        if answer.joined.len() > 2 * MAX_ROOM_MEMBERS {
            return Err(RoomError::TooManyMembers);
        }
        let members = answer.joined.into_keys();
        members
            .map(|member| {
                member
                    .parse()
                    .map_err(|_| RoomError::BadMatrixId(shown(&member)))
            })
            .collect()
    }

    /// The content of a state event; `None` if there is none.
    pub(super) async fn room_state(
        &self,
        room: &RoomId,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<Value>, RoomError> {
        let request = get_state_event_for_key::v3::Request::new(
            room.as_ruma().to_owned(),
            StateEventType::from(event_type),
            state_key.to_owned(),
        );
        let ask = || async {
            let body = self.client().send_for_body(request.clone()).await;
            body.map_err(|error| ServerError::from_http(&error))
        };
        match patiently(ask).await {
            Ok(body) => {
                let content: Value = serde_json::from_slice(&body).map_err(|_| misbehaves())?;
                Ok(Some(content))
            }
            Err(error) if code(&error) == Some("M_NOT_FOUND") => Ok(None),
            Err(error) => Err(RoomError::from_server(error)),
        }
    }
}

fn service_members(content: &Value) -> BTreeSet<String> {
    let members = content["service_members"].as_array();
    let members = members.into_iter().flatten().take(MAX_ROOM_MEMBERS);
    members
        .filter_map(|member| member.as_str().map(str::to_owned))
        .collect()
}

/// Nobody reads more of what is no Matrix ID.
fn shown(text: &str) -> String {
    securecall_contact::display_line(text, 64)
}

fn misbehaves() -> ServerError {
    ServerError::Misbehaves {
        reason: "what it says of a room is not as Matrix has it".to_owned(),
    }
}

//! State events of our own: read, written, and held back by the homeserver (MSC4140).

use std::time::Duration;

use ruma::{
    api::client::{
        discovery::get_supported_versions,
        state::{get_state_event_for_key, send_state_event},
    },
    events::StateEventType,
    serde::Raw,
};
use securecall_contact::RoomId;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::event::GroupRoomEventType;
use crate::{
    Account, ServerError,
    http_transport::Terms,
    rooms::{MAX_ROOM_CONTENT, error::code, ids::AsRuma as _},
};

/// What a homeserver that holds events back says of itself, and where it takes orders for them.
const DELAYED_EVENTS: &str = "org.matrix.msc4140";

/// The longest ID of an event that is held back.
const MAX_DELAY_ID: usize = 255;

/// Which state event of a room is meant.
#[derive(Clone, Copy, Debug)]
pub struct GroupRoomKey<'a> {
    /// The room.
    pub room: &'a RoomId,
    /// A call, or our place in calls.
    pub event_type: GroupRoomEventType,
    /// The ID of the call, or this account's Matrix ID.
    pub state_key: &'a str,
}

/// Why something was not done with a state event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateFailure {
    /// We may not: of power, or because we are not in the room.
    #[error("the homeserver does not allow it")]
    Forbidden,
    /// The homeserver cannot do that.
    #[error("the homeserver cannot do that")]
    Unsupported,
    /// There is no such event.
    #[error("there is no such event")]
    NotFound,
    /// It could not be reached, or wants to be asked after so long.
    #[error("the homeserver cannot be asked now")]
    Later(Duration),
}

impl StateFailure {
    /// `refused`: what any other no means.
    fn from_server(error: &ServerError, refused: Self) -> Self {
        match (error, code(error)) {
            (_, Some("M_FORBIDDEN")) => Self::Forbidden,
            (_, Some("M_NOT_FOUND")) => Self::NotFound,
            (_, Some("M_UNRECOGNIZED")) => Self::Unsupported,
            (_, Some(_)) => refused,
            (error, None) => Self::Later(error.asked_wait()),
        }
    }
}

/// Makes requests one at a time; each is the caller's to repeat.
impl Account {
    /// The content of a state event: JSON.
    ///
    /// # Errors
    ///
    /// [`StateFailure::NotFound`] if there is none.
    pub async fn read_state(&self, key: GroupRoomKey<'_>) -> Result<String, StateFailure> {
        if leads_elsewhere(key.state_key) {
            return Err(StateFailure::NotFound);
        }
        let request = get_state_event_for_key::v3::Request::new(
            key.room.as_ruma().to_owned(),
            StateEventType::from(key.event_type.as_str()),
            key.state_key.to_owned(),
        );
        let body = self.client().send_for_body(request).await;
        let body = body.map_err(|error| ServerError::from_http(&error));
        let body =
            body.map_err(|error| StateFailure::from_server(&error, StateFailure::Forbidden))?;
        let is_object = serde_json::from_slice::<&RawValue>(&body)
            .is_ok_and(|content| content.get().starts_with('{'));
        match String::from_utf8(body) {
            Ok(content) if is_object => Ok(content),
            _ => Err(StateFailure::Later(Duration::ZERO)),
        }
    }

    /// Writes a state event. Writing the same again changes nothing.
    ///
    /// # Errors
    ///
    /// When it is not written. [`StateFailure::Unsupported`] if the content is no JSON object, or longer than an event can be.
    pub async fn write_state(
        &self,
        key: GroupRoomKey<'_>,
        content: &str,
    ) -> Result<(), StateFailure> {
        let sent = self.client().send(request(key, content)?).await;
        let sent = sent.map_err(|error| ServerError::from_http(&error));
        sent.map(drop)
            .map_err(|error| StateFailure::from_server(&error, StateFailure::Forbidden))
    }

    /// Has the homeserver write a state event when the delay is over; gives what it calls that.
    ///
    /// # Errors
    ///
    /// [`StateFailure::Unsupported`] if it does not say that it can, or not for so long. One that cannot would write the event
    /// at once, so it is not asked.
    pub async fn schedule_state(
        &self,
        key: GroupRoomKey<'_>,
        content: &str,
        delay: Duration,
    ) -> Result<String, StateFailure> {
        #[derive(Deserialize)]
        struct Answer {
            delay_id: String,
        }
        let request = request(key, content)?;
        if !self.has_delayed_events().await? {
            return Err(StateFailure::Unsupported);
        }
        let query = ("org.matrix.msc4140.delay", delay.as_millis().to_string());
        // Twice would be two of them.
        let body = self.client().send_with_query(request, query, Terms::ONCE);
        let body = body.await.map_err(|error| ServerError::from_http(&error));
        let body =
            body.map_err(|error| StateFailure::from_server(&error, StateFailure::Unsupported))?;
        match serde_json::from_slice(&body) {
            Ok(Answer { delay_id }) if is_delay_id(&delay_id) => Ok(delay_id),
            _ => Err(StateFailure::Unsupported),
        }
    }

    /// Lets the delay of an event that is held back begin anew.
    ///
    /// # Errors
    ///
    /// [`StateFailure::NotFound`] if the homeserver holds none of that name: it was sent, perhaps.
    pub async fn restart_delayed(&self, delay_id: &str) -> Result<(), StateFailure> {
        self.tell_delayed(delay_id, "restart").await
    }

    /// Has the homeserver forget an event that is held back.
    ///
    /// # Errors
    ///
    /// [`StateFailure::NotFound`] if it holds none of that name.
    pub async fn cancel_delayed(&self, delay_id: &str) -> Result<(), StateFailure> {
        self.tell_delayed(delay_id, "cancel").await
    }

    /// Homeservers of before and of after the last change of MSC4140 take the action in different places. The older is the one
    /// that most of both take.
    async fn tell_delayed(&self, delay_id: &str, action: &str) -> Result<(), StateFailure> {
        if !is_delay_id(delay_id) {
            return Err(StateFailure::NotFound);
        }
        let base = ["unstable", DELAYED_EVENTS, "delayed_events", delay_id];
        let by_body = self.post(&base, &json!({ "action": action })).await;
        let told = match by_body {
            Err(StateFailure::Unsupported) => {
                let path: Vec<_> = base.into_iter().chain([action]).collect();
                self.post(&path, &json!({})).await
            }
            other => other,
        };
        told.map(drop)
    }

    async fn post(&self, path: &[&str], body: &Value) -> Result<Vec<u8>, StateFailure> {
        let told = self.client().post(path, body).await;
        let told = told.map_err(|error| ServerError::from_http(&error));
        told.map_err(|error| StateFailure::from_server(&error, StateFailure::Unsupported))
    }

    /// Asked once.
    async fn has_delayed_events(&self) -> Result<bool, StateFailure> {
        let ask = || async {
            let request = get_supported_versions::Request::new();
            let body = self.client().send_for_body(request).await;
            let body = body.map_err(|error| {
                StateFailure::from_server(
                    &ServerError::from_http(&error),
                    StateFailure::Unsupported,
                )
            })?;
            let versions: Value = serde_json::from_slice(&body).unwrap_or_default();
            Ok(versions["unstable_features"][DELAYED_EVENTS] == true)
        };
        self.delayed_events().get_or_try_init(ask).await.copied()
    }
}

fn is_delay_id(text: &str) -> bool {
    (1..=MAX_DELAY_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !leads_elsewhere(text)
}

/// Whether a part of a path that says this is none, however it is written.
fn leads_elsewhere(text: &str) -> bool {
    matches!(text, "." | "..")
}

fn request(
    key: GroupRoomKey<'_>,
    content: &str,
) -> Result<send_state_event::v3::Request, StateFailure> {
    let content: &RawValue = match serde_json::from_str::<&RawValue>(content) {
        Ok(object) if object.get().starts_with('{') && content.len() <= MAX_ROOM_CONTENT => object,
        _ => return Err(StateFailure::Unsupported),
    };
    // Somebody else may have chosen the ID of a call.
    if leads_elsewhere(key.state_key) {
        return Err(StateFailure::Unsupported);
    }
    Ok(send_state_event::v3::Request::new_raw(
        key.room.as_ruma().to_owned(),
        StateEventType::from(key.event_type.as_str()),
        key.state_key.to_owned(),
        Raw::from_json(content.to_owned()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_elsewhere_or_has_no_bound_is_none() {
        let longest = "x".repeat(MAX_DELAY_ID);
        for id in [
            "syd_AbC",
            "a/b",
            "../../logout/all",
            "%2e%2e",
            "...",
            &longest,
        ] {
            assert!(is_delay_id(id), "{id}");
        }
        let too_long = "x".repeat(MAX_DELAY_ID + 1);
        for id in ["", ".", "..", "a b", "a\n", "é", &too_long] {
            assert!(!is_delay_id(id), "{id}");
        }
    }

    #[test]
    fn what_is_no_content_or_goes_elsewhere_is_not_sent() {
        let room = "!r".parse().unwrap();
        let check = |state_key: &str, content: &str| {
            let key = GroupRoomKey {
                room: &room,
                event_type: GroupRoomEventType::Call,
                state_key,
            };
            request(key, content).map(drop)
        };
        let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_ROOM_CONTENT));
        assert_eq!(check("c", "{}"), Ok(()));
        for (key, content) in [
            ("c", "[]"),
            ("c", "{"),
            ("c", "{}{}"),
            ("c", &long),
            (".", "{}"),
            ("..", "{}"),
        ] {
            assert_eq!(check(key, content), Err(StateFailure::Unsupported));
        }
    }
}

//! One device of one user: a page of its own.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{JsSdkCall, JsSdkCallStatus, JsSdkError, page::Page};

/// How long a page waits for what does not come.
pub(super) const PATIENCE_MS: u64 = 60_000;

/// Who logs in where.
#[derive(Clone, Debug)]
pub struct JsSdkLogin<'a> {
    /// The homeserver's URL for clients.
    pub homeserver: &'a str,
    /// A localpart, or a whole user ID.
    pub user: &'a str,
    /// The account's password.
    pub password: &'a str,
    /// The tone that the device's microphone hears, at a quarter of full scale. Give each device one of its own, some 100 Hz
    /// from others and below 4 kHz.
    pub hertz: f32,
    /// Whether calls go through the homeserver's TURN servers only.
    pub force_turn: bool,
}

/// An event about a call, as it came in a room's timeline; also what this device sent itself, as the server gave it back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkEvent {
    /// Its ID.
    pub event_id: String,
    /// The room it came in.
    pub room_id: String,
    /// Who sent it.
    pub sender: String,
    /// `m.call.…`, or `m.room.redaction`; the type inside where it was encrypted.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its content, decrypted, as it was before a redaction.
    pub content: Value,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// The event that a redaction takes away.
    pub redacts: Option<String>,
    /// When it came, in Unix ms.
    pub at_ms: f64,
}

/// A device that is logged in and syncs. Its page closes when the last clone of this value, or of a call of it, is dropped;
/// the device itself stays at the homeserver unless it is logged out.
#[derive(Clone, Debug)]
pub struct JsSdkDevice {
    page: Arc<Page>,
    user_id: String,
    device_id: String,
}

#[derive(Deserialize)]
struct LoggedIn {
    user_id: String,
    device_id: String,
}

/// Methods that wait do so for at most 60 s, unless they say otherwise.
impl JsSdkDevice {
    pub(super) fn log_in(page: Page, login: &JsSdkLogin<'_>) -> Result<Self, JsSdkError> {
        let parameters = json!({
            "homeserver": login.homeserver,
            "user": login.user,
            "password": login.password,
            "hertz": login.hertz,
            "forceTurn": login.force_turn,
        });
        let LoggedIn { user_id, device_id } = page.ask("logIn", &parameters)?;
        Ok(Self {
            page: Arc::new(page),
            user_id,
            device_id,
        })
    }

    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// Its user.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Its ID, which is its `party_id` in calls too.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// Makes a direct room with somebody, who is invited; gives its ID.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn create_direct_room(&self, invitee: &str, encrypted: bool) -> Result<String, JsSdkError> {
        let parameters = json!({"invitee": invitee, "encrypted": encrypted});
        self.page.ask("create", &parameters)
    }

    /// Waits for somebody's invite to a room, and joins it; gives its ID.
    ///
    /// # Errors
    /// When none comes.
    pub fn join_invite(&self, inviter: &str) -> Result<String, JsSdkError> {
        self.page.ask("joinInvite", &json!({"inviter": inviter}))
    }

    /// Joins a room by its ID or alias.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn join(&self, room: &str) -> Result<(), JsSdkError> {
        self.page.tell("join", &json!({"room": room}))
    }

    /// Waits until somebody has joined a room, as this device sees it.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_for_member(&self, room: &str, user: &str) -> Result<(), JsSdkError> {
        let parameters = json!({"room": room, "user": user, "membership": "join"});
        self.page.tell("member", &parameters)
    }

    /// Whether what this device sends in a room is encrypted.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn is_encrypted(&self, room: &str) -> Result<bool, JsSdkError> {
        self.page.ask("isEncrypted", &json!({"room": room}))
    }

    /// Gives those who are in an encrypted room the keys for what will be sent, as Element does when somebody begins to write.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn prepare_to_encrypt(&self, room: &str) -> Result<(), JsSdkError> {
        self.page.tell("prepareToEncrypt", &json!({"room": room}))
    }

    /// What the homeserver names as ICE servers, in the shape of an `RTCIceServer`.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn ice_servers(&self) -> Result<Vec<Value>, JsSdkError> {
        self.page.ask("iceServers", &json!({}))
    }

    /// Lets the microphone hear another tone.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn speak(&self, hertz: f32) -> Result<(), JsSdkError> {
        self.page.tell("speak", &json!({"hertz": hertz}))
    }

    /// Places a voice call in a room; comes back as soon as the microphone is open. Element names no `invitee`, and without one
    /// matrix-js-sdk never sees glare.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn place_call(&self, room: &str, invitee: Option<&str>) -> Result<JsSdkCall, JsSdkError> {
        self.place(room, invitee, false)
    }

    /// Places a call with voice and video.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn place_video_call(
        &self,
        room: &str,
        invitee: Option<&str>,
    ) -> Result<JsSdkCall, JsSdkError> {
        self.place(room, invitee, true)
    }

    /// Waits for a call that rings and was not taken yet.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_for_call(&self) -> Result<JsSdkCall, JsSdkError> {
        self.wait_for_call_for(Duration::from_millis(PATIENCE_MS))
    }

    /// The same, for at most so long.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_for_call_for(&self, patience: Duration) -> Result<JsSdkCall, JsSdkError> {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let id = self.page.ask("incoming", &json!({"patience": patience}))?;
        Ok(self.call(id))
    }

    /// Takes every call as soon as it rings, from now on or no more: what a person does takes no time then.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn take_all(&self, on: bool) -> Result<(), JsSdkError> {
        self.page.tell("takeAll", &json!({"on": on}))
    }

    /// All calls that this device placed or that rang, in their order.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn calls(&self) -> Result<Vec<JsSdkCallStatus>, JsSdkError> {
        self.page.ask("all", &json!({}))
    }

    /// All events about calls that came in its rooms since it logged in, in the order in which they came.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn events(&self) -> Result<Vec<JsSdkEvent>, JsSdkError> {
        self.page.ask("history", &json!({}))
    }

    /// Ends the device at the homeserver.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn log_out(self) -> Result<(), JsSdkError> {
        self.page.tell("logOut", &json!({}))
    }

    fn place(
        &self,
        room: &str,
        invitee: Option<&str>,
        video: bool,
    ) -> Result<JsSdkCall, JsSdkError> {
        let parameters = json!({"room": room, "invitee": invitee, "video": video});
        let id = self.page.ask("place", &parameters)?;
        Ok(self.call(id))
    }

    fn call(&self, id: String) -> JsSdkCall {
        JsSdkCall {
            device: self.clone(),
            id,
        }
    }
}

//! Group calls of a device, one in each room (MSC3401).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{JsSdkDevice, JsSdkError, JsSdkHeard};

/// What a device knows of the group call that a room has. Times are Unix ms of this machine's clock.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkGroupStatus {
    /// Its ID: the state key of its event, and `conf_id` elsewhere.
    pub id: String,
    /// The session of this device.
    pub session: String,
    /// When this device was told to enter, if it is in.
    pub entered_at_ms: Option<f64>,
    /// Who is in, by what the room says.
    pub participants: Vec<JsSdkParticipant>,
    /// The 1:1 calls with them.
    pub legs: Vec<JsSdkGroupLeg>,
    /// What it reported as errors.
    pub errors: Vec<String>,
}

/// A device that is in a group call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct JsSdkParticipant {
    /// Its user.
    pub user: String,
    /// Its ID.
    pub device: String,
    /// Its session.
    pub session: String,
}

/// A 1:1 call within a group call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkGroupLeg {
    /// The other end's user.
    pub user: Option<String>,
    /// The other end's device.
    pub device: Option<String>,
    /// Its `call_id`.
    pub call_id: String,
    /// Its state, in matrix-js-sdk's words.
    pub state: String,
    /// When the first packet of the other end's voice came.
    pub first_packet_at_ms: Option<f64>,
    /// When the first sample of it that is no silence was heard.
    pub first_sound_at_ms: Option<f64>,
    /// What is heard in it now.
    pub heard: JsSdkHeard,
}

/// How something that group calls say went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsSdkWay {
    /// A state event came, of anybody.
    State,
    /// This device sent it to another one.
    Sent,
    /// It came from another device, and was taken in its turn.
    Received,
}

/// Something that group calls say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkGroupEvent {
    /// How it went.
    pub way: JsSdkWay,
    /// Its type, inside where it was encrypted.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who sent it.
    pub sender: String,
    /// Its content, as it was on the wire, decrypted.
    pub content: Value,
    /// Of a state event.
    pub state_key: Option<String>,
    /// `origin_server_ts` of a state event.
    pub sent_ms: Option<u64>,
    /// Whether it was encrypted; not known of what was sent.
    pub encrypted: Option<bool>,
    /// Which user it was sent to.
    pub to_user: Option<String>,
    /// Which device it was sent to.
    pub to_device: Option<String>,
}

/// Methods that wait do so for at most 60 s.
impl JsSdkDevice {
    /// Makes a room in which all who are invited may be in group calls; gives its ID.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn create_group_room(&self, invitees: &[&str]) -> Result<String, JsSdkError> {
        self.page()
            .ask("createGroupRoom", &json!({"invitees": invitees}))
    }

    /// Begins a group call in a room, without entering it; gives its ID.
    ///
    /// # Errors
    /// When the homeserver refuses, or there is one.
    pub fn create_group_call(&self, room: &str) -> Result<String, JsSdkError> {
        self.page().ask("createGroup", &json!({"room": room}))
    }

    /// Opens the microphone for the group call of a room as soon as that is known, so that entering does not wait for it.
    ///
    /// # Errors
    /// When there is none, or the microphone is open.
    pub fn open_group_microphone(&self, room: &str) -> Result<(), JsSdkError> {
        self.page()
            .tell("openGroupMicrophone", &json!({"room": room}))
    }

    /// Enters the group call of a room as soon as it is known; gives its ID.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter_group_call(&self, room: &str) -> Result<String, JsSdkError> {
        self.page().ask("enterGroup", &json!({"room": room}))
    }

    /// Leaves it.
    ///
    /// # Errors
    /// When there is none.
    pub fn leave_group_call(&self, room: &str) -> Result<(), JsSdkError> {
        self.page().tell("leaveGroup", &json!({"room": room}))
    }

    /// Ends it for all.
    ///
    /// # Errors
    /// When there is none.
    pub fn terminate_group_call(&self, room: &str) -> Result<(), JsSdkError> {
        self.page().tell("terminateGroup", &json!({"room": room}))
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn group_call(&self, room: &str) -> Result<Option<JsSdkGroupStatus>, JsSdkError> {
        self.page().ask("groupStatus", &json!({"room": room}))
    }

    /// Waits until each of these tones is heard, each in a 1:1 call of its own, and there are no other calls.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for_group_tones(
        &self,
        room: &str,
        tones: &[f32],
    ) -> Result<JsSdkGroupStatus, JsSdkError> {
        let parameters = json!({"room": room, "tones": tones});
        self.page().ask("untilGroupHears", &parameters)
    }

    /// Waits until so many others were heard, each in a 1:1 call of its own.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for_group_voices(
        &self,
        room: &str,
        others: usize,
    ) -> Result<JsSdkGroupStatus, JsSdkError> {
        let parameters = json!({"room": room, "others": others});
        self.page().ask("untilGroupHeard", &parameters)
    }

    /// Waits until exactly these devices are in the group call.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for_group_devices(
        &self,
        room: &str,
        devices: &[&str],
    ) -> Result<JsSdkGroupStatus, JsSdkError> {
        let parameters = json!({"room": room, "devices": devices});
        self.page().ask("untilGroupHas", &parameters)
    }

    /// All that group calls said since this device logged in, in the order in which it came.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn group_events(&self) -> Result<Vec<JsSdkGroupEvent>, JsSdkError> {
        self.page().ask("groupHistory", &json!({}))
    }
}

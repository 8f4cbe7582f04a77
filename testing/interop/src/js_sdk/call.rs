//! One call of one device.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{JsSdkDevice, JsSdkError};

/// A call as one device sees it.
#[derive(Clone, Debug)]
pub struct JsSdkCall {
    pub(super) device: JsSdkDevice,
    pub(super) id: String,
}

/// matrix-js-sdk's `CallState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are matrix-js-sdk's")]
pub enum JsSdkCallState {
    Fledgling,
    InviteSent,
    WaitLocalMedia,
    CreateOffer,
    CreateAnswer,
    Connecting,
    Connected,
    Ringing,
    Ended,
}

/// A state that a call came to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkCallStep {
    /// The state.
    pub state: JsSdkCallState,
    /// When, in Unix ms.
    pub at_ms: f64,
}

/// What a device knows of a call. Times are Unix ms of this machine's clock.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JsSdkCallStatus {
    /// Its `call_id`.
    pub id: String,
    /// The room it is in.
    pub room_id: String,
    /// `inbound` or `outbound`, once that is known.
    pub direction: Option<String>,
    /// Its state now.
    pub state: JsSdkCallState,
    /// All states it came to, in their order.
    pub states: Vec<JsSdkCallStep>,
    /// What it reported as an error, with matrix-js-sdk's `CallErrorCode` in front.
    pub errors: Vec<String>,
    /// Why it ended: a reason of the other end's `m.call.hangup`, or matrix-js-sdk's own.
    pub end_reason: Option<String>,
    /// `local` or `remote`: who ended it.
    pub end_party: Option<String>,
    /// The call that took its place after glare.
    pub replaced_by: Option<String>,
    /// The other end's user ID, once that is known.
    pub opponent: Option<String>,
    /// Whether matrix-js-sdk takes it for a video call.
    pub is_video: bool,
    /// Whether the other end holds us.
    pub is_local_on_hold: bool,
    /// Whether we hold the other end.
    pub is_remote_on_hold: bool,
    /// Whether our microphone is muted, by us or because we hold.
    pub is_muted: bool,
    /// Whether the other end said that its microphone is; `None` without a stream of theirs.
    pub is_remote_muted: Option<bool>,
    /// Whether the other end's stream has a video track.
    pub has_remote_video: bool,
    /// `iceConnectionState`.
    pub ice_state: Option<String>,
    /// `signalingState`.
    pub signaling_state: Option<String>,
    /// The ICE user name fragment of our description, which a restart changes.
    pub local_ufrag: Option<String>,
    /// The other end's.
    pub remote_ufrag: Option<String>,
    /// When it was placed: before the call is made and the microphone opened. Exact to 0.1 ms.
    pub placed_at_ms: Option<f64>,
    /// When the first packet of the other end's voice came. Chromium makes its statistics anew every 50 ms only, so this is
    /// reckoned back from the last packet by 20 ms each: exact to 2 ms where nothing is lost and the other end packs 20 ms.
    pub first_packet_at_ms: Option<f64>,
    /// When the first sample that is no silence came out of the jitter buffer: exact to some 10 ms, WebAudio's block.
    pub first_sound_at_ms: Option<f64>,
}

/// The loudest tone of the last third of a second.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct JsSdkHeard {
    /// Its frequency, exact to 3 Hz.
    pub hertz: f32,
    /// Its level in dB of full scale, as an `AnalyserNode` has it; −200 if there is nothing. A device's own tone, unharmed, is
    /// at about −26.
    pub level: f32,
}

/// The path that a call uses, and what went over it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JsSdkPath {
    /// The kind of our candidate: `host`, `srflx`, `prflx`, `relay`.
    pub local: Option<String>,
    /// The kind of the other end's.
    pub remote: Option<String>,
    /// Packets of voice that came.
    pub received: u64,
    /// Those that did not.
    pub lost: i64,
    /// Packets of voice that were sent.
    pub sent: u64,
}

/// Methods that wait do so for at most 60 s, else they are an error that says what the call is like instead.
impl JsSdkCall {
    /// Its `call_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn status(&self) -> Result<JsSdkCallStatus, JsSdkError> {
        self.ask("status", json!({}))
    }

    /// Waits until the call is in a state; gives what is known of it then.
    ///
    /// # Errors
    /// When it does not come to it.
    pub fn wait_for(&self, state: JsSdkCallState) -> Result<JsSdkCallStatus, JsSdkError> {
        let word = match state {
            JsSdkCallState::Fledgling => "fledgling",
            JsSdkCallState::InviteSent => "invite_sent",
            JsSdkCallState::WaitLocalMedia => "wait_local_media",
            JsSdkCallState::CreateOffer => "create_offer",
            JsSdkCallState::CreateAnswer => "create_answer",
            JsSdkCallState::Connecting => "connecting",
            JsSdkCallState::Connected => "connected",
            JsSdkCallState::Ringing => "ringing",
            JsSdkCallState::Ended => "ended",
        };
        self.wait_until("state", word)
    }

    /// Waits until a field of [`JsSdkCallStatus`], by its name, has a value.
    ///
    /// # Errors
    /// When it does not get it.
    pub fn wait_until(
        &self,
        field: &str,
        value: impl Into<Value>,
    ) -> Result<JsSdkCallStatus, JsSdkError> {
        let patience = super::device::PATIENCE_MS;
        let value: Value = value.into();
        self.ask(
            "untilStatus",
            json!({"field": field, "value": value, "patience": patience}),
        )
    }

    /// What is heard now.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn heard(&self) -> Result<JsSdkHeard, JsSdkError> {
        self.ask("heard", json!({}))
    }

    /// Waits until the tone that is heard is this one, ± 15 Hz and louder than −50 dB.
    ///
    /// # Errors
    /// When it is not heard.
    pub fn wait_for_tone(&self, hertz: f32) -> Result<JsSdkHeard, JsSdkError> {
        let patience = super::device::PATIENCE_MS;
        self.ask("untilHeard", json!({"hertz": hertz, "patience": patience}))
    }

    /// Waits until nothing is heard that is louder than −70 dB.
    ///
    /// # Errors
    /// When it does not get silent within so much time.
    pub fn wait_for_silence(&self, patience: Duration) -> Result<JsSdkHeard, JsSdkError> {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.ask("untilHeard", json!({"patience": patience}))
    }

    /// The path in use, of a call that is connected.
    ///
    /// # Errors
    /// When there is none.
    pub fn path(&self) -> Result<JsSdkPath, JsSdkError> {
        self.ask("path", json!({}))
    }

    /// Answers it, with video too if that is wanted and the other end has some.
    ///
    /// # Errors
    /// When it does not ring.
    pub fn answer(&self, video: bool) -> Result<(), JsSdkError> {
        self.tell("answer", json!({"video": video}))
    }

    /// Declines it.
    ///
    /// # Errors
    /// When it does not ring.
    pub fn reject(&self) -> Result<(), JsSdkError> {
        self.tell("reject", json!({}))
    }

    /// Hangs it up, whatever state it is in.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn hang_up(&self) -> Result<(), JsSdkError> {
        self.tell("hangUp", json!({}))
    }

    /// Mutes the microphone, or opens it again.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn mute(&self, on: bool) -> Result<(), JsSdkError> {
        self.tell("mute", json!({"on": on}))
    }

    /// Holds the other end, or takes it back. matrix-js-sdk mutes its own track too while it holds.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn hold(&self, on: bool) -> Result<(), JsSdkError> {
        self.tell("hold", json!({"on": on}))
    }

    /// Shows the camera's picture, as Element's button does: the first time it offers video by `m.call.negotiate`, unless the
    /// other end sent no stream metadata; later it mutes and unmutes the track.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn show_video(&self, on: bool) -> Result<(), JsSdkError> {
        self.tell("showVideo", json!({"on": on}))
    }

    /// Restarts ICE, as matrix-js-sdk does 2 s after its path is lost.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn restart_ice(&self) -> Result<(), JsSdkError> {
        self.tell("restartIce", json!({}))
    }

    /// Waits until the other end has taken part in a restart of ICE since `before`, and the new path is in use.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for_restart(
        &self,
        before: &JsSdkCallStatus,
    ) -> Result<JsSdkCallStatus, JsSdkError> {
        let patience = super::device::PATIENCE_MS;
        let before = &before.remote_ufrag;
        self.ask(
            "untilRestarted",
            json!({"before": before, "patience": patience}),
        )
    }

    fn tell(&self, order: &str, parameters: Value) -> Result<(), JsSdkError> {
        self.device.page().tell(order, &self.with_id(parameters))
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        order: &str,
        parameters: Value,
    ) -> Result<T, JsSdkError> {
        self.device.page().ask(order, &self.with_id(parameters))
    }

    fn with_id(&self, mut parameters: Value) -> Value {
        parameters["id"] = self.id.as_str().into();
        parameters
    }
}

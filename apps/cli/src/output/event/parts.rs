//! What several events have in common: who, how it was, and how a call goes.

use securecall_contact::{DeviceId, MatrixId, SecureCallId};
use serde::Serialize;

/// Who says what a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettingSource {
    /// Its environment variable.
    Environment,
    /// `config.toml`.
    File,
    /// Nobody.
    Default,
}

impl SettingSource {
    /// What a person is told.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "set",
            Self::Default => "default",
        }
    }
}

/// A contact before it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Previous {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) matrix_id: String,
}

/// Who is at the other end; null where unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Peer {
    pub(crate) id: Option<String>,
    pub(crate) matrix_id: Option<String>,
    pub(crate) name: Option<String>,
    /// A known contact under a Matrix ID that is not the one in the contact list.
    pub(crate) new_address: bool,
    /// A contact whose key was compared by a way that no server controls.
    pub(crate) verified: bool,
    /// Which of their devices, in the group call of a room: each is there by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<String>,
}

impl Peer {
    /// Somebody as the call machine knows them.
    pub(crate) fn new(
        id: Option<&SecureCallId>,
        matrix_id: &MatrixId,
        name: Option<&str>,
        new_address: bool,
        verified: bool,
    ) -> Self {
        Self {
            id: id.map(SecureCallId::to_string),
            matrix_id: Some(matrix_id.to_string()),
            name: name.map(str::to_owned),
            new_address,
            verified,
            device_id: None,
        }
    }

    /// One of their devices.
    #[must_use]
    pub(crate) fn on(mut self, device: Option<&DeviceId>) -> Self {
        self.device_id = device.map(DeviceId::to_string);
        self
    }

    /// What a person is told: the contact's name, else the whole ID.
    pub(crate) fn shown(&self) -> String {
        let unnamed = || {
            self.id
                .clone()
                .or_else(|| self.matrix_id.clone())
                .unwrap_or_else(|| "unknown".to_owned())
        };
        match &self.name {
            Some(name) if self.new_address => format!("{name} (from a new address)"),
            Some(name) => name.clone(),
            None => unnamed(),
        }
    }
}

/// The numbers of a connected call, once a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Stats {
    pub(crate) call_id: String,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) loss: f64,
    pub(crate) jitter_ms: f64,
    pub(crate) playout_delay_ms: f64,
    pub(crate) frames_sent: u64,
    pub(crate) frames_received: u64,
    pub(crate) frames_refused: u64,
    pub(crate) concealed_ms: f64,
    pub(crate) microphone_ms: Option<f64>,
    pub(crate) speaker_ms: Option<f64>,
    pub(crate) bit_rate: u32,
    pub(crate) peer_loss: Option<f64>,
}

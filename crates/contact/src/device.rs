//! A device of an account, as Matrix knows it.

use crate::{DeviceId, OlmKey};

/// One device of an account, as the homeserver tells of it. What it says is no proof: that comes from the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the homeserver calls it.
    pub device_id: DeviceId,
    /// What its messages are encrypted to and recognized by.
    pub olm_key: OlmKey,
}

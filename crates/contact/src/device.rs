//! A device of an account, as Matrix knows it.

use crate::DeviceId;

/// One device of an account, as the homeserver tells of it. What it says is no proof: that comes from the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the homeserver calls it.
    pub device_id: DeviceId,
    /// Its Olm identity key (Curve25519), by which its messages are encrypted and recognized.
    pub olm_key: [u8; 32],
}

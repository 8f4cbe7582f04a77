//! A device of an account, as Matrix knows it.

/// One device of an account, as the homeserver tells of it. What it says is no proof: that comes from the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the homeserver calls it; unique within the account.
    pub device_id: String,
    /// Its Olm identity key (Curve25519), by which its messages are encrypted and recognized.
    pub olm_key: [u8; 32],
}

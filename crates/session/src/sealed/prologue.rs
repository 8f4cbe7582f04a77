//! The prologue of the handshake: what both devices must agree on before a word is said (`docs/protocol/signaling.md`).

use securecall_contact::{DeviceId, MatrixId, OlmKey};
use securecall_signaling::CallId;

const PROTOCOL: &[u8] = b"securecall";
/// The version of the wire protocol.
const VERSION: &[u8] = b"1";

/// The fields of the prologue, caller first.
pub(crate) struct Prologue<'a> {
    pub(crate) call: CallId,
    pub(crate) caller: &'a MatrixId,
    pub(crate) callee: &'a MatrixId,
    pub(crate) callee_device_id: &'a DeviceId,
    pub(crate) caller_olm_key: &'a OlmKey,
    pub(crate) callee_olm_key: &'a OlmKey,
}

impl Prologue<'_> {
    /// Each field with a 2-byte length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let call = self.call.to_string();
        let fields = [
            PROTOCOL,
            VERSION,
            call.as_bytes(),
            self.caller.as_str().as_bytes(),
            self.callee.as_str().as_bytes(),
            self.callee_device_id.as_str().as_bytes(),
            self.caller_olm_key.as_bytes(),
            self.callee_olm_key.as_bytes(),
        ];
        let mut bytes = Vec::new();
        for field in fields {
            // No field comes near 64 KiB: Matrix IDs and device IDs are bounded where they are read.
            bytes.extend_from_slice(&u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }
}

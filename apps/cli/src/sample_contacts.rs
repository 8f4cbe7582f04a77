//! People of the unit tests.

use securecall_contact::SecureCallId;
use securecall_crypto::IdentityKey;
use securecall_profile::Contact;

/// An ID that goes with one byte.
pub(crate) fn id(byte: u8) -> SecureCallId {
    SecureCallId::new(&IdentityKey::from_bytes([byte; 32]).unwrap())
}

/// Somebody who is not verified, with the key of [`id`] or none.
pub(crate) fn contact(name: &str, key: Option<u8>, matrix_id: &str) -> Contact {
    Contact {
        name: name.to_owned(),
        id: key.map(id),
        matrix_id: matrix_id.parse().unwrap(),
        verified: false,
        require: None,
    }
}

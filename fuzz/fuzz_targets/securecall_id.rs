//! A SecureCall ID as somebody might type it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::SecureCallId;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<SecureCallId>() {
        let written = id.to_string();
        assert_eq!(written.len(), SecureCallId::LENGTH);
        assert_eq!(SecureCallId::from_canonical(&written), Ok(id));
        assert_eq!(SecureCallId::new(&id.identity_key()), id);
    }
    if let Ok(id) = SecureCallId::from_canonical(text) {
        assert_eq!(id.to_string(), text);
    }
});

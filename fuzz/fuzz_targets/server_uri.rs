//! URIs of STUN and TURN servers: what is one reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_relay::turn::ServerUri;

fuzz_target!(|text: &str| {
    if let Ok(uri) = ServerUri::parse(text) {
        assert_eq!(ServerUri::parse(&uri.to_string()), Ok(uri));
    }
});

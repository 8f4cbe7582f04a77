//! The fields of HTTP that ask for tokens and carry them, and the directory of an issuer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_ghostnet::token::{
    Authorization, IssuerDirectory, read_authorization, read_www_authenticate,
    write_www_authenticate,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(directory) = IssuerDirectory::from_json(bytes) {
        let again = IssuerDirectory::from_json(&directory.to_json());
        assert_eq!(again, Ok(directory));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(offers) = read_www_authenticate(text) {
        assert!(offers.len() <= 8);
        let again = read_www_authenticate(&write_www_authenticate(&offers));
        assert_eq!(again, Ok(offers));
    }
    match read_authorization(text) {
        Ok(Authorization::Token(token)) => {
            let again = read_authorization(&token.authorization());
            assert!(matches!(again, Ok(Authorization::Token(read)) if read == token));
        }
        Ok(Authorization::Secret(secret)) => {
            let again = read_authorization(&secret.authorization());
            assert!(matches!(again, Ok(Authorization::Secret(read)) if read.matches(&secret)));
        }
        Err(_) => {}
    }
});

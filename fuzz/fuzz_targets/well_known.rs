//! What a web server answers when it is asked for its homeserver, and the address in it; and addresses as people give them.
//!
//! The two files are taken by themselves: the crate around them brings a Matrix library and a database.

#![no_main]

#[allow(dead_code, reason = "a file of another crate, which uses all of it")]
#[path = "../../crates/matrix/src/homeserver/address.rs"]
mod address;
#[allow(dead_code, reason = "a file of another crate, which uses all of it")]
#[path = "../../crates/matrix/src/homeserver/well_known.rs"]
mod well_known;

use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let named = well_known::base_url(bytes);
    if let Ok(named) = &named {
        assert!(bytes.len() <= well_known::MAX_LENGTH);
        check(address::read_base_url(named));
    }
    check(address::read_base_url(&text));
    check(address::read(&text));
});

fn check(url: Result<Url, address::HomeserverAddressError>) {
    match url {
        Ok(url) => {
            assert!(url.username().is_empty() && url.password().is_none());
            assert!(url.query().is_none() && url.fragment().is_none());
            assert!(url.scheme() == "https" || address::is_loopback(&url));
            assert!(
                url.host_str()
                    .is_some_and(|host| !host.is_empty() && !host.ends_with('.'))
            );
            // It is stored with the account and read again.
            assert_eq!(address::read(url.as_str()).as_ref(), Ok(&url));
        }
        Err(error) => assert!(error.to_string().chars().count() < 2_000),
    }
}

//! A contact link, or a text that holds some, as anybody might send it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::{Address, ContactLink, FoundAddress, ServerName, find_addresses};

fuzz_target!(|text: &str| {
    let default_domain = ServerName::default_domain();
    if let Ok(link) = text.parse::<ContactLink>() {
        let ipv6: ServerName = "[::1]:8448".parse().unwrap();
        for written in [
            link.to_string(),
            link.https(&default_domain),
            link.https(&ipv6),
        ] {
            assert_eq!(written.parse(), Ok(link.clone()));
            let address = Address::Link(link.clone());
            let doubts = Vec::new();
            assert_eq!(
                find_addresses(&written),
                Ok(vec![FoundAddress { address, doubts }])
            );
        }
        let matrix_id = link.matrix_id(&default_domain);
        assert!(matrix_id.securecall_id().is_none_or(|id| id == link.id()));
        if let Some(name) = link.name() {
            assert!(!name.as_str().chars().any(char::is_control));
        }
    }
    let _ = find_addresses(text);
});

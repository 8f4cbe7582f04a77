//! Addresses in a text that somebody pasted: each once and boundedly many, and none hidden by what stands around it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::{Address, ContactLink, MAX_ADDRESSES, find_addresses};

const KNOWN: &str = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab?server=example.org";

fuzz_target!(|text: &str| {
    if let Ok(found) = find_addresses(text) {
        assert!(found.len() <= MAX_ADDRESSES);
        let found: Vec<&Address> = found.iter().map(|found| &found.address).collect();
        for (place, address) in found.iter().enumerate() {
            let twice = |other: &&Address| match (address.securecall_id(), other.securecall_id()) {
                (Some(one), Some(other)) => one == other,
                _ => *address == *other,
            };
            assert!(!found[..place].iter().any(twice), "{address:?} twice");
        }
    }

    let known: ContactLink = KNOWN.parse().expect("a link of ours");
    let middle = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(middle);
    if let Ok(found) = find_addresses(&format!("{before}\n\n{KNOWN}\n\n{after}")) {
        let ids: Vec<_> = found
            .iter()
            .filter_map(|found| found.address.securecall_id())
            .collect();
        assert!(ids.contains(&known.id()), "hidden in {text:?}");
    }
});

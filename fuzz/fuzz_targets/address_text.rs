//! Addresses in a text that somebody pasted: each once and boundedly many, found again where they are written down, and none hidden by
//! what stands around it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::{Address, ContactLink, MAX_ADDRESSES, find_addresses};

const KNOWN: &str = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab?server=example.org";

fn written(address: &Address) -> String {
    match address {
        Address::Link(link) => link.to_string(),
        Address::MatrixId(matrix_id) => matrix_id.to_string(),
        Address::Id(id) => id.to_string(),
    }
}

fuzz_target!(|text: &str| {
    if let Ok(found) = find_addresses(text) {
        assert!(found.len() <= MAX_ADDRESSES);
        for (place, address) in found.iter().enumerate() {
            let twice = |other: &Address| match (address.securecall_id(), other.securecall_id()) {
                (Some(one), Some(other)) => one == other,
                _ => address == other,
            };
            assert!(!found[..place].iter().any(twice), "{address:?} twice");
        }
        let list: Vec<_> = found.iter().map(written).collect();
        assert_eq!(find_addresses(&list.join("\n\n")), Ok(found), "{list:?}");
    }

    let known: ContactLink = KNOWN.parse().expect("a link of ours");
    let middle = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(middle);
    if let Ok(found) = find_addresses(&format!("{before}\n\n{KNOWN}\n\n{after}")) {
        let ids: Vec<_> = found.iter().filter_map(Address::securecall_id).collect();
        assert!(ids.contains(&known.id()), "hidden in {text:?}");
    }
});

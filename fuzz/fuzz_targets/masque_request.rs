//! Whatever a request to a relay has for a path, and an answer for its fields: no panic, and what is read is written as something
//! that is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_relay::masque::{
    Network, Target, codes, is_true, parse_public_addresses, write_public_addresses,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let paths = [text.to_owned(), format!("{}{text}/", codes::PATH_PREFIX)];
    for path in paths {
        if let Ok(target) = Target::parse(&path) {
            assert_eq!(Target::parse(&target.path()), Ok(target));
            if let Target::Address(address) = target {
                assert!(address.port() != 0 && address.ip().to_canonical() == address.ip());
            }
        }
    }
    if let Ok(addresses) = parse_public_addresses(text) {
        assert!((1..=4).contains(&addresses.len()));
        let written = write_public_addresses(&addresses);
        assert_eq!(parse_public_addresses(&written), Ok(addresses));
    }
    if is_true(text) {
        assert!(text.contains(codes::TRUE));
    }
    if let Ok(network) = text.parse::<Network>() {
        let address = text.split_once('/').unwrap().0.parse().unwrap();
        assert!(network.contains(address));
    }
});

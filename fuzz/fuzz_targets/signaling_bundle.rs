//! Bundles of contents: what parses is bounded and comes back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_signaling::Bundle;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::parse(data) {
        let again = Bundle::parse(&bundle.to_json());
        assert!(again.is_ok_and(|again| again == bundle));
    }
});

//! The answer of a homeserver to a sync, in pieces as they come from the network.
//!
//! The file is taken by itself: the crate around it brings a Matrix library and a database.

#![no_main]

#[allow(dead_code, reason = "a file of another crate, which uses all of it")]
#[path = "../../crates/matrix/src/sync_scanner.rs"]
mod sync_scanner;

use libfuzzer_sys::fuzz_target;
use sync_scanner::{Field, MAX_EVENT, MAX_FIELD, SyncScanner};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says where the pieces end.
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = scan(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(scan(&pieces), whole);
});

/// What is cut out; nothing, if it is refused.
fn scan(pieces: &[&[u8]]) -> Option<Vec<(Field, Vec<u8>, bool)>> {
    let mut scanner = SyncScanner::default();
    let mut cuts = Vec::new();
    for piece in pieces {
        let read = scanner.read(piece, |cut| {
            let most = match cut.field {
                Field::Event => MAX_EVENT,
                _ => MAX_FIELD,
            };
            assert!(!cut.bytes.is_empty() && cut.bytes.len() <= most);
            cuts.push((cut.field, cut.bytes, cut.is_too_long));
            Ok(())
        });
        read.ok()?;
    }
    scanner.is_whole().then_some(cuts)
}

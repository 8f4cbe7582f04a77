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
    let size = usize::from(*size).max(1);
    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
    let sealed = scan(SyncScanner::default(), &[bytes]);
    let with_rooms = scan(SyncScanner::with_rooms(), &[bytes]);
    assert_eq!(scan(SyncScanner::default(), &pieces), sealed);
    assert_eq!(scan(SyncScanner::with_rooms(), &pieces), with_rooms);
    // Rooms make no difference to the rest.
    let rest = with_rooms.map(|mut cuts| {
        cuts.retain(|(field, ..)| !is_of_room(*field));
        cuts
    });
    assert_eq!(rest, sealed);
});

fn is_of_room(field: Field) -> bool {
    matches!(field, Field::Room(_) | Field::RoomEvent(_) | Field::Limited)
}

/// What is cut out; nothing, if it is refused.
fn scan(mut scanner: SyncScanner, pieces: &[&[u8]]) -> Option<Vec<(Field, Vec<u8>, bool)>> {
    let mut cuts = Vec::new();
    // Events and limits are of the room that was named last.
    let mut is_in_room = false;
    for piece in pieces {
        let read = scanner.read(piece, |cut| {
            let most = match cut.field {
                Field::Event | Field::RoomEvent(_) => MAX_EVENT,
                _ => MAX_FIELD,
            };
            assert!(cut.bytes.len() <= most);
            match cut.field {
                Field::Room(_) => is_in_room = true,
                Field::RoomEvent(_) | Field::Limited => assert!(is_in_room),
                _ => {}
            }
            assert!(!cut.bytes.is_empty() || matches!(cut.field, Field::Room(_)));
            cuts.push((cut.field, cut.bytes, cut.is_too_long));
            Ok(())
        });
        read.ok()?;
    }
    scanner.is_whole().then_some(cuts)
}

//! The state of a room, in pieces as they come from the network, and the events of group calls in it.
//!
//! The files are taken by themselves: the crate around them brings a Matrix library and a database.

#![no_main]

#[allow(dead_code, reason = "a file of another crate, which uses all of it")]
#[path = "../../crates/matrix/src/rooms/group_room/event.rs"]
mod event;
#[allow(dead_code, reason = "a file of another crate, which uses all of it")]
#[path = "../../crates/matrix/src/sync_scanner.rs"]
mod sync_scanner;

use event::{GroupRoomEvent, GroupRoomEventType};
use libfuzzer_sys::fuzz_target;
use sync_scanner::{Field, MAX_EVENT, SyncScanner};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says where the pieces end.
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
    let whole = scan(&[bytes]);
    assert_eq!(scan(&pieces), whole);
    let room = "!room:homeserver.test".parse().expect("it is one");
    for json in whole.unwrap_or_default() {
        let Some(event) = GroupRoomEvent::read(&room, &json) else {
            continue;
        };
        assert!((1..=255).contains(&event.state_key.len()));
        assert!(event.state_key.bytes().all(|byte| byte.is_ascii_graphic()));
        let is_member = event.event_type == GroupRoomEventType::Member;
        assert!(!is_member || event.state_key == event.sender.as_str());
        let content: serde_json::Value =
            serde_json::from_str(&event.content).expect("it was read as JSON");
        assert!(content.is_object());
    }
});

/// The events; nothing, if it is refused.
fn scan(pieces: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut scanner = SyncScanner::of_state();
    let mut cuts = Vec::new();
    for piece in pieces {
        let read = scanner.read(piece, |cut| {
            assert!(matches!(cut.field, Field::RoomEvent(_)));
            assert!(!cut.bytes.is_empty() && cut.bytes.len() <= MAX_EVENT);
            cuts.push(cut.bytes);
            Ok(())
        });
        read.ok()?;
    }
    scanner.is_whole().then_some(cuts)
}

//! State events of group calls in rooms: they are read within bounds and come back the same, and our entry can be written beside whatever
//! stands in our own event.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_signaling::wire::group_room::{
    CallState, GroupCallId, MAX_CALLS_OF_MEMBER, MAX_DEVICES_OF_CALL, MemberState, OwnEntry,
    OwnMemberContent, SessionId,
};
use securecall_signaling::wire::room::MAX_ROOM_CONTENT;

fuzz_target!(|content: &[u8]| {
    call(content);
    member(content);
});

fn call(content: &[u8]) {
    if let Ok(CallState::Open(open)) = CallState::parse(content) {
        let written = open.to_content().to_string();
        let again = CallState::parse(written.as_bytes());
        // Where the media server is does not come back: we have none.
        assert!(open.has_media_server || again == Ok(CallState::Open(open)));
    }
}

fn member(content: &[u8]) {
    if let Ok(state) = MemberState::parse(content) {
        assert!(state.calls().count() <= MAX_CALLS_OF_MEMBER);
        assert!(
            state
                .calls()
                .all(|(_, it)| (1..=MAX_DEVICES_OF_CALL).contains(&it.len()))
        );
    }
    let entry = OwnEntry {
        call_id: GroupCallId::parse("c").expect("an ID"),
        device_id: "D".parse().expect("an ID"),
        session_id: SessionId::parse("s").expect("an ID"),
        expires_ms: 2000,
    };
    let before = OwnMemberContent::read(content);
    let written = before.with(&entry, 1000);
    assert!(written.to_value().to_string().len() <= MAX_ROOM_CONTENT);
    let is_ours = |state: &MemberState| {
        let mut devices = state.devices_in(&entry.call_id).iter();
        devices.any(|it| it.device_id == entry.device_id && it.expires_ms == 2000)
    };
    assert!(is_ours(&written.state()));
    let left = written.without(&entry.call_id, &entry.device_id, 1000);
    let state = left.state();
    assert!(
        state
            .devices_in(&entry.call_id)
            .iter()
            .all(|it| it.device_id != entry.device_id)
    );
}

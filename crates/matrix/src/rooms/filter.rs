//! What a sync is asked for.

use ruma::{
    UserId,
    api::client::filter::{FilterDefinition, RoomEventFilter, RoomFilter},
    assign,
};

/// Events of one room in one answer. A call has about twenty, and two that cross twice as many.
const TIMELINE_LIMIT: u32 = 50;

/// What is taken of a timeline: calls, encrypted events (among which calls are), who comes and goes, and how the room is
/// set up. Messages in clear, topics, reactions and redactions stay at the homeserver.
const TIMELINE_TYPES: [&str; 5] = [
    "m.call.*",
    "m.room.encrypted",
    "m.room.member",
    "m.room.encryption",
    "m.room.join_rules",
];

/// What a sync brings besides to-device messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SyncScope<'a> {
    /// Nothing.
    Sealed,
    /// What calls in rooms need, of this user's rooms.
    Rooms(&'a UserId),
}

impl SyncScope<'_> {
    /// The filter, which goes with every request: one that is stored at the homeserver would say what this device is.
    pub(crate) fn filter(self) -> FilterDefinition {
        let nothing = FilterDefinition::ignore_all();
        match self {
            Self::Sealed => nothing,
            Self::Rooms(_) => assign!(nothing, { room: room_filter() }),
        }
    }
}

/// No state: what a room is like is asked when there is a call in it, and changes come in the timeline.
fn room_filter() -> RoomFilter {
    assign!(RoomFilter::default(), {
        account_data: RoomEventFilter::ignore_all(),
        ephemeral: RoomEventFilter::ignore_all(),
        state: RoomEventFilter::ignore_all(),
        timeline: assign!(RoomEventFilter::with_lazy_loading(), {
            types: Some(TIMELINE_TYPES.map(str::to_owned).to_vec()),
            limit: Some(TIMELINE_LIMIT.into()),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_sync_asks_for_no_room_and_the_other_for_what_calls_need() {
        let sealed = serde_json::to_value(SyncScope::Sealed.filter()).unwrap();
        assert_eq!(sealed["room"], serde_json::json!({ "rooms": [] }));

        let user = <&UserId>::try_from("@a:b.test").unwrap();
        let rooms = serde_json::to_value(SyncScope::Rooms(user).filter()).unwrap();
        for nothing in ["account_data", "ephemeral", "state"] {
            assert_eq!(rooms["room"][nothing]["types"], serde_json::json!([]));
        }
        for nothing in ["account_data", "presence"] {
            assert_eq!(rooms[nothing]["types"], serde_json::json!([]));
        }
        let timeline = &rooms["room"]["timeline"];
        assert_eq!(timeline["types"], serde_json::json!(TIMELINE_TYPES));
        assert_eq!(timeline["limit"], 50);
        assert_eq!(timeline["lazy_load_members"], true);
    }
}

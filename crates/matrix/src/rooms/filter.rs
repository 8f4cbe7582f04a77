//! What a sync is asked for.

use std::collections::BTreeSet;

use ruma::{
    UserId,
    api::client::filter::{FilterDefinition, RoomEventFilter, RoomFilter},
    assign,
};
use securecall_contact::RoomId;

use super::{group_room::GroupRoomEventType, ids::AsRuma as _};

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

/// What is taken beside it where group calls are followed. Synapse and others have no filter that differs from room to room, so
/// it comes of all rooms, and is thrown away of those that are not followed.
const GROUP_TYPES: [&str; 3] = [
    GroupRoomEventType::Call.as_str(),
    GroupRoomEventType::Member.as_str(),
    "m.room.member",
];

/// What a sync brings besides to-device messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SyncScope<'a> {
    /// Nothing.
    Sealed,
    /// What calls in rooms need.
    Rooms(RoomScope<'a>),
}

/// Of which rooms something is wanted, and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomScope<'a> {
    /// Whose rooms.
    pub(crate) own: &'a UserId,
    /// Whether what 1:1 calls need is wanted, of all rooms.
    pub(crate) calls: bool,
    /// Those of which group calls are wanted.
    pub(crate) followed: &'a BTreeSet<RoomId>,
}

impl RoomScope<'_> {
    fn types(self) -> Vec<String> {
        let calls: &[&str] = if self.calls { &TIMELINE_TYPES } else { &[] };
        let groups: &[&str] = match self.followed.is_empty() {
            true => &[],
            false => &GROUP_TYPES,
        };
        let types: BTreeSet<_> = calls.iter().chain(groups).copied().collect();
        types.into_iter().map(str::to_owned).collect()
    }
}

impl SyncScope<'_> {
    /// The filter, which goes with every request: one that is stored at the homeserver would say what this device is.
    pub(crate) fn filter(self) -> FilterDefinition {
        let nothing = FilterDefinition::ignore_all();
        match self {
            Self::Sealed => nothing,
            Self::Rooms(scope) => assign!(nothing, { room: room_filter(scope) }),
        }
    }
}

/// No state: what a room is like is asked when there is a call in it, and changes come in the timeline.
fn room_filter(scope: RoomScope<'_>) -> RoomFilter {
    let followed = scope.followed.iter();
    let rooms = followed.map(|room| room.as_ruma().to_owned()).collect();
    assign!(RoomFilter::default(), {
        rooms: (!scope.calls).then_some(rooms),
        account_data: RoomEventFilter::ignore_all(),
        ephemeral: RoomEventFilter::ignore_all(),
        state: RoomEventFilter::ignore_all(),
        timeline: assign!(RoomEventFilter::with_lazy_loading(), {
            types: Some(scope.types()),
            limit: Some(TIMELINE_LIMIT.into()),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(calls: bool, followed: &[&str]) -> serde_json::Value {
        let own = <&UserId>::try_from("@a:b.test").unwrap();
        let followed = followed.iter().map(|room| room.parse().unwrap()).collect();
        let scope = RoomScope {
            own,
            calls,
            followed: &followed,
        };
        serde_json::to_value(SyncScope::Rooms(scope).filter()).unwrap()
    }

    fn types(filter: &serde_json::Value) -> BTreeSet<&str> {
        let types = filter["room"]["timeline"]["types"].as_array().unwrap();
        types.iter().filter_map(serde_json::Value::as_str).collect()
    }

    #[test]
    fn a_sealed_sync_asks_for_no_room_and_the_other_for_what_calls_need() {
        let sealed = serde_json::to_value(SyncScope::Sealed.filter()).unwrap();
        assert_eq!(sealed["room"], serde_json::json!({ "rooms": [] }));

        let rooms = filter(true, &[]);
        for nothing in ["account_data", "ephemeral", "state"] {
            assert_eq!(rooms["room"][nothing]["types"], serde_json::json!([]));
        }
        for nothing in ["account_data", "presence"] {
            assert_eq!(rooms[nothing]["types"], serde_json::json!([]));
        }
        assert_eq!(types(&rooms), TIMELINE_TYPES.into());
        let timeline = &rooms["room"]["timeline"];
        assert_eq!(timeline["limit"], 50);
        assert_eq!(timeline["lazy_load_members"], true);
    }

    #[test]
    fn group_calls_are_asked_for_only_while_a_room_is_followed_and_then_of_no_other_if_none_is_wanted()
     {
        let alone = filter(false, &["!b:c.test", "!a"]);
        assert_eq!(
            alone["room"]["rooms"],
            serde_json::json!(["!a", "!b:c.test"])
        );
        assert_eq!(types(&alone), GROUP_TYPES.into());
        let beside = filter(true, &["!a"]);
        assert_eq!(beside["room"].get("rooms"), None);
        let all: BTreeSet<_> = TIMELINE_TYPES.into_iter().chain(GROUP_TYPES).collect();
        assert_eq!(types(&beside), all);
    }
}

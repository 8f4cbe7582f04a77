//! What names a room, and an event in it, in the types of the requests.

use securecall_contact::{EventId, RoomId};

/// A room's ID as ruma has it.
pub(crate) trait AsRuma {
    /// The same ID.
    fn as_ruma(&self) -> &ruma::RoomId;
}

impl AsRuma for RoomId {
    fn as_ruma(&self) -> &ruma::RoomId {
        // Ruma asks for the sigil and the length alone.
        self.as_str()
            .try_into()
            .unwrap_or_else(|_| unreachable!("ours are stricter"))
    }
}

/// An event's ID as ruma has it; `None` for one of the old form whose server name is none, which no event of ours has.
pub(super) fn event_id(event: &EventId) -> Option<&ruma::EventId> {
    event.as_str().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_can_be_an_id_of_a_room_is_one_of_rumas() {
        let longest = "~".repeat(254);
        for rest in [
            "a",
            ":",
            "a:",
            ":b",
            "a:b:c",
            "a:%",
            "a:b:99999",
            "31hneApxJ_1o-63D",
            "$",
            "!",
            &longest,
        ] {
            let room: RoomId = format!("!{rest}").parse().unwrap();
            assert_eq!(room.as_ruma().as_str(), room.as_str());
        }
    }

    #[test]
    fn events_of_every_room_version_are_named_and_what_no_server_can_have_sent_is_not() {
        for (id, is_one) in [
            ("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", true),
            ("$143:example.org", true),
            ("$143:", false),
        ] {
            let event: EventId = id.parse().unwrap();
            assert_eq!(event_id(&event).is_some(), is_one, "{id}");
        }
    }
}

//! What names a room, and an event in it, in the types of the requests.

use securecall_contact::{EventId, RoomId};

/// The ID as ruma has it.
pub(crate) trait AsRuma {
    /// Ruma's type.
    type Id: ?Sized;

    /// The same ID.
    fn as_ruma(&self) -> &Self::Id;
}

impl AsRuma for RoomId {
    type Id = ruma::RoomId;

    fn as_ruma(&self) -> &ruma::RoomId {
        // Ruma asks for the sigil and the length alone.
        self.as_str()
            .try_into()
            .unwrap_or_else(|_| unreachable!("ours are stricter"))
    }
}

impl AsRuma for EventId {
    type Id = ruma::EventId;

    fn as_ruma(&self) -> &ruma::EventId {
        self.as_str()
            .try_into()
            .unwrap_or_else(|_| unreachable!("ours are stricter"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_can_be_an_id_of_ours_is_one_of_rumas() {
        let longest = "~".repeat(254);
        for rest in [
            "a",
            ":",
            "a:",
            "a:b:c",
            "31hneApxJ_1o-63D",
            "$",
            "!",
            &longest,
        ] {
            let room: RoomId = format!("!{rest}").parse().unwrap();
            assert_eq!(room.as_ruma().as_str(), room.as_str());
            let event: EventId = format!("${rest}").parse().unwrap();
            assert_eq!(event.as_ruma().as_str(), event.as_str());
        }
    }
}

//! Calls and group calls of the unit tests.

use securecall_driver::{
    CallEvent, CallHandles, ConferenceEvent, ConferenceHandles, ConferenceId, NamedCall,
    NamedConference, Peer, RoomKeeps, WireCallId,
};

use crate::sample_contacts::id;

/// The call of this number, from 1 on.
pub(crate) fn call(number: u8) -> NamedCall {
    let mut handles = CallHandles::default();
    NamedCall {
        handle: (0..number).map(|_| handles.issue()).last().unwrap(),
        id: WireCallId::parse(&format!("{number:032x}")).unwrap(),
    }
}

/// The group call of this number, from 1 on.
pub(crate) fn conference(number: u8) -> NamedConference {
    let mut handles = ConferenceHandles::default();
    NamedConference {
        handle: (0..number).map(|_| handles.issue()).last().unwrap(),
        id: ConferenceId::from_random([number; 16]),
    }
}

/// What happens in the group call of this number.
pub(crate) fn in_conference(number: u8, event: ConferenceEvent) -> CallEvent {
    CallEvent::Conference {
        conference: conference(number),
        event,
    }
}

/// The group call of a room that is not public, which three people are in.
pub(crate) fn room_keeps(in_clear: bool) -> ConferenceEvent {
    ConferenceEvent::Keeps(RoomKeeps {
        room: "!room:example.org".parse().unwrap(),
        is_encrypted: true,
        is_public: false,
        people: 3,
        starts: false,
        in_clear,
    })
}

/// A device in the group call of a room.
pub(crate) fn device_of(matrix_id: &str, device: &str, name: Option<&str>) -> Peer {
    Peer {
        id: None,
        matrix_id: matrix_id.parse().unwrap(),
        name: name.map(str::to_owned),
        new_address: false,
        device_id: Some(device.parse().unwrap()),
    }
}

/// Somebody with the key of this number.
pub(crate) fn peer(number: u8, name: Option<&str>) -> Peer {
    Peer {
        id: Some(id(number)),
        matrix_id: "@ada:example.org".parse().unwrap(),
        name: name.map(str::to_owned),
        new_address: false,
        device_id: None,
    }
}

//! Calls and group calls of the unit tests.

use securecall_driver::{
    CallEvent, CallHandles, ConferenceEvent, ConferenceHandles, ConferenceId, NamedCall,
    NamedConference, Peer, WireCallId,
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

/// Somebody with the key of this number.
pub(crate) fn peer(number: u8, name: Option<&str>) -> Peer {
    Peer {
        id: Some(id(number)),
        matrix_id: "@ada:example.org".parse().unwrap(),
        name: name.map(str::to_owned),
        new_address: false,
    }
}

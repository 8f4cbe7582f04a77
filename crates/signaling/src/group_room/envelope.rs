//! To whom what we say in a 1:1 call goes, and as which of all that is said in it.

use securecall_contact::{DeviceId, MatrixId};

use super::{Own, Participant};
use crate::wire::group_room::{GroupCallId, GroupSignal, Route};
use crate::wire::room::RoomSignal;

/// What is written on all that our side of one 1:1 call says. It counts from 0, as matrix-js-sdk wants it of each call; what is sent again
/// keeps its number.
#[derive(Clone, Debug)]
pub struct Envelope {
    user: MatrixId,
    device_id: DeviceId,
    route: Route,
    next: u32,
}

/// An event to be sent to one device, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Its user.
    pub user: MatrixId,
    /// The device.
    pub device_id: DeviceId,
    /// What to send.
    pub signal: GroupSignal,
}

impl Envelope {
    pub(super) fn new(own: &Own, peer: &Participant, group_call_id: GroupCallId) -> Self {
        Self {
            user: peer.user.clone(),
            device_id: peer.device_id.clone(),
            route: Route {
                group_call_id,
                device_id: Some(own.device_id.clone()),
                from_session: Some(own.session_id.clone()),
                to_session: peer.session_id.clone(),
                sequence_number: None,
            },
            next: 0,
        }
    }

    /// The device that it is for.
    pub const fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    /// The next event of the call.
    pub fn address(&mut self, signal: RoomSignal) -> Addressed {
        let route = Route {
            sequence_number: Some(self.next),
            ..self.route.clone()
        };
        self.next = self.next.saturating_add(1);
        Addressed {
            user: self.user.clone(),
            device_id: self.device_id.clone(),
            signal: GroupSignal { route, signal },
        }
    }
}

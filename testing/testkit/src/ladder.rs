//! The ladder of helpers: a pair, a pair that rings, a pair in a call.

use std::time::Duration;

use securecall_session::Event;
use securecall_signaling::CallId;

use crate::device::{DeviceId, DeviceOptions};
use crate::universe::{Universe, UserId};

/// Two users who are contacts, each with one device; a call, from [`ringing_pair`] on.
pub struct Pair {
    /// The devices, their homeserver and their network, on virtual time.
    pub universe: Universe,
    /// The user who calls.
    pub caller_user: UserId,
    /// The user who is called.
    pub callee_user: UserId,
    /// The device that calls.
    pub caller: DeviceId,
    /// The device that is called.
    pub callee: DeviceId,
    /// The call. `None` for [`pair`].
    pub call: Option<CallId>,
}

impl Pair {
    /// The call between the two; panics for a [`pair`] that has none.
    pub fn call(&self) -> CallId {
        self.call.expect("a pair with a call")
    }

    /// A call that rings.
    pub fn ring(&mut self) {
        let (universe, callee) = (&mut self.universe, self.callee);
        let call = universe.call(self.caller, self.callee_user);
        self.call = Some(call.expect("a call can be placed"));
        let call = self.call;
        let rings = universe.run_until(Duration::from_secs(5), |it| it.incoming(callee) == call);
        assert!(rings, "it rings");
        universe.run_for(Duration::from_secs(1));
    }

    /// A call that is answered, up to the connection.
    pub fn connect(&mut self) {
        self.ring();
        let (caller, callee, call) = (self.caller, self.callee, self.call());
        self.universe.answer(callee, call);
        let connected = self.universe.run_until(Duration::from_secs(5), |universe| {
            let here =
                |device: DeviceId| universe.devices[device].told(|event| is_connected(event, call));
            here(caller) && here(callee)
        });
        assert!(connected, "it connects");
    }

    /// Whether nothing is left of the call on any device.
    pub fn all_empty(&self) -> bool {
        self.universe
            .devices
            .iter()
            .all(|device| device.endpoint.is_empty())
    }
}

/// Two users who are contacts, each with one device.
pub fn pair() -> Pair {
    pair_in(Universe::new(7))
}

/// The same in a universe of one's own.
pub fn pair_in(mut universe: Universe) -> Pair {
    let (caller_user, callee_user) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let caller = universe.add_device(caller_user, DeviceOptions::default());
    let callee = universe.add_device(callee_user, DeviceOptions::default());
    universe.befriend(caller_user, callee_user);
    Pair {
        universe,
        caller_user,
        callee_user,
        caller,
        callee,
        call: None,
    }
}

/// A pair whose call rings.
pub fn ringing_pair() -> Pair {
    let mut pair = pair();
    pair.ring();
    pair
}

/// A pair whose call is connected at both ends.
pub fn connected_pair() -> Pair {
    let mut pair = pair();
    pair.connect();
    pair
}

fn is_connected(event: &Event, call: CallId) -> bool {
    matches!(event, Event::Connected { call: connected, .. } if connected.id == call.into())
}

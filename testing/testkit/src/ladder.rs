//! The ladder of helpers: a pair, a pair that rings, a pair in a call.

use std::time::Duration;

use securecall_session::CallId;

use crate::device::{DeviceId, DeviceOptions};
use crate::universe::{Universe, UserId};

/// Two users who are contacts, each with one device; a call, from [`ringing_pair`] on.
pub struct Pair {
    /// Everything.
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
    /// The call.
    pub fn call(&self) -> CallId {
        self.call.expect("a pair with a call")
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
    let mut universe = Universe::new(7);
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
    let call = pair
        .universe
        .call(pair.caller, pair.callee_user)
        .expect("a call can be placed");
    pair.call = Some(call);
    let callee = pair.callee;
    assert!(
        pair.universe
            .run_until(Duration::from_secs(5), |universe| universe
                .incoming(callee)
                .is_some()),
        "it rings"
    );
    pair.universe.run_for(Duration::from_secs(1));
    pair
}

/// A pair in a call.
pub fn connected_pair() -> Pair {
    let mut pair = ringing_pair();
    let (caller, callee) = (pair.caller, pair.callee);
    pair.universe.answer(callee, pair.call());
    let connected = pair.universe.run_until(Duration::from_secs(5), |universe| {
        universe.connected(caller) && universe.connected(callee)
    });
    assert!(connected, "it connects");
    pair
}

//! How many messages on the data channel are looked at: forged ones cost more than others, for they make more work.

use std::time::Duration;

use securecall_session::SignalRefused;
use securecall_testkit::connected_pair;

use crate::attacks::forged;

#[test]
fn a_forged_message_costs_as_much_as_eight_others() {
    let mut pair = connected_pair();
    let (callee, call) = (pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(11));
    let mut controls = pair.universe.control_sent.iter();
    let (.., old) = controls.find(|(to, ..)| *to == callee).unwrap().clone();
    for number in 0..7 {
        let forged = forged(&pair, number);
        pair.universe.inject_control(callee, call, &forged);
    }
    // Of 64 that are looked at in one go, eight are left.
    for _ in 0..9 {
        pair.universe.inject_control(callee, call, &old);
    }
    let refused = pair.universe.devices[callee].refused.iter();
    let too_many = refused.filter(|it| **it == SignalRefused::TooManyControl);
    assert_eq!(too_many.count(), 1);
}

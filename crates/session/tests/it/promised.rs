//! A call that has arrived and does not ring yet: its name is given out only to who calls the same person.

use std::time::Duration;

use securecall_session::{CallHandles, CommandError, Event};
use securecall_testkit::pair;

#[test]
fn only_a_call_whose_name_was_given_out_can_be_hung_up_before_it_rings() {
    let mut pair = pair();
    pair.connect();
    let over = pair.call();
    let (caller, callee) = (pair.caller, pair.callee);
    pair.universe.hang_up(caller, over);
    pair.universe.run_for(Duration::from_secs(5));
    assert!(pair.all_empty());
    pair.universe.devices[callee].sync_unfinished = true;
    let call = pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    // Nobody was told its handle; only who counts along could guess it.
    let mut handles = CallHandles::default();
    let [first, second] = [handles.issue(), handles.issue()];
    assert_eq!(pair.universe.handle(callee, over), first);
    let mut hang_up = |call| {
        pair.universe
            .command(callee, |it, now, rng| it.hang_up(now, rng, call))
    };
    assert_eq!(hang_up(second), Err(CommandError::NoSuchCall));
    let promised = pair.universe.call(callee, pair.caller_user);
    assert_eq!(promised, Ok(call));
    assert_eq!(pair.universe.handle(callee, call), second);
    let mut hang_up = |call| {
        pair.universe
            .command(callee, |it, now, rng| it.hang_up(now, rng, call))
    };
    assert_eq!(hang_up(first), Err(CommandError::NoSuchCall));
    pair.universe.finish_sync(callee);
    pair.universe.run_for(Duration::from_secs(3));
    let is_connected =
        |event: &Event| matches!(event, Event::Connected { call: it, .. } if it.handle == second);
    assert!(pair.universe.devices[callee].told(is_connected));
}

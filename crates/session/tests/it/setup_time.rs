//! How long a call took to set up, as each side is told: since dialing, or since a person accepted.

use std::time::Duration;

use securecall_session::Event;
use securecall_testkit::ringing_pair;

#[test]
fn the_caller_counts_from_dialing_and_the_callee_from_accepting() {
    let mut pair = ringing_pair();
    pair.universe.run_for(Duration::from_secs(10));
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    let told = [pair.caller, pair.callee].map(|device| {
        let events = pair.universe.devices[device].events.iter();
        let setups = events.filter_map(|event| match event {
            Event::Connected { setup, .. } | Event::FirstAudio { setup, .. } => Some(*setup),
            _ => None,
        });
        setups.map(|it| it.as_secs()).collect::<Vec<_>>()
    });
    assert_eq!(told, [vec![11; 2], vec![0; 2]]);
}

//! Whatever the homeserver and the network do: both ends terminate, agree, and keep nothing.

use std::time::Duration;

use proptest::prelude::*;
use securecall_session::EndReason;
use securecall_testkit::{Fate, pair};

#[derive(Clone, Copy, Debug)]
enum Act {
    Answer,
    Reject,
    HangUpCaller,
    HangUpCallee,
    MuteCallee,
    CutNetwork,
    HealNetwork,
    CutChannel,
    Wait(u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::Answer),
        1 => Just(Act::Reject),
        1 => Just(Act::HangUpCaller),
        1 => Just(Act::HangUpCallee),
        1 => Just(Act::MuteCallee),
        1 => Just(Act::CutNetwork),
        1 => Just(Act::HealNetwork),
        1 => Just(Act::CutChannel),
        6 => (1_u32..20_000).prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_terminate_and_agree(acts in acts(), fates in proptest::collection::vec(0_u32..4_000, 40), drop_percent in 0_u32..50) {
        let mut pair = pair();
        let mut fates = fates.into_iter().cycle();
        pair.universe.homeserver.set_script(move |_| {
            let fate = fates.next().unwrap_or(0);
            match fate % 100 {
                chance if chance < drop_percent => Fate::Drop,
                chance if chance % 3 == 0 => Fate::Duplicate(Duration::from_millis(fate.into())),
                chance if chance % 3 == 1 => Fate::Delay(Duration::from_millis(fate.into())),
                _ => Fate::Deliver,
            }
        });
        let (caller, callee) = (pair.caller, pair.callee);
        let call = pair.universe.call(caller, pair.callee_user).unwrap();
        for act in acts {
            let universe = &mut pair.universe;
            let over = |device: usize, universe: &securecall_testkit::Universe| universe.ended(device).is_some();
            let rings = universe.incoming(callee).is_some() && !over(callee, universe) && !universe.devices[callee].media.contains_key(&call);
            match act {
                Act::Answer if rings => universe.answer(callee, call),
                Act::Reject if rings => universe.reject(callee, call),
                Act::HangUpCaller if !over(caller, universe) => universe.hang_up(caller, call),
                Act::HangUpCallee if universe.incoming(callee).is_some() && !over(callee, universe) => universe.hang_up(callee, call),
                Act::MuteCallee if universe.connected(callee) && !over(callee, universe) => universe.set_muted(callee, call, true),
                Act::CutNetwork => universe.network.set_up(false),
                Act::HealNetwork => universe.network.set_up(true),
                Act::CutChannel => universe.network.channel = false,
                Act::Wait(millis) => universe.run_for(Duration::from_millis(millis.into())),
                _ => {}
            }
        }
        // Whatever is still on its way arrives or expires; then whoever is still in a call hangs up.
        pair.universe.run_for(Duration::from_secs(130));
        let talked = pair.universe.connected(caller) && pair.universe.connected(callee);
        if pair.universe.ended(caller).is_none() {
            prop_assert!(talked && pair.universe.ended(callee).is_none(), "one end believes in a call that the other does not know");
            pair.universe.hang_up(caller, call);
        }
        pair.universe.run_for(Duration::from_secs(600));
        let (caller_end, callee_end) = (pair.universe.ended(caller), pair.universe.ended(callee));
        prop_assert!(caller_end.is_some());
        prop_assert_eq!(callee_end.is_some(), pair.universe.incoming(callee).is_some());
        if caller_end == Some(EndReason::Declined) {
            prop_assert!(matches!(callee_end, Some(EndReason::LocalReject | EndReason::Cancelled | EndReason::LocalHangup)), "{callee_end:?}");
        }
        if caller_end == Some(EndReason::RemoteHangup) {
            prop_assert!(matches!(callee_end, Some(EndReason::LocalHangup | EndReason::Cancelled)), "{callee_end:?}");
        }
        if matches!(caller_end, Some(EndReason::Unreachable)) {
            prop_assert!(!pair.universe.connected(callee));
        }
        prop_assert!(pair.all_empty());
        for device in [caller, callee] {
            if let Some(media) = pair.universe.devices[device].media.get(&call) {
                prop_assert!(!media.microphone_open);
                prop_assert_eq!(media.refused, 0);
                prop_assert!(media.frame_sizes.len() <= 1);
            }
        }
    }
}

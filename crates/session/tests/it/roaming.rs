//! A path that is known to be dead, because the machine is at another address.

use std::time::Duration;

use securecall_session::{Event, MediaEvent};
use securecall_testkit::{Fate, Pair, connected_pair};

/// More than Matrix needs for an offer and its answer.
const SOON: Duration = Duration::from_secs(1);

fn talking() -> Pair {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair
}

fn offers(pair: &Pair) -> usize {
    let media = &pair.universe.devices[pair.caller].media[&pair.call()];
    let commands = media.commands.iter();
    commands.filter(|it| *it == "CreateRestartOffer").count()
}

fn count(pair: &Pair, device: usize, wanted: impl Fn(&Event) -> bool) -> usize {
    let events = pair.universe.devices[device].events.iter();
    events.filter(|event| wanted(event)).count()
}

fn reconnecting(event: &Event) -> bool {
    matches!(event, Event::Reconnecting { .. })
}

fn reconnected(event: &Event) -> bool {
    matches!(event, Event::Reconnected { .. })
}

#[test]
fn who_moves_restarts_at_once_or_asks_for_it() {
    for of in [|pair: &Pair| pair.caller, |pair: &Pair| pair.callee] {
        let mut pair = talking();
        let mover = of(&pair);
        let call = pair.call();
        pair.universe.network.needs_restart = true;
        pair.universe
            .inject_media(mover, call, MediaEvent::PathLost);
        assert_eq!(count(&pair, mover, reconnecting), 1);
        pair.universe.run_for(SOON);
        assert_eq!((offers(&pair), count(&pair, mover, reconnected)), (1, 1));
        // It is watched again, and told once.
        pair.universe.run_for(Duration::from_secs(10));
        let told = [reconnecting, reconnected].map(|it| count(&pair, mover, it));
        assert_eq!((offers(&pair), told), (1, [1, 1]));
        pair.universe.network.set_up(false);
        pair.universe.run_for(Duration::from_millis(3100));
        assert_eq!(count(&pair, mover, reconnecting), 2);
    }
}

/// Each message takes this long over the homeserver. A new offer every 5 s would leave no answer that counts.
#[test]
fn a_homeserver_that_is_slow_restarts_a_dead_path_all_the_same() {
    for seconds in 1..=4 {
        let mut pair = talking();
        pair.universe.network.needs_restart = true;
        let takes = Duration::from_secs(seconds);
        pair.universe
            .homeserver
            .set_script(move |_| Fate::Delay(takes));
        pair.universe.run_for(Duration::from_secs(29));
        for device in [pair.caller, pair.callee] {
            assert_eq!(count(&pair, device, reconnected), 1, "{seconds} s");
        }
    }
}

/// Where the answer has come and there is still no path, the next restart is as soon as ever.
#[test]
fn restarts_that_are_answered_come_every_five_seconds() {
    let mut pair = talking();
    pair.universe.network.set_up(false);
    pair.universe.run_for(Duration::from_secs(29));
    assert_eq!(offers(&pair), 6);
    // And those that are not, after 5, 10 and 20 s.
    let mut pair = talking();
    pair.universe.network.set_up(false);
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.run_for(Duration::from_secs(29));
    assert_eq!(offers(&pair), 3);
}

#[test]
fn who_moves_before_the_call_is_connected_restarts_nothing() {
    let mut pair = securecall_testkit::ringing_pair();
    let call = pair.call();
    pair.universe
        .inject_media(pair.caller, call, MediaEvent::PathLost);
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(
        (offers(&pair), count(&pair, pair.caller, reconnecting)),
        (0, 0)
    );
}

#[test]
fn both_may_move_at_once() {
    let mut pair = talking();
    let call = pair.call();
    pair.universe.network.needs_restart = true;
    for device in [pair.callee, pair.caller] {
        pair.universe
            .inject_media(device, call, MediaEvent::PathLost);
    }
    pair.universe.run_for(SOON);
    for device in [pair.caller, pair.callee] {
        assert_eq!(count(&pair, device, reconnected), 1);
    }
    pair.universe.run_for(Duration::from_secs(10));
    assert!(offers(&pair) <= 2, "{}", offers(&pair));
}

#[test]
fn addresses_that_come_while_a_restart_is_under_way_have_one_of_their_own_at_once() {
    let mut pair = talking();
    let call = pair.call();
    pair.universe.network.set_up(false);
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe
        .inject_media(pair.caller, call, MediaEvent::PathLost);
    pair.universe.run_for(Duration::from_millis(100));
    pair.universe
        .inject_media(pair.caller, call, MediaEvent::PathLost);
    assert_eq!(
        (offers(&pair), count(&pair, pair.caller, reconnecting)),
        (2, 1)
    );
}

#[test]
fn a_network_that_is_away_for_25_s_is_waited_for() {
    let mut pair = talking();
    let call = pair.call();
    pair.universe.network.set_up(false);
    pair.universe
        .inject_media(pair.callee, call, MediaEvent::PathLost);
    pair.universe.run_for(Duration::from_secs(25));
    pair.universe.network.set_up(true);
    pair.universe
        .inject_media(pair.callee, call, MediaEvent::PathLost);
    pair.universe.run_for(Duration::from_secs(1));
    for device in [pair.caller, pair.callee] {
        assert_eq!(count(&pair, device, reconnected), 1);
        assert_eq!(pair.universe.ended(device), None);
    }
}

#[test]
fn a_callee_that_has_moved_again_gets_the_next_restart_at_once() {
    let mut pair = talking();
    let call = pair.call();
    for expected in 1..=4 {
        pair.universe
            .inject_media(pair.callee, call, MediaEvent::PathLost);
        // Enough for the way there over Matrix, and for the answer of the offer before.
        pair.universe.run_for(Duration::from_millis(200));
        assert_eq!(offers(&pair), expected);
    }
}

#[test]
fn a_callee_that_asks_without_end_gets_one_restart_a_second() {
    let mut pair = talking();
    let call = pair.call();
    for _ in 0..100 {
        pair.universe
            .inject_media(pair.callee, call, MediaEvent::PathLost);
        pair.universe.run_for(Duration::from_millis(100));
    }
    assert!(
        (6..=15).contains(&offers(&pair)),
        "{} in 10 s",
        offers(&pair)
    );
}

#[test]
fn candidates_are_told_however_often_somebody_has_moved() {
    for of in [|pair: &Pair| pair.caller, |pair: &Pair| pair.callee] {
        let mut pair = talking();
        let (call, mover) = (pair.call(), of(&pair));
        let peer = pair.caller + pair.callee - mover;
        for round in 0..10 {
            pair.universe
                .inject_media(mover, call, MediaEvent::PathLost);
            pair.universe.run_for(Duration::from_secs(2));
            let line = |number| format!("candidate:1 1 udp 1 10.{round}.0.{number} 5000 typ host");
            let found = MediaEvent::LocalCandidates {
                candidates: (1..=8).map(line).collect(),
                complete: true,
            };
            pair.universe.inject_media(mover, call, found);
            pair.universe.run_for(Duration::from_secs(1));
            let told = &pair.universe.devices[peer].media[&call].remote_candidates;
            assert_eq!(told.last(), Some(&line(8)), "in round {round}");
        }
    }
}

/// A new message of the callee for the data channel, which has not arrived.
fn message_under_way(pair: &mut Pair) -> Vec<u8> {
    let call = pair.call();
    let found = MediaEvent::LocalCandidates {
        candidates: vec!["candidate:1 1 udp 1 10.9.9.9 5000 typ host".to_owned()],
        complete: false,
    };
    pair.universe.network.delay = Duration::from_secs(3600);
    pair.universe.network.channel = true;
    pair.universe.inject_media(pair.callee, call, found);
    pair.universe.network.channel = false;
    let (to, _, bytes) = pair.universe.control_sent.last().cloned().unwrap();
    assert_eq!(to, pair.caller);
    bytes
}

#[test]
fn a_message_that_comes_in_ends_no_loss_of_what_goes_out() {
    let dies: [fn(&mut Pair); 2] = [
        // Nothing comes any more, and that is all that is known.
        |pair| pair.universe.run_for(Duration::from_millis(3100)),
        // What we send leads nowhere.
        |pair| {
            let call = pair.call();
            let caller = pair.caller;
            pair.universe
                .inject_media(caller, call, MediaEvent::PathLost);
        },
    ];
    for (is_lost, dies) in dies.into_iter().enumerate() {
        let mut pair = talking();
        let (caller, call) = (pair.caller, pair.call());
        pair.universe.network.set_up(false);
        pair.universe.homeserver.set_script(|_| Fate::Drop);
        dies(&mut pair);
        assert_eq!(count(&pair, caller, reconnecting), 1);
        let message = message_under_way(&mut pair);
        pair.universe.inject_control(caller, call, &message);
        assert_eq!(pair.universe.devices[caller].refused, []);
        assert_eq!(count(&pair, caller, reconnected), 1 - is_lost);
        // The media engine knows when it is over.
        pair.universe
            .inject_media(caller, call, MediaEvent::AuthenticatedPacket);
        assert_eq!(count(&pair, caller, reconnected), 1);
    }
}

//! The connected call: keys, mute, dead paths, hang-up.

use std::time::Duration;

use securecall_session::{EndReason, Event, MediaEvent, MediaFailure};
use securecall_testkit::{Fate, Pair, connected_pair, ringing_pair};

fn matrix_messages(pair: &Pair) -> usize {
    pair.universe.homeserver.sent.len()
}

#[test]
fn matrix_is_silent_once_connected_and_the_keys_change_every_ten_seconds() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_millis(100));
    let before = matrix_messages(&pair);
    pair.universe.run_for(Duration::from_secs(300));
    assert_eq!(matrix_messages(&pair), before);
    for device in [pair.caller, pair.callee] {
        let media = &pair.universe.devices[device].media[&pair.call()];
        assert!(media.send_epochs.len() >= 28, "{:?}", media.send_epochs);
        assert!(media.send_epochs.is_sorted());
        assert_eq!(media.refused, 0, "no frame is ever undecryptable");
        assert_eq!(media.frame_sizes, [101]);
    }
}

#[test]
fn no_frame_is_undecryptable_when_control_messages_get_lost() {
    let mut pair = connected_pair();
    pair.universe.network.channel_loss = 2;
    pair.universe.run_for(Duration::from_secs(200));
    for device in [pair.caller, pair.callee] {
        let media = &pair.universe.devices[device].media[&pair.call()];
        assert_eq!(media.refused, 0);
        assert!(media.send_epochs.len() > 10, "{:?}", media.send_epochs);
    }
}

#[test]
fn mute_is_told_to_the_peer_by_frames_alone() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(1));
    let (messages, control) = (matrix_messages(&pair), pair.universe.control_sent.len());
    pair.universe.set_muted(pair.caller, call, true);
    pair.universe.run_for(Duration::from_secs(1));
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(
        event,
        Event::Muted {
            local: false,
            muted: true,
            ..
        }
    )));
    assert!(pair.universe.devices[pair.caller].media[&call].muted);
    pair.universe.set_muted(pair.caller, call, false);
    pair.universe.run_for(Duration::from_secs(1));
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(
        event,
        Event::Muted {
            local: false,
            muted: false,
            ..
        }
    )));
    assert_eq!(
        pair.universe.devices[pair.caller].media[&call].frame_sizes,
        [101]
    );
    assert_eq!(matrix_messages(&pair), messages);
    assert_eq!(pair.universe.control_sent.len(), control);
}

#[test]
fn who_is_muted_before_the_call_is_connected_is_told_to_be_right_after() {
    let mut pair = ringing_pair();
    let call = pair.call();
    pair.universe.set_muted(pair.caller, call, true);
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(2));
    let events = pair.universe.devices[pair.callee].events.iter();
    let told: Vec<_> = events
        .filter_map(|event| match event {
            Event::Connected { .. } => Some("connected"),
            Event::Muted {
                local: false,
                muted: true,
                ..
            } => Some("muted"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["connected", "muted"]);
}

#[test]
fn a_hang_up_goes_over_the_data_channel_alone() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    let before = matrix_messages(&pair);
    pair.universe.hang_up(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    assert_eq!(matrix_messages(&pair), before);
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::LocalHangup)
    );
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::RemoteHangup)
    );
    assert!(pair.all_empty());
}

#[test]
fn a_hang_up_goes_over_matrix_too_if_nobody_acknowledges_it_in_a_second() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    let before = matrix_messages(&pair);
    pair.universe.network.channel = false;
    pair.universe.hang_up(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_millis(900));
    assert_eq!(matrix_messages(&pair), before);
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::RemoteHangup)
    );
    pair.universe.run_for(Duration::from_secs(60));
    assert!(pair.all_empty());
}

#[test]
fn a_cut_is_noticed_within_three_seconds_and_heals() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.set_up(false);
    pair.universe.run_for(Duration::from_millis(3010));
    for device in [pair.caller, pair.callee] {
        assert!(
            pair.universe.devices[device].told(|event| matches!(event, Event::Reconnecting { .. }))
        );
    }
    pair.universe.run_for(Duration::from_secs(10));
    pair.universe.network.set_up(true);
    pair.universe.run_for(Duration::from_secs(1));
    for device in [pair.caller, pair.callee] {
        assert!(
            pair.universe.devices[device].told(|event| matches!(event, Event::Reconnected { .. }))
        );
    }
    let before = matrix_messages(&pair);
    pair.universe.run_for(Duration::from_secs(100));
    assert_eq!(matrix_messages(&pair), before, "Matrix is silent again");
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
}

#[test]
fn a_cut_that_lasts_ends_the_call_after_thirty_seconds() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.set_up(false);
    pair.universe.run_for(Duration::from_millis(29_500));
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::IceTimeout)
    );
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::IceTimeout)
    );
    pair.universe.run_for(Duration::from_secs(60));
    assert!(pair.all_empty());
}

#[test]
fn a_path_that_is_given_up_when_the_call_is_connected_has_died() {
    let mut pair = connected_pair();
    let reason = MediaFailure::NoPath;
    let failed = MediaEvent::Failed { reason };
    pair.universe.inject_media(pair.caller, pair.call(), failed);
    pair.universe.run_for(Duration::from_secs(60));
    for device in [pair.caller, pair.callee] {
        assert_eq!(pair.universe.ended(device), Some(EndReason::IceTimeout));
    }
}

#[test]
fn a_dead_path_is_restarted_over_matrix() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.needs_restart = true;
    pair.universe.run_for(Duration::from_secs(6));
    for device in [pair.caller, pair.callee] {
        assert!(
            pair.universe.devices[device].told(|event| matches!(event, Event::Reconnected { .. }))
        );
    }
    let commands = |device: usize| {
        pair.universe.devices[device].media[&pair.call()]
            .commands
            .clone()
    };
    assert!(
        commands(pair.caller).contains(&"CreateRestartOffer".to_owned()),
        "only the caller makes offers"
    );
    assert!(!commands(pair.callee).contains(&"CreateRestartOffer".to_owned()));
}

#[test]
fn a_callee_that_hears_nothing_asks_the_caller_for_a_restart() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.deaf = Some(pair.callee);
    pair.universe.run_for(Duration::from_secs(6));
    assert!(
        pair.universe.devices[pair.callee]
            .told(|event| matches!(event, Event::Reconnecting { .. }))
    );
    assert!(
        !pair.universe.devices[pair.caller]
            .told(|event| matches!(event, Event::Reconnecting { .. }))
    );
    let commands = |device: usize| {
        pair.universe.devices[device].media[&pair.call()]
            .commands
            .clone()
    };
    assert!(commands(pair.caller).contains(&"CreateRestartOffer".to_owned()));
    assert!(commands(pair.callee).contains(&"AcceptRestartOffer".to_owned()));
    assert!(!commands(pair.callee).contains(&"CreateRestartOffer".to_owned()));
}

#[test]
fn a_transport_that_closes_is_a_dead_path_and_not_a_hang_up() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe
        .inject_media(pair.callee, pair.call(), MediaEvent::DataChannelClosed);
    pair.universe.run_for(Duration::from_secs(50));
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
}

#[test]
fn the_keys_do_not_freeze_when_only_the_data_channel_is_dropped() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.channel = false;
    let epochs = pair.universe.devices[pair.caller].media[&pair.call()]
        .send_epochs
        .len();
    pair.universe.run_for(Duration::from_secs(300));
    assert!(
        pair.universe.ended(pair.caller).is_none(),
        "control goes over Matrix"
    );
    let media = &pair.universe.devices[pair.caller].media[&pair.call()];
    assert!(
        media.send_epochs.len() > epochs + 5,
        "{:?}",
        media.send_epochs
    );
    assert!(media.commands.contains(&"CreateRestartOffer".to_owned()));
    assert_eq!(media.refused, 0);
}

#[test]
fn the_call_ends_with_rekey_timeout_when_matrix_is_dropped_as_well() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.channel = false;
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.run_for(Duration::from_secs(110));
    assert!(pair.universe.ended(pair.caller).is_none());
    pair.universe.run_for(Duration::from_secs(20));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::RekeyTimeout)
    );
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::RekeyTimeout)
    );
    pair.universe.run_for(Duration::from_secs(60));
    assert!(pair.all_empty());
}

#[test]
fn a_control_message_arrives_within_a_second_after_a_cut_heals() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.network.set_up(false);
    // In these 13 s the caller says `rekey`, and the next is due in two more.
    pair.universe.run_for(Duration::from_secs(13));
    let epochs = |pair: &Pair| {
        [pair.caller, pair.callee]
            .map(|device| pair.universe.devices[device].media[&call].send_epochs.len())
    };
    let before = epochs(&pair);
    pair.universe.network.set_up(true);
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(epochs(&pair), before.map(|count| count + 1));
}

#[test]
fn a_dead_homeserver_does_not_touch_a_connected_call() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.homeserver.fails = Some(securecall_session::RequestError::Unreachable);
    pair.universe.run_for(Duration::from_secs(300));
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::RemoteHangup)
    );
    assert!(pair.all_empty());
}

#[test]
fn messages_repeated_by_somebody_else_do_not_keep_a_dead_path_alive() {
    let mut pair = connected_pair();
    let (callee, call) = (pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(15));
    pair.universe.network.set_up(false);
    let old = pair.universe.control_sent.clone();
    assert!(old.iter().any(|(to, ..)| *to == callee));
    for _ in 0..6 {
        for (_, _, bytes) in old.iter().filter(|(to, ..)| *to == callee) {
            pair.universe.inject_control(callee, call, bytes);
        }
        pair.universe.run_for(Duration::from_secs(1));
    }
    let reconnecting = |event: &Event| matches!(event, Event::Reconnecting { .. });
    assert!(pair.universe.devices[callee].told(reconnecting));
}

#[test]
fn of_two_restart_offers_at_once_the_newer_is_answered_and_no_answer_is_taken_for_another() {
    let mut pair = connected_pair();
    let call = pair.call();
    for _ in 0..2 {
        let sdp = format!("a=fingerprint:sha-256 {}\r\n", ["01"; 32].join(":"));
        pair.universe
            .inject_media(pair.caller, call, MediaEvent::RestartOffer { sdp });
    }
    pair.universe.run_for(Duration::from_secs(2));
    let [caller, callee] =
        [pair.caller, pair.callee].map(|it| &pair.universe.devices[it].media[&call]);
    assert_eq!(callee.restarts, 2);
    assert_eq!(caller.restart_answers.len(), 1);
    assert!(caller.restart_answers[0].contains("a=x-restart:2"));
}

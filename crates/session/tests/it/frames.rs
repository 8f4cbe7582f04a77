//! The voice frames of a whole call, as somebody on the network has them.

use std::time::Duration;

use securecall_session::MediaEvent;
use securecall_testkit::connected_pair;

#[test]
fn no_frame_of_a_whole_call_opens_twice_or_at_its_sender() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(45));
    let frames = pair.universe.frames_sent.clone();
    assert!(frames.len() > 800, "{}", frames.len());
    for (to, _, frame) in &frames {
        let sender = if *to == pair.caller {
            pair.callee
        } else {
            pair.caller
        };
        assert!(!pair.universe.inject_frame(sender, call, frame.clone()));
    }
    pair.universe.run_for(Duration::from_secs(1));
    for (to, _, frame) in frames {
        assert!(!pair.universe.inject_frame(to, call, frame));
    }
    pair.universe.run_for(Duration::from_secs(15));
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
}

#[test]
fn every_frame_has_one_size_whatever_happens_to_keys_path_and_microphone() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(25));
    pair.universe.network.needs_restart = true;
    pair.universe.run_for(Duration::from_secs(10));
    pair.universe.set_muted(pair.caller, call, true);
    pair.universe.run_for(Duration::from_secs(25));
    let [caller, callee] =
        [pair.caller, pair.callee].map(|it| &pair.universe.devices[it].media[&call]);
    assert_eq!((callee.restarts, caller.restart_answers.len()), (1, 1));
    assert!(caller.send_epochs.len() >= 5 && callee.send_epochs.len() >= 5);
    let frames = &pair.universe.frames_sent;
    assert!(frames.iter().all(|(_, _, frame)| frame.len() == 101));
    assert!(frames.iter().any(|(to, ..)| *to == pair.caller));
}

#[test]
fn a_restart_answer_with_another_fingerprint_is_refused() {
    let mut pair = connected_pair();
    let (caller, callee, call) = (pair.caller, pair.callee, pair.call());
    pair.universe.network.needs_restart = true;
    let accepted = pair
        .universe
        .run_until(Duration::from_secs(10), |universe| {
            universe.devices[callee].media[&call].restarts == 1
        });
    assert!(accepted);
    // Faster than the media engine's own.
    let sdp = format!("a=fingerprint:sha-256 {}\r\n", ["EE"; 32].join(":"));
    pair.universe
        .inject_media(callee, call, MediaEvent::RestartAnswer { sdp });
    pair.universe.run_for(Duration::from_secs(2));
    let media = &pair.universe.devices[caller].media[&call];
    assert_eq!(media.restart_answers, [""; 0]);
    assert!(pair.universe.ended(caller).is_none());
    // The next restart is an honest one.
    pair.universe.run_for(Duration::from_secs(6));
    let media = &pair.universe.devices[caller].media[&call];
    assert_eq!(media.restart_answers.len(), 1);
    assert!(pair.universe.ended(caller).is_none());
}

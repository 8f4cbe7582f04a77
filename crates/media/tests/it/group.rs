//! Group calls, on virtual time: what others are to the voice of one.

use std::time::Duration;

use securecall_netem::Conditions;

use crate::simulated_call::speech;
use crate::simulated_group::group_call;

/// Somebody who talks beside, more quietly.
fn beside(voice: &[f32]) -> Vec<f32> {
    let half = voice.len() / 2;
    let turned = voice[half..].iter().chain(&voice[..half]);
    turned.map(|sample| 0.3 * sample).collect()
}

#[test]
fn a_voice_is_in_the_mix_of_three_no_later_than_in_a_call_of_two() {
    let voice = speech(8);
    let conditions = Conditions {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        ..Conditions::default()
    };
    let voices = [voice.clone(), vec![0.0; voice.len()], beside(&voice)];
    let two = group_call(1, &voices[..2], |_, _| conditions);
    let three = group_call(1, &voices, |_, _| conditions);
    let [(_, of_two), (_, of_three)] = [&two, &three].map(|call| call[1].hears(&call[0]));
    let added = of_three - of_two;
    assert!(added.abs() <= 1.0, "{of_two} ms, {of_three} ms");
    // Nothing of the third is in what is heard of the first.
    assert_eq!(two[1].heard_of(0), three[1].heard_of(0));
    assert_ne!(two[1].heard, three[1].heard);
}

//! Networks that change during a call.

use securecall_netem::Conditions;

use super::{MS, seconds};
use crate::simulated_call::{Outcome, Setup, run, speech};

/// A call whose path takes `before`, from 10 s on `after`, and up to 10 ms more for each packet.
fn on_another_path(before: u32, after: u32) -> Outcome {
    run(&Setup::default(), speech(16), |time| Conditions {
        delay: MS * if time < seconds(10.0) { before } else { after },
        jitter: 10 * MS,
        ..Conditions::default()
    })
}

#[test]
fn another_path_is_settled_on_within_about_a_second() {
    for (before, after) in [
        (10, 40),
        (10, 110),
        (10, 310),
        (40, 10),
        (110, 10),
        (310, 10),
    ] {
        let outcome = on_another_path(before, after);
        // What a slower path lets wait has to be bridged once; a faster one costs nothing.
        let wait = f64::from(after) - f64::from(before);
        let concealed = outcome.concealed_between(9.5..15.9);
        let delay = outcome.playout_delay_between(11.5..15.9, 0.95);
        assert!(
            concealed <= wait.max(0.0) + 45.0,
            "{before} to {after} ms: {concealed} ms made up"
        );
        assert!(delay < 21.0, "{before} to {after} ms: {delay} ms");
    }
}

#[test]
fn after_a_spike_the_delay_shrinks_within_a_few_seconds() {
    // A stall: what was sent from 10 s on comes at once 200 ms later, three times within a second.
    let outcome = run(&Setup::default(), speech(20), |time| {
        let since = time.saturating_sub(seconds(10.0)).as_millis();
        Conditions {
            delay: if time >= seconds(10.0) && since < 1_200 && since % 400 < 200 {
                MS * (200 - since as u32 % 400)
            } else {
                10 * MS
            },
            ..Conditions::default()
        }
    });
    let during = outcome.playout_delay_between(10.5..11.5, 0.9);
    assert!(during > 60.0, "{during}");
    let afterwards = outcome.playout_delay_between(16.5..20.0, 0.95);
    assert!(afterwards < 25.0, "{afterwards}");
    assert!(outcome.concealed_between(12.0..19.9) <= 20.0);
}

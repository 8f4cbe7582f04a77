//! A voice over good and bad networks, on virtual time.

mod changes;
mod networks;
mod seams;

use std::{f64::consts::TAU, time::Duration};

use securecall_media::TICK_SAMPLES;
use securecall_netem::{Bursts, Conditions};
use securecall_quality::level_dbfs;

use crate::simulated_call::{CODEC_MS, Outcome, Sender, Setup, run, speech};

const MS: Duration = Duration::from_millis(1);
/// Sealed bytes of every frame: 5 header, 78 Opus, 2 report, 16 tag.
const SEALED: usize = 101;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn call(length: usize, conditions: Conditions) -> Outcome {
    run(&Setup::default(), speech(length), |_| conditions)
}

#[test]
fn a_perfect_network_costs_3_ms_wherever_ticks_begin() {
    for phase_us in [0, 1_000, 3_900, 4_100, 6_000, 9_500] {
        let setup = Setup {
            phase: Duration::from_micros(phase_us),
            ..Setup::default()
        };
        let outcome = run(&setup, speech(20), |_| Conditions::default());
        let median = outcome.playout_delay_between(5.0..20.0, 0.5);
        assert!(
            (0.5..3.0).contains(&median),
            "phase {phase_us}: {median} ms"
        );
        let (comparison, mouth_to_ear) = outcome.comparison();
        assert!(
            mouth_to_ear < CODEC_MS + 3.0,
            "phase {phase_us}: {mouth_to_ear} ms"
        );
        assert!(
            (mouth_to_ear - CODEC_MS - f64::from(median)).abs() < 2.5,
            "{mouth_to_ear} ms, of which {median} here"
        );
        assert!(comparison.stoi_rigid > 0.97, "{}", comparison.stoi_rigid);
        assert!(outcome.statistics().jitter_buffer.concealed_ms <= 20.0);
        assert_eq!(outcome.statistics().jitter_buffer.frames_lost, 0);
    }
}

#[test]
fn the_first_word_is_heard_at_once() {
    let outcome = call(2, Conditions::default());
    let silent_ticks = outcome
        .history
        .iter()
        .take_while(|figures| figures.jitter_buffer.frames_decoded == 0)
        .count();
    // A frame is complete after two ticks, and plays after the least cushion.
    assert!(silent_ticks <= 4, "{silent_ticks}");
}

#[test]
fn every_sealed_frame_of_a_call_has_the_same_size() {
    let mut sent = speech(10);
    sent.extend(vec![0.0; 48_000]);
    sent.extend((0..48_000).map(|i| if i % 96 < 48 { 1.0_f32 } else { -1.0 }));
    let outcome = run(&Setup::default(), sent, |_| Conditions::default());
    assert_eq!(outcome.frame_sizes.len(), 600);
    assert!(outcome.frame_sizes.iter().all(|size| *size == SEALED));
}

#[test]
fn ten_percent_loss_and_forty_milliseconds_of_jitter_leave_speech_intelligible() {
    for seed in [1, 2, 3] {
        let conditions = Conditions {
            loss: 0.1,
            jitter: 40 * MS,
            ..Conditions::default()
        };
        let outcome = run(
            &Setup {
                seed,
                ..Setup::default()
            },
            speech(60),
            |_| conditions,
        );
        let figures = outcome.statistics().jitter_buffer;
        assert!(
            outcome.playout_delay_ms(0.95) <= 120.0,
            "{}",
            outcome.playout_delay_ms(0.95)
        );
        assert!(
            outcome.concealed_without_fec() <= 0.10,
            "{}",
            outcome.concealed_without_fec()
        );
        assert!(figures.longest_gap_ms <= 60.0, "{}", figures.longest_gap_ms);
        assert!(
            figures.frames_recovered > 100,
            "{}",
            figures.frames_recovered
        );
        assert!(
            outcome.comparison().0.stoi >= 0.85,
            "{}",
            outcome.comparison().0.stoi
        );
    }
}

#[test]
fn loss_alone_costs_one_frame_of_delay_and_is_mostly_recovered() {
    let outcome = call(
        40,
        Conditions {
            loss: 0.1,
            ..Conditions::default()
        },
    );
    let delay = outcome.playout_delay_between(5.0..40.0, 0.95);
    assert!((20.0..40.0).contains(&delay), "{delay}");
    assert!(
        outcome.concealed_without_fec() < 0.06,
        "{}",
        outcome.concealed_without_fec()
    );
}

#[test]
fn rare_losses_do_not_cost_delay() {
    let outcome = call(
        40,
        Conditions {
            loss: 0.003,
            ..Conditions::default()
        },
    );
    assert!(outcome.lost > 0);
    let delay = outcome.playout_delay_between(5.0..40.0, 0.9);
    assert!(delay < 20.0, "{delay}");
    assert!(outcome.statistics().jitter_buffer.longest_gap_ms <= 40.0);
}

#[test]
fn sudden_jitter_is_followed_within_a_second_and_forgotten_when_it_ends() {
    let outcome = run(&Setup::default(), speech(45), |time| Conditions {
        jitter: if (seconds(15.0)..seconds(25.0)).contains(&time) {
            70 * MS
        } else {
            Duration::ZERO
        },
        ..Conditions::default()
    });
    assert!(outcome.playout_delay_between(5.0..15.0, 0.95) < 16.0);
    let during = outcome.playout_delay_between(16.0..25.0, 0.5);
    assert!((55.0..110.0).contains(&during), "{during}");
    let first_second = outcome.concealed_between(15.0..16.0);
    assert!(first_second < 250.0, "{first_second}");
    let afterwards = outcome.concealed_between(16.0..25.0);
    assert!(afterwards < 150.0, "{afterwards}");
    let forgotten = outcome.playout_delay_between(38.0..45.0, 0.95);
    assert!(forgotten < 20.0, "{forgotten}");
}

#[test]
fn losses_in_runs_are_faded_over() {
    let bursts = Some(Bursts {
        begin: 0.02,
        end: 0.35,
    });
    let outcome = call(
        40,
        Conditions {
            bursts,
            jitter: 10 * MS,
            ..Conditions::default()
        },
    );
    let lost = outcome.lost as f64 / 2_000.0;
    assert!(lost > 0.03);
    assert!(
        outcome.concealed_without_fec() < lost,
        "{} of {lost}",
        outcome.concealed_without_fec()
    );
    assert!(
        outcome.comparison().0.stoi > 0.85,
        "{}",
        outcome.comparison().0.stoi
    );
}

#[test]
fn packets_that_overtake_each_other_are_put_in_order() {
    let outcome = call(
        40,
        Conditions {
            reorder: 0.1,
            reorder_delay: 50 * MS,
            ..Conditions::default()
        },
    );
    let settled = outcome.concealed_between(3.0..39.9);
    assert!(settled < 200.0, "{settled}");
    assert!(outcome.playout_delay_between(5.0..40.0, 0.95) < 90.0);
    assert!(outcome.comparison().0.stoi > 0.96);
}

#[test]
fn a_packet_that_comes_twice_is_heard_once() {
    let outcome = call(
        20,
        Conditions {
            duplicate: 0.3,
            ..Conditions::default()
        },
    );
    let figures = outcome.statistics().jitter_buffer;
    assert!(figures.frames_duplicate > 200);
    assert_eq!((figures.frames_lost, figures.frames_late), (0, 0));
    assert!(outcome.comparison().0.stoi_rigid > 0.97);
}

#[test]
fn a_machine_that_is_busy_for_a_moment_now_and_then_is_not_heard() {
    // One packet every 6 s, too few for the delay to follow them as it follows jitter.
    let outcome = run(&Setup::default(), speech(40), |time| Conditions {
        delay: 10 * MS + u32::from(time.as_millis() % 6_000 < 20) * 2 * MS,
        ..Conditions::default()
    });
    assert!(outcome.transits_ms.iter().flatten().any(|it| *it > 11.0));
    let concealed = outcome.concealed_between(9.0..39.9);
    assert!(concealed <= 0.0, "{concealed} ms made up");
    let median = outcome.playout_delay_between(9.0..39.9, 0.5);
    assert!(median < 5.0, "{median} ms");
}

#[test]
fn clocks_that_drift_apart_are_followed_for_minutes() {
    for drift_ppm in [-200.0, 200.0] {
        let setup = Setup {
            drift_ppm,
            ..Setup::default()
        };
        let outcome = run(&setup, speech(240), |_| Conditions::default());
        // 200 ppm are 48 ms in this time: if the speaker's ticks did not follow, the buffer would have run dry, or grown by as much.
        for minute in 0..4 {
            let from = f64::from(minute) * 60.0 + 5.0;
            let delay = outcome.playout_delay_between(from..from + 55.0, 0.95);
            assert!(
                (1.5..5.0).contains(&delay),
                "{drift_ppm} ppm, minute {minute}: {delay}"
            );
        }
        let figures = outcome.statistics().jitter_buffer;
        assert!(
            figures.concealed_ms <= 60.0,
            "{drift_ppm} ppm: {}",
            figures.concealed_ms
        );
        let stretched = figures.stretched_ms;
        assert!(stretched <= 20.0, "{drift_ppm} ppm: {stretched}");
    }
}

#[test]
fn after_five_seconds_of_outage_the_call_goes_on_as_before() {
    let outcome = run(&Setup::default(), speech(25), |time| Conditions {
        cut: (seconds(10.0)..seconds(15.0)).contains(&time),
        ..Conditions::default()
    });
    let figures = outcome.statistics().jitter_buffer;
    assert!(
        (4_900.0..5_100.0).contains(&figures.longest_gap_ms),
        "{}",
        figures.longest_gap_ms
    );
    assert!(outcome.playout_delay_between(16.0..25.0, 0.95) < 20.0);
    assert!(outcome.concealed_between(15.2..24.9) <= 20.0);
    // Made-up audio has faded to silence long before the end of the outage.
    assert_eq!(
        level_dbfs(&outcome.received[11 * 48_000..14 * 48_000]),
        -100.0
    );
    assert!(
        outcome
            .comparison()
            .0
            .delays
            .last()
            .is_some_and(|segment| segment.start > 23 * 48_000)
    );
}

#[test]
fn five_seconds_that_come_all_at_once_are_not_played_late() {
    let outcome = run(&Setup::default(), speech(25), |time| Conditions {
        delay: if time > seconds(10.0) {
            seconds(15.0).saturating_sub(time)
        } else {
            Duration::ZERO
        },
        ..Conditions::default()
    });
    assert!(
        outcome.playout_delay_between(16.0..25.0, 0.95) < 60.0,
        "{}",
        outcome.playout_delay_between(16.0..25.0, 0.95)
    );
    assert!(outcome.concealed_between(15.5..24.9) <= 20.0);
}

#[test]
fn a_path_that_becomes_slower_or_faster_becomes_the_measure() {
    for (before, after) in [(10, 110), (110, 10), (10, 2_010)] {
        let outcome = run(&Setup::default(), speech(40), |time| Conditions {
            delay: MS * if time < seconds(10.0) { before } else { after },
            ..Conditions::default()
        });
        let delay = outcome.playout_delay_between(30.0..40.0, 0.95);
        assert!(delay < 20.0, "{before} to {after} ms: {delay}");
        let concealed = outcome.concealed_between(15.0..39.9);
        assert!(concealed <= 20.0, "{before} to {after} ms: {concealed}");
    }
}

#[test]
fn a_narrow_link_that_queues_is_survived() {
    // 155 bytes every 20 ms are 7,750 bytes a second; a rival takes most of the link for two seconds.
    let outcome = run(&Setup::default(), speech(30), |time| Conditions {
        rate: Some(if (seconds(10.0)..seconds(12.0)).contains(&time) {
            7_050
        } else {
            30_000
        }),
        queue: 300 * MS,
        ..Conditions::default()
    });
    assert!(outcome.playout_delay_between(25.0..30.0, 0.95) < 20.0);
    assert!(
        outcome.comparison().0.stoi > 0.85,
        "{}",
        outcome.comparison().0.stoi
    );
}

#[test]
fn silence_stays_silent() {
    let conditions = Conditions {
        loss: 0.1,
        jitter: 40 * MS,
        ..Conditions::default()
    };
    let outcome = run(&Setup::default(), vec![0.0; 48_000 * 10], |_| conditions);
    assert!(
        level_dbfs(&outcome.received) < -80.0,
        "{}",
        level_dbfs(&outcome.received)
    );
    assert!(outcome.frame_sizes.iter().all(|size| *size == SEALED));
}

#[test]
fn a_tone_keeps_its_pitch_and_level_while_time_is_stretched() {
    let tone: Vec<f32> = (0..48_000 * 30)
        .map(|i| (0.25 * (f64::from(i) / 48_000.0 * 440.0 * TAU).sin()) as f32)
        .collect();
    let outcome = run(
        &Setup {
            drift_ppm: 200.0,
            ..Setup::default()
        },
        tone,
        |_| Conditions::default(),
    );
    let received = &outcome.received[48_000..];
    let crossings = received
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
        .count();
    let hertz = crossings as f64 * 48_000.0 / received.len() as f64;
    assert!((hertz - 440.0).abs() < 2.0, "{hertz}");
    let (level, expected) = (level_dbfs(received), level_dbfs(&[0.25]) - 3.01);
    assert!((level - expected).abs() < 1.0, "{level} for {expected}");
}

#[test]
fn levels_follow_the_voice() {
    let mut sender = Sender::new();
    assert_eq!(sender.level().dbfs(), -100.0);
    sender.push(&[0.5; TICK_SAMPLES]).unwrap();
    assert!((sender.level().dbfs() + 6.02).abs() < 0.01);
    for _ in 0..100 {
        sender.push(&[0.0; TICK_SAMPLES]).unwrap();
    }
    assert!(sender.level().dbfs() < -40.0);
}

#[test]
fn a_microphone_gone_mad_does_no_harm() {
    let mut sender = Sender::new();
    for sample in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e30,
        f32::MIN_POSITIVE,
    ] {
        for _ in 0..20 {
            if let Some(frame) = sender.push(&[sample; TICK_SAMPLES]).unwrap() {
                assert_eq!(frame.bytes.len(), SEALED);
            }
        }
    }
}

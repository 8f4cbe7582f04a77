//! The networks of `docs/performance.md`, each with what a call over it must be like.

use crate::{
    optimum::{adaptive_ms, constant_ms, first_playable_ms},
    simulated_call::{CODEC_MS, NETWORKS, Outcome, Setup, run, speech},
};

const SECONDS: usize = 30;
const SEEDS: [u64; 2] = [1, 2];
/// The ticks of the speaker move to where the delay is least, but for the margin of a millisecond,
/// and where what is waited for has just begun.
const FROM_OPTIMUM_MS: f64 = 4.0;

struct Limits {
    stoi: f64,
    /// Share of the time for which audio is made up.
    concealed: f64,
    mouth_to_ear_ms: f64,
    late: f64,
    /// The longest time for which audio is made up.
    gap_ms: f32,
    /// The longest time for which nearly nothing is heard of what was said: what is promised to be 40 ms at most at 20 % loss.
    silence_ms: f64,
}

/// A call whose sender follows the network.
fn call_over(network: &str, seed: u64) -> Outcome {
    let (_, weather) = NETWORKS
        .into_iter()
        .find(|(name, _)| *name == network)
        .expect("a network of the table");
    let setup = Setup {
        seed,
        adapts: true,
        ..Setup::default()
    };
    run(&setup, speech(SECONDS), weather)
}

fn check(network: &str, seed: u64, limits: &Limits) {
    let outcome = call_over(network, seed);
    let (comparison, mouth_to_ear) = outcome.comparison();
    let (stoi, silence) = (comparison.stoi, comparison.longest_gap_ms);
    let concealed = outcome.concealed_without_fec();
    let gap = outcome.statistics().jitter_buffer.longest_gap_ms;
    let playable = first_playable_ms(&outcome.transits_ms);
    let optimum = constant_ms(&playable, outcome.missing_share());
    let late = outcome.late_share();
    println!(
        "{network}, seed {seed}: STOI {stoi:.4}, concealed {concealed:.4}, late {late:.4}, {mouth_to_ear:.1} ms, gap {gap} ms, \
         silence {silence:.0} ms, optimum {optimum:.1} ms"
    );
    assert!(stoi >= limits.stoi, "STOI {stoi}");
    assert!(concealed <= limits.concealed, "concealed {concealed}");
    assert!(mouth_to_ear <= limits.mouth_to_ear_ms, "{mouth_to_ear} ms");
    assert!(late <= limits.late, "{late} late");
    assert!(gap <= limits.gap_ms, "gap {gap} ms");
    assert!(silence <= limits.silence_ms, "{silence} ms silent");
    let delay = mouth_to_ear - CODEC_MS;
    assert!(
        delay <= optimum + FROM_OPTIMUM_MS,
        "{delay} ms where {optimum} ms would do"
    );
}

macro_rules! networks {
    ($($test:ident: $network:literal, $stoi:literal, $concealed:literal, $delay:literal, $late:literal, $gap:literal, $silence:literal;)*) => {$(
        #[test]
        fn $test() {
            let limits = Limits {
                stoi: $stoi,
                concealed: $concealed,
                mouth_to_ear_ms: $delay,
                late: $late,
                gap_ms: $gap,
                silence_ms: $silence,
            };
            for seed in SEEDS {
                check($network, seed, &limits);
            }
        }
    )*};
}

networks! {
    // name                  network                 STOI   concealed  mouth to ear  late   gap    silence
    over_a_clear_network:    "clear",                0.993, 0.0,       28.0,         0.0,   0.0,   10.0;
    over_5_percent_loss:     "5 % loss",             0.983, 0.0175,    51.0,         0.002, 40.0,  40.0;
    over_10_percent_loss:    "10 % loss",            0.97,  0.042,     49.0,         0.002, 40.0,  40.0;
    over_20_percent_loss:    "20 % loss",            0.953, 0.066,     49.5,         0.002, 80.0,  40.0;
    over_30_percent_loss:    "30 % loss",            0.92,  0.125,     50.5,         0.002, 120.0, 40.0;
    over_bursts:             "60 ms gone every 600", 0.945, 0.071,     48.5,         0.002, 60.0,  20.0;
    over_jitter_to_40_ms:    "jitter 0–40 ms",       0.991, 0.004,     67.0,         0.007, 20.0,  10.0;
    over_jitter_to_100_ms:   "jitter 0–100 ms",      0.991, 0.0055,    127.5,        0.008, 50.0,  10.0;
}

#[test]
fn the_optimum_is_the_least_delay_with_so_many_late_frames() {
    // One packet in four takes 50 ms, the others none.
    let transits: Vec<_> = (0..400)
        .map(|i| Some(if i % 4 == 0 { 50.0 } else { 0.0 }))
        .collect();
    let playable = first_playable_ms(&transits);
    assert_eq!(constant_ms(&playable, 0.0), 20.0, "the next has a copy");
    assert_eq!(constant_ms(&playable, 0.25), 0.0);
    let slow: Vec<f64> = (0..400)
        .map(|i| if i < 200 { 0.0 } else { 100.0 })
        .collect();
    assert_eq!(constant_ms(&slow, 0.0), 100.0);
    let adaptive = adaptive_ms(&slow, 0.0);
    // 50 frames to climb by 2 ms each, before the slow ones come.
    assert!((56.0..64.0).contains(&adaptive), "{adaptive}");
    let lost = [Some(0.0), None, None, Some(0.0)];
    assert_eq!(constant_ms(&first_playable_ms(&lost), 0.0), 20.0);
}

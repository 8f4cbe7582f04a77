//! The networks of `docs/performance.md`, each with what a call over it must be like.

use crate::{
    optimum::{adaptive_ms, constant_ms, first_playable_ms},
    simulated_call::{CODEC_MS, NETWORKS, Outcome, Setup, run, speech},
};

const SECONDS: usize = 30;
/// The ticks of the speaker move to where the delay is least, but for the margin of a millisecond,
/// and where what is waited for has just begun.
const FROM_OPTIMUM_MS: f64 = 4.0;

struct Limits {
    stoi: f64,
    /// Share of the time for which audio is made up.
    concealed: f64,
    mouth_to_ear_ms: f64,
    gap_ms: f32,
}

fn call_over(network: &str) -> Outcome {
    let (_, weather) = NETWORKS
        .into_iter()
        .find(|(name, _)| *name == network)
        .expect("a network of the table");
    run(&Setup::default(), speech(SECONDS), weather)
}

fn check(network: &str, limits: &Limits) {
    let outcome = call_over(network);
    let (comparison, mouth_to_ear) = outcome.comparison();
    let concealed = outcome.concealed_without_fec();
    let gap = outcome.statistics().jitter_buffer.longest_gap_ms;
    let playable = first_playable_ms(&outcome.transits_ms);
    let optimum = constant_ms(&playable, outcome.missing_share());
    let late = outcome.late_share();
    println!(
        "{network}: STOI {:.3}, concealed {concealed:.4}, late {late:.4}, {mouth_to_ear:.1} ms, gap {gap} ms, optimum {optimum:.1} ms",
        comparison.stoi
    );
    assert!(comparison.stoi >= limits.stoi, "STOI {}", comparison.stoi);
    assert!(concealed <= limits.concealed, "concealed {concealed}");
    assert!(mouth_to_ear <= limits.mouth_to_ear_ms, "{mouth_to_ear} ms");
    assert!(late <= 0.01, "{late} late");
    assert!(gap <= limits.gap_ms, "gap {gap} ms");
    let delay = mouth_to_ear - CODEC_MS;
    assert!(
        delay <= optimum + FROM_OPTIMUM_MS,
        "{delay} ms where {optimum} ms would do"
    );
}

macro_rules! networks {
    ($($test:ident: $network:literal, $stoi:literal, $concealed:literal, $delay:literal, $gap:literal;)*) => {$(
        #[test]
        fn $test() {
            let limits = Limits {
                stoi: $stoi,
                concealed: $concealed,
                mouth_to_ear_ms: $delay,
                gap_ms: $gap,
            };
            check($network, &limits);
        }
    )*};
}

networks! {
    // name                     network                  STOI   concealed  mouth to ear  gap
    over_a_clear_network:       "clear",                 0.985, 0.0,     28.5,  0.0;
    over_5_percent_loss:        "5 % loss",              0.98,  0.0075,  51.0, 30.0;
    over_10_percent_loss:       "10 % loss",             0.975, 0.03,    49.5, 50.0;
    over_20_percent_loss:       "20 % loss",             0.95,  0.082,   49.5, 90.0;
    over_30_percent_loss:       "30 % loss",             0.925, 0.148,   50.0, 90.0;
    over_bursts:                "60 ms gone every 600",  0.945, 0.077,   49.5, 70.0;
    over_jitter_to_40_ms:       "jitter 0–40 ms",        0.985, 0.002,   68.0, 20.0;
    over_jitter_to_100_ms:      "jitter 0–100 ms",       0.984, 0.003,  128.5, 30.0;
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

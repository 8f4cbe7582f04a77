//! Where decoded, recovered and made-up audio meet, nothing clicks: a click is energy at frequencies where the voice has none.

use securecall_netem::{Bursts, Conditions};

use super::MS;
use crate::simulated_call::{Outcome, Setup, run, speech};

const SECONDS: usize = 30;
/// Samples of a window in which energy is measured: 2.5 ms.
const WINDOW: usize = 120;
const WINDOWS_A_TICK: usize = 4;
/// A click is over after so many windows: 7.5 ms.
const SHORT: usize = 3;
/// 6 dB above what is there anyway, or below −66 dBFS: that is heard as part of it, or not at all.
const BOUND: f64 = 4.0;
const INAUDIBLE: f64 = 2.5e-7;

/// Energy above 4 kHz, per sample, in windows of 2.5 ms: a Butterworth filter of 4th order.
fn high_energy(samples: &[f32]) -> Vec<f64> {
    let mut filtered: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
    for q in [0.541_196, 1.306_563] {
        let w = std::f64::consts::TAU * 4_000.0 / 48_000.0;
        let (alpha, cos) = (w.sin() / (2.0 * q), w.cos());
        let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
        for sample in &mut filtered {
            let input = *sample;
            let output = ((1.0 + cos) * ((input + x[1]) / 2.0 - x[0]) + 2.0 * cos * y[0]
                - (1.0 - alpha) * y[1])
                / (1.0 + alpha);
            (x, y) = ([input, x[0]], [output, y[0]]);
            *sample = output;
        }
    }
    filtered
        .chunks_exact(WINDOW)
        .map(|window| window.iter().map(|s| s * s).sum::<f64>() / WINDOW as f64)
        .collect()
}

/// Ticks in which one kind of audio followed another.
fn seams(outcome: &Outcome) -> Vec<usize> {
    let kinds = |tick: usize| {
        let figures = outcome.history[tick].jitter_buffer;
        let made_up = figures.concealed_ms > outcome.history[tick - 1].jitter_buffer.concealed_ms;
        (
            figures.frames_recovered,
            figures.frames_awaited,
            figures.frames_lost,
            made_up,
        )
    };
    (2..outcome.history.len())
        .filter(|tick| kinds(*tick) != kinds(tick - 1))
        .collect()
}

/// The greatest energy of the windows from some before `tick` to some after it.
fn greatest(windows: &[f64], tick: f64, before: usize, after: usize) -> f64 {
    let at = (tick * WINDOWS_A_TICK as f64) as usize;
    let end = (at + after).min(windows.len());
    windows[at.saturating_sub(before).min(end)..end]
        .iter()
        .copied()
        .fold(0.0, f64::max)
}

/// Whether there is more than `bound` in a window and far less soon before and after it: what lasts for longer is a sound, such as
/// a hiss that is made up where a voice hissed.
fn is_short(windows: &[f64], at: usize, bound: f64) -> bool {
    let energy = |at: usize| windows.get(at).copied().unwrap_or_default();
    let around = energy(at.saturating_sub(SHORT)).max(energy(at + SHORT));
    energy(at) > bound && energy(at) > BOUND * around
}

/// The share of seams at which there is more high energy than the undamaged signal has near there, and how many seams there are.
fn clicks(voice: &[f32], conditions: Conditions) -> (f64, usize) {
    let outcome = run(&Setup::default(), voice.to_vec(), |_| conditions);
    let undamaged = run(&Setup::default(), voice.to_vec(), |_| Conditions::default());
    let delay = |outcome: &Outcome, tick: usize| {
        f64::from(outcome.history[tick].jitter_buffer.playout_delay_ms) / 10.0
    };
    let (heard, reference) = (
        high_energy(&outcome.received),
        high_energy(&undamaged.received),
    );
    let seams = seams(&outcome);
    let clicks = seams
        .iter()
        .filter(|tick| {
            let there = **tick as f64 - delay(&outcome, **tick) + delay(&undamaged, **tick);
            // The reference has had, or has not yet, what is made up and stretched here: 60 ms to each side.
            let bound = greatest(&reference, there.max(0.0), 24, 24).mul_add(BOUND, INAUDIBLE);
            let at = **tick * WINDOWS_A_TICK;
            (at..at + 2 * WINDOWS_A_TICK).any(|window| is_short(&heard, window, bound))
        })
        .count();
    (clicks as f64 / seams.len() as f64, seams.len())
}

/// A vowel, sung: nothing of it lies above 2 kHz, so that whatever a seam adds there shows.
fn vowel() -> Vec<f32> {
    let mut phase = 0.0_f64;
    (0..SECONDS * 48_000)
        .map(|i| {
            let t = i as f64 / 48_000.0;
            phase += (140.0 + 25.0 * (t * 2.1).sin()) / 48_000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..12)
                .map(|harmonic| (phase * f64::from(harmonic)).sin() / f64::from(harmonic))
                .sum();
            (voice * 0.1 * (1.2 + (t * 5.0).sin())) as f32
        })
        .collect()
}

#[test]
fn seams_do_not_click() {
    let bursts = Some(Bursts {
        begin: 0.03,
        end: 0.4,
    });
    // Of the vowel's, those are left that lie within what the decoder conceals and recovers; with no fades of ours it is 0.14, 0.17
    // and 0.22, and where it is left to the decoder to end what it makes up, 0.08 and 0.13 of those with loss.
    for (name, conditions, of_vowel) in [
        (
            "random loss",
            Conditions {
                loss: 0.15,
                ..Conditions::default()
            },
            0.04,
        ),
        (
            "bursts",
            Conditions {
                bursts,
                ..Conditions::default()
            },
            0.06,
        ),
        (
            "jitter",
            Conditions {
                jitter: 60 * MS,
                reorder: 0.05,
                reorder_delay: 60 * MS,
                ..Conditions::default()
            },
            0.05,
        ),
    ] {
        for (voice, samples, limit) in [
            ("speech", speech(SECONDS), 0.01),
            ("vowel", vowel(), of_vowel),
        ] {
            let (clicks, seams) = clicks(&samples, conditions);
            println!("{name}, {voice}: {clicks:.4} of {seams}");
            assert!(seams > 30, "{name}, {voice}: {seams}");
            assert!(clicks < limit, "{name}, {voice}: {clicks}");
        }
    }
}

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use securecall_quality::{sdr_db, tone_amplitude};

use super::*;
use crate::{
    audio::FRAME_SAMPLES,
    opus_codec::{Decoder, PAYLOAD_BYTES},
};

const TICKS: usize = 200;

/// A tone of so many Hz, sample by sample.
fn tone(hertz: f32, amplitude: f32) -> impl Fn(usize) -> f32 {
    move |sample| {
        let turns = (f64::from(hertz) * sample as f64 / 48_000.0).fract() as f32;
        amplitude * (TAU * turns).sin()
    }
}

fn tick_of(voice: &dyn Fn(usize) -> f32, tick: usize) -> Tick {
    std::array::from_fn(|i| voice(tick * TICK_SAMPLES + i))
}

/// What is heard of these voices.
fn mixed(voices: &[&dyn Fn(usize) -> f32]) -> Vec<f32> {
    let (mut mixer, mut volumes) = (Mixer::new(), vec![Volume::new(); voices.len()]);
    let mut heard = Vec::new();
    for tick in 0..TICKS {
        for (voice, volume) in voices.iter().zip(&mut volumes) {
            mixer.add(&tick_of(voice, tick), volume);
        }
        let mut out = [0.0; TICK_SAMPLES];
        mixer.mix(&mut out);
        heard.extend(out);
    }
    heard
}

fn linear(voices: &[&dyn Fn(usize) -> f32]) -> Vec<f32> {
    let sum = |sample| voices.iter().map(|voice| voice(sample)).sum();
    (0..TICKS * TICK_SAMPLES).map(sum).collect()
}

fn decibels(ratio: f32) -> f32 {
    20.0 * ratio.log10()
}

/// How much of it is the same wave turned down, in windows of 10 ms, in decibels above what is not.
fn least_snr(heard: &[f32], linear: &[f32]) -> f64 {
    let windows = linear.chunks(TICK_SAMPLES).zip(heard.chunks(TICK_SAMPLES));
    windows
        .map(|(linear, heard)| sdr_db(linear, heard))
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn one_voice_is_heard_to_the_bit_and_silent_members_change_nothing() {
    let (voice, silence) = (tone(440.0, 1.0), |_: usize| 0.0);
    assert_eq!(mixed(&[&voice]), linear(&[&voice]));
    for voices in [
        [&voice as &dyn Fn(usize) -> f32, &silence, &silence],
        [&silence, &silence, &voice],
    ] {
        assert_eq!(mixed(&voices), linear(&[&voice]));
    }
    // That a decoder is a little over full scale is not ours to mend.
    let loud = tone(440.0, 1.05);
    assert_eq!(mixed(&[&loud]), linear(&[&loud]));
    assert_eq!(mixed(&[]), vec![0.0; TICKS * TICK_SAMPLES]);
}

#[test]
fn two_voices_are_each_heard_at_their_level() {
    let (low, high) = (tone(300.0, 0.5), tone(1_100.0, 0.25));
    let heard = mixed(&[&low, &high]);
    assert!((tone_amplitude(&heard, 300.0) - 0.5).abs() < 1e-3);
    assert!((tone_amplitude(&heard, 1_100.0) - 0.25).abs() < 1e-3);
    assert_eq!(heard, linear(&[&low, &high]));
    // Too loud together: both are turned down by as much.
    let (low, high) = (tone(300.0, 0.9), tone(1_100.0, 0.45));
    let heard = mixed(&[&low, &high]);
    let late = &heard[heard.len() / 2..];
    let ratio = tone_amplitude(late, 300.0) / tone_amplitude(late, 1_100.0);
    assert!((ratio - 2.0).abs() < 0.02, "{ratio}");
    let turned_down = decibels(tone_amplitude(late, 300.0) / 0.9);
    assert!((-3.0..-2.0).contains(&turned_down), "{turned_down} dB");
}

#[test]
fn seven_voices_at_full_scale_do_not_clip_and_stay_the_waves_that_they_are() {
    let tones = [210.0, 330.0, 470.0, 610.0, 790.0, 930.0, 1_210.0].map(|hertz| tone(hertz, 1.0));
    let voices: Vec<&dyn Fn(usize) -> f32> = tones.iter().map(|it| it as _).collect();
    let (heard, linear) = (mixed(&voices), linear(&voices));
    assert!(heard.iter().all(|sample| sample.abs() <= 1.0));
    // They begin with all their might at once, which no voice does: that tick is bent.
    let begun = TICK_SAMPLES;
    let snr = least_snr(&heard[begun..], &linear[begun..]);
    assert!(snr > 30.0, "{snr} dB");
    let cut: Vec<f32> = linear.iter().map(|it| it.clamp(-1.0, 1.0)).collect();
    assert!(least_snr(&cut[begun..], &linear[begun..]) < 10.0);
    // What is heard of each is what a mixer that knows the future would give: a seventh, and not much more quiet.
    for hertz in [210.0, 610.0, 1_210.0] {
        let level = decibels(tone_amplitude(&heard[heard.len() / 2..], hertz));
        assert!((-17.5..-13.0).contains(&level), "{hertz} Hz: {level} dB");
    }
}

#[test]
fn the_gain_moves_slowly_whatever_comes() {
    let (mut limiter, mut luck) = (Limiter::new(), 1_u64);
    let mut moved = 0;
    for tick in 0..5_000_usize {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let amplitude = (luck >> 61) as f32;
        let mut samples = tick_of(&tone(170.0, amplitude), tick);
        samples[(luck >> 40) as usize % TICK_SAMPLES] = amplitude;
        let before = limiter.gain();
        for pair in limiter.gains(&samples).windows(2) {
            let change = decibels(pair[1] / pair[0]);
            assert!((-3.01..0.013).contains(&change), "{change} dB in a ms");
        }
        limiter.apply(&mut samples);
        assert!(samples.iter().all(|sample| sample.abs() <= 1.0));
        moved += usize::from(limiter.gain() < before);
    }
    assert!(moved > 100, "{moved}");
}

#[test]
fn after_a_shout_together_the_voice_that_goes_on_is_back_within_two_seconds() {
    let voice = tone(300.0, 0.5);
    let shout = |sample: usize| {
        if sample < 48_000 / 4 {
            tone(500.0, 1.0)(sample)
        } else {
            0.0
        }
    };
    let heard = mixed(&[&voice, &shout]);
    let turned_down = tone_amplitude(&heard[TICK_SAMPLES..12_000], 300.0);
    assert!(turned_down < 0.45, "{turned_down}");
    let last = heard.len() - 20 * TICK_SAMPLES;
    assert_eq!(heard[last..], linear(&[&voice])[last..]);
    // On the way up no tick is louder than the one before by more than an ear can tell.
    let levels: Vec<f32> = heard
        .chunks(4 * TICK_SAMPLES)
        .map(|it| tone_amplitude(it, 300.0))
        .skip(8)
        .collect();
    for pair in levels.windows(2) {
        let step = decibels(pair[1] / pair[0]);
        assert!((-0.2..0.6).contains(&step), "{step} dB in 40 ms");
    }
}

#[test]
fn a_member_is_as_loud_as_the_user_wants_and_changes_without_a_click() {
    let (mut mixer, mut volume) = (Mixer::new(), Volume::new());
    let ones = [0.2; TICK_SAMPLES];
    let mut out = [0.0; TICK_SAMPLES];
    let mut before = 0.2;
    for (wanted, reached) in [(2.0, 0.4), (0.0, 0.0), (9.0, 0.8), (-1.0, 0.0), (1.0, 0.2)] {
        volume.set(wanted);
        for _ in 0..2 {
            mixer.add(&ones, &mut volume);
            mixer.mix(&mut out);
            for sample in out {
                assert!((sample - before).abs() < 0.8 / 400.0);
                before = sample;
            }
        }
        assert!((before - reached).abs() < 1e-5, "{wanted}: {before}");
    }
    volume.set(f32::NAN);
    assert_eq!(volume.wanted(), 1.0);
    // A member at four times full scale is turned down like a sum.
    volume.set(4.0);
    let loud = tone(300.0, 1.0);
    for tick in 0..TICKS {
        mixer.add(&tick_of(&loud, tick), &mut volume);
        mixer.mix(&mut out);
        assert!(out.iter().all(|sample| sample.abs() <= 1.0));
    }
}

#[test]
fn what_is_no_number_silences_nobody() {
    let (mut mixer, mut volume) = (Mixer::new(), Volume::new());
    let voice = [0.25; TICK_SAMPLES];
    let mut out = [0.0; TICK_SAMPLES];
    for junk in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut bad = voice;
        bad[100] = junk;
        mixer.add(&bad, &mut volume);
        mixer.add(&voice, &mut volume);
        mixer.mix(&mut out);
        assert_eq!(out, voice);
        // Alone it is silence, not what was heard last.
        mixer.add(&bad, &mut volume);
        mixer.mix(&mut out);
        assert_eq!(out, [0.0; TICK_SAMPLES]);
    }
}

#[test]
fn a_gain_that_falls_makes_no_click() {
    let (mut mixer, mut volume) = (Mixer::new(), Volume::new());
    let (mut out, mut before) = ([0.0; TICK_SAMPLES], 0.9);
    for tick in 0..4 {
        // A sum that grows from 0.9 to 3.3, which is known to be turned down by 10 dB in the end.
        let half: Tick = std::array::from_fn(|i| 0.45 + (tick * TICK_SAMPLES + i) as f32 / 1_600.0);
        mixer.add(&half, &mut volume);
        mixer.add(&half, &mut volume);
        mixer.mix(&mut out);
        for sample in out {
            assert!((sample - before).abs() < 0.02, "{before} {sample}");
            before = sample;
        }
    }
    let last = 0.9 + 2.0 * (4 * TICK_SAMPLES) as f32 / 1_600.0;
    assert!(decibels(last) > 10.0 && before <= 1.0);
}

#[test]
fn what_cannot_be_turned_down_in_time_is_bent_and_not_cut_off() {
    let (mut mixer, mut volume) = (Mixer::new(), Volume::new());
    let shout: Tick = std::array::from_fn(|i| (i as f32 / 80.0 * TAU).cos());
    for _ in 0..4 {
        mixer.add(&shout, &mut volume);
    }
    let mut out = [0.0; TICK_SAMPLES];
    mixer.mix(&mut out);
    // In the second millisecond the sum is still 6 dB above full scale.
    let loudest = out[48..96]
        .iter()
        .fold(0.0_f32, |peak, it| peak.max(it.abs()));
    assert!((0.9..0.985).contains(&loudest), "{loudest}");
}

#[test]
fn bending_begins_and_ends_without_a_click() {
    let (mut mixer, mut volume) = (Mixer::new(), Volume::new());
    let mut heard = Vec::new();
    // A sum that is at full scale, 6 dB above it from one sample to the next, and the same again.
    for tick in 0..3 {
        let half = [if tick == 1 { 1.0 } else { 0.5 }; TICK_SAMPLES];
        mixer.add(&half, &mut volume);
        mixer.add(&half, &mut volume);
        let mut out = [0.0; TICK_SAMPLES];
        mixer.mix(&mut out);
        heard.extend(out);
    }
    let bent = &heard[TICK_SAMPLES..2 * TICK_SAMPLES];
    assert!(bent.iter().any(|sample| *sample < 0.98), "{bent:?}");
    for pair in heard[..2 * TICK_SAMPLES].windows(2) {
        assert!((pair[1] - pair[0]).abs() < 0.005, "{pair:?}");
    }
}

#[test]
fn whoever_is_alone_all_at_once_is_not_louder_all_at_once() {
    let (mut mixer, mut volumes) = (Mixer::new(), [Volume::new(); 2]);
    let (voice, shout) = (tone(300.0, 0.5), tone(500.0, 1.0));
    let level = |tick| {
        mixer.add(&tick_of(&voice, tick), &mut volumes[0]);
        if tick < 25 {
            mixer.add(&tick_of(&shout, tick), &mut volumes[1]);
        }
        let mut out = [0.0; TICK_SAMPLES];
        mixer.mix(&mut out);
        tone_amplitude(&out, 300.0)
    };
    let levels: Vec<f32> = (0..150).map(level).collect();
    assert!(levels[24] < 0.45, "{}", levels[24]);
    for pair in levels[23..].windows(2) {
        let step = decibels(pair[1] / pair[0]);
        assert!((-0.2..0.2).contains(&step), "{step} dB in 10 ms");
    }
    assert!((levels[149] - 0.5).abs() < 1e-3, "{}", levels[149]);
}

#[test]
fn a_frame_that_no_encoder_makes_turns_nobody_down() {
    let mut decoder = Decoder::new().unwrap();
    let mut luck = ChaCha8Rng::seed_from_u64(1);
    let voice = tone(300.0, 0.5);
    let (mut mixer, mut volumes) = (Mixer::new(), [Volume::new(); 2]);
    let (mut loudest, mut least) = (0.0_f32, f32::INFINITY);
    for number in 0..500 {
        let mut packet = [0; PAYLOAD_BYTES];
        luck.fill_bytes(&mut packet);
        // CELT alone, 20 ms, the whole band.
        packet[0] = 0xf8;
        let mut junk = [0.0; FRAME_SAMPLES];
        decoder.decode(&packet, &mut junk).unwrap();
        loudest = junk.iter().fold(loudest, |peak, it| peak.max(it.abs()));
        for (half, junk) in junk.as_chunks::<TICK_SAMPLES>().0.iter().enumerate() {
            mixer.add(junk, &mut volumes[0]);
            mixer.add(&tick_of(&voice, 2 * number + half), &mut volumes[1]);
            let mut out = [0.0; TICK_SAMPLES];
            mixer.mix(&mut out);
            least = least.min(mixer.limiter.gain());
        }
    }
    assert!(loudest > 100.0, "{loudest}");
    // As much as for a sum of what the loudest of voices may be.
    assert!(least > (LOUDEST + 1.0).recip(), "{least}");
}

use proptest::prelude::*;
use securecall_quality::{read_wav, stoi};

use super::*;
use crate::{
    adaptation::VoiceWish,
    audio::{SAMPLE_RATE, TICK_SAMPLES},
    voice_frame::FrameSize,
};

pub(super) type Frame = [f32; FRAME_SAMPLES];

/// A buzz with formants of no vowel, softly interrupted.
fn buzz(index: usize) -> Frame {
    std::array::from_fn(|i| {
        let t = (index * FRAME_SAMPLES + i) as f32 / SAMPLE_RATE as f32;
        let envelope = 0.5 + 0.5 * (t * 3.0 * std::f32::consts::TAU).sin();
        (1..12)
            .map(|h| (t * 130.0 * h as f32 * std::f32::consts::TAU).sin() / h as f32)
            .sum::<f32>()
            * 0.2
            * envelope
    })
}

fn noise(index: usize) -> Frame {
    let mut state = index as u32 + 1;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    })
}

fn clicks(index: usize) -> Frame {
    std::array::from_fn(|i| {
        if i == index * 37 % FRAME_SAMPLES {
            1.0
        } else {
            0.0
        }
    })
}

fn square(index: usize) -> Frame {
    std::array::from_fn(|i| {
        if (i / 7 + index).is_multiple_of(2) {
            1.0
        } else {
            -1.0
        }
    })
}

/// Some seconds of a voice that reads.
pub(super) fn speech() -> Vec<Frame> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/speech/b.wav");
    let samples = read_wav(path).unwrap();
    let frames = samples.chunks_exact(FRAME_SAMPLES);
    frames.map(|frame| frame.try_into().unwrap()).collect()
}

pub(super) fn settings(
    frame_bytes: usize,
    expected_loss_percent: u8,
    dred_frames: u8,
) -> EncoderSettings {
    EncoderSettings {
        frame_bytes,
        expected_loss_percent,
        dred_frames,
        ..EncoderSettings::default()
    }
}

pub(super) fn encoded(frames: &[Frame], settings: EncoderSettings) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new().unwrap();
    encoder.configure(settings).unwrap();
    frames
        .iter()
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload).unwrap();
            payload
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_has_the_same_size_whatever_is_said_and_set(
        frame_bytes in prop::sample::select(vec![28_usize, 38, 58, 78, 80]),
        changes in prop::collection::vec(
            (prop_oneof![Just(0_u8), 1..=100_u8], 0..=60_u8, 0..=10_u8, 0..6_usize, 1..12_usize),
            1..12,
        ),
    ) {
        let mut encoder = Encoder::new().unwrap();
        let mut decoder = Decoder::new().unwrap();
        let (mut payload, mut out) = (Vec::new(), [0.0; FRAME_SAMPLES]);
        for (index, (expected, dred_frames, complexity, sound, frames)) in changes.into_iter().enumerate() {
            let settings = EncoderSettings { complexity, ..settings(frame_bytes, expected, dred_frames) };
            encoder.configure(settings).unwrap();
            for frame in 20 * index..20 * index + frames {
                let samples = match sound {
                    0 => [0.0; FRAME_SAMPLES],
                    1 => noise(frame),
                    2 => clicks(frame),
                    3 => square(frame),
                    4 => [1.0; FRAME_SAMPLES],
                    _ => buzz(frame),
                };
                encoder.encode(&samples, &mut payload).unwrap();
                prop_assert_eq!(payload.len(), frame_bytes);
                prop_assert!(is_frame(&payload));
                decoder.decode(&payload, &mut out).unwrap();
                prop_assert!(out.iter().all(|sample| sample.is_finite()));
            }
        }
    }
}

#[test]
fn the_look_ahead_is_what_we_say() {
    let mut encoder = securecall_opus::Encoder::new(securecall_opus::Application::Audio).unwrap();
    assert_eq!(encoder.lookahead(), Ok(LOOKAHEAD_SAMPLES));
}

#[test]
fn a_lost_frame_comes_back_from_the_next() {
    let frames: Vec<Frame> = (0..200).map(buzz).collect();
    let packets = encoded(&frames, settings(80, 10, 0));
    let (mut decoder, mut reference) = (Decoder::new().unwrap(), Decoder::new().unwrap());
    let (mut out, mut expected) = ([0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
    let mut recovered = 0;
    for (index, packet) in packets.iter().enumerate() {
        if index % 10 == 9 {
            reference.decode(packet, &mut expected).unwrap();
            continue;
        }
        if index % 10 == 0 && index > 0 && decoder.reaches_back(packet) > 0 {
            decoder.recover(packet, 1, &mut out).unwrap();
            let dot: f32 = out.iter().zip(&expected).map(|(a, b)| a * b).sum();
            let norm = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>().sqrt();
            assert!(dot / (norm(&out) * norm(&expected)) > 0.7, "frame {index}");
            recovered += 1;
        }
        decoder.decode(packet, &mut out).unwrap();
        reference.decode(packet, &mut expected).unwrap();
    }
    assert!(recovered >= 15, "{recovered}");
}

/// What is heard of `packets` where a run of `lost` is missing out of every 25, restored as far as the packet after it reaches
/// (`recovers`), otherwise made up. Returns the sound and how many frames were restored from more than one frame back.
fn heard(packets: &[Vec<u8>], lost: usize, recovers: bool) -> (Vec<f32>, usize) {
    let mut decoder = Decoder::new().unwrap();
    let (mut sound, mut frame, mut restored) = (Vec::new(), [0.0; FRAME_SAMPLES], 0);
    for (index, packet) in packets.iter().enumerate() {
        let place = index % 25;
        let missing = (10..10 + lost).contains(&place);
        let later = (index - place + 10 + lost).min(packets.len() - 1);
        let back = later.saturating_sub(index);
        if !missing {
            decoder.decode(packet, &mut frame).unwrap();
        } else if recovers && back > 0 && decoder.reaches_back(&packets[later]) >= back {
            decoder.recover(&packets[later], back, &mut frame).unwrap();
            restored += usize::from(back > 1);
        } else {
            let (first, second) = frame.split_at_mut(TICK_SAMPLES);
            decoder.conceal(first.try_into().unwrap()).unwrap();
            decoder.conceal(second.try_into().unwrap()).unwrap();
        }
        sound.extend_from_slice(&frame);
    }
    (sound, restored)
}

/// How much more intelligible a voice is where runs of `lost` frames are restored than where they are made up, and out of how many
/// frames that were restored from more than one frame back.
fn gain(frame_bytes: usize, lost: usize) -> (f64, usize) {
    let packets = encoded(&speech(), settings(frame_bytes, 20, 12));
    let (whole, _) = heard(&packets, 0, true);
    let (restored, count) = heard(&packets, lost, true);
    let (made_up, _) = heard(&packets, lost, false);
    let [restored, made_up] = [restored, made_up].map(|sound| stoi(&whole, &sound, SAMPLE_RATE));
    (restored - made_up, count)
}

#[test]
fn runs_of_lost_frames_come_back_from_the_packet_after_them() {
    let (gain, count) = gain(78, 3);
    assert!(count >= 15 && gain > 0.015, "{count} restored: {gain:.3}");
}

#[test]
fn ten_lost_frames_come_back_where_there_is_room_for_them() {
    let (gain, count) = gain(160, 10);
    assert!(count >= 60 && gain > 0.06, "{count} restored: {gain:.3}");
}

#[test]
fn the_packet_after_a_restored_run_is_heard_as_ever() {
    let packets = encoded(&speech(), settings(78, 20, 10));
    let (whole, _) = heard(&packets, 0, true);
    let (restored, _) = heard(&packets, 4, true);
    // From the third frame after the gap: until then, what the decoder has of before has to fade.
    let settled = |sound: &[f32]| -> Vec<f32> {
        let frames = sound.chunks(FRAME_SAMPLES).enumerate();
        let settled = frames.filter(|(index, _)| !(10..17).contains(&(index % 25)));
        settled.flat_map(|(_, frame)| frame.to_vec()).collect()
    };
    let similarity = stoi(&settled(&whole), &settled(&restored), SAMPLE_RATE);
    assert!(similarity > 0.97, "{similarity}");
}

#[test]
fn how_far_a_packet_reaches_is_what_its_encoder_put_in() {
    let mut decoder = Decoder::new().unwrap();
    let mut reach = |expected, dred_frames| -> Vec<usize> {
        let packets = encoded(&speech(), settings(78, expected, dred_frames));
        packets
            .iter()
            .map(|packet| decoder.reaches_back(packet))
            .collect()
    };
    assert!(
        reach(0, 10).iter().all(|reach| *reach == 0),
        "no loss expected"
    );
    let fec = reach(10, 0);
    assert!(fec.iter().all(|reach| *reach <= 1));
    assert!(fec.iter().filter(|reach| **reach == 1).count() > 100);
    // A packet after a pause reaches back to the voice before it; one in the midst of voice has little room.
    let dred = reach(20, 10);
    assert!(dred.iter().all(|reach| *reach <= MAX_FRAMES_BACK));
    assert!(
        dred.iter().filter(|reach| **reach >= 2).count() > 150,
        "{dred:?}"
    );
}

#[test]
fn an_encoder_that_begins_anew_keeps_how_far_its_packets_reach() {
    let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
    encoder.configure(settings(160, 20, 20)).unwrap();
    let (frames, mut payload) = (speech(), Vec::new());
    for begins in ["first", "anew"] {
        let reaches = frames[..100].iter().map(|frame| {
            encoder.encode(frame, &mut payload).unwrap();
            decoder.reaches_back(&payload)
        });
        let furthest = reaches.max().unwrap();
        assert!(furthest > 5, "{begins}: {furthest}");
        encoder.reset().unwrap();
    }
}

#[test]
fn what_a_packet_does_not_carry_is_refused() {
    let packets = encoded(&speech(), settings(78, 20, 10));
    let mut decoder = Decoder::new().unwrap();
    let mut out = [1.0; FRAME_SAMPLES];
    for packet in &packets {
        let reach = decoder.reaches_back(packet);
        assert_eq!(
            decoder.recover(packet, reach + 1, &mut out),
            Err(CodecError::Malformed)
        );
        assert_eq!(
            decoder.recover(packet, 0, &mut out),
            Err(CodecError::Malformed)
        );
    }
    assert!(out.iter().all(|sample| *sample == 0.0));
}

#[test]
fn a_voice_of_16_khz_leaves_no_bytes_to_the_band_above() {
    let wide = |packet: &Vec<u8>| (8..12).contains(&(packet[0] >> 3));
    let speech = speech();
    let packets = encoded(&speech, settings(78, 0, 0));
    assert!(packets.iter().all(wide));
    // With sibilants above 8 kHz, from the first pause on.
    let hissing: Vec<Frame> = speech
        .iter()
        .enumerate()
        .map(|(index, frame)| {
            let hiss = noise(index);
            std::array::from_fn(|i| frame[i] + 0.05 * hiss[i] * f32::from(u8::from(index % 30 < 4)))
        })
        .collect();
    let packets = encoded(&hissing, settings(78, 0, 0));
    assert!(!packets[50..].iter().any(wide));
    // Redundancy goes first.
    let packets = encoded(&hissing, settings(78, 10, 0));
    assert!(packets.iter().all(wide));
}

#[test]
fn settings_that_libopus_refuses_change_nothing() {
    let mut encoder = Encoder::new().unwrap();
    let complexity = EncoderSettings {
        complexity: 11,
        frame_bytes: 28,
        ..EncoderSettings::default()
    };
    assert!(encoder.configure(complexity).is_err());
    let mut payload = Vec::new();
    encoder.encode(&buzz(0), &mut payload).unwrap();
    assert_eq!(payload.len(), PAYLOAD_BYTES);
}

/// A vowel, held at this pitch.
fn vowel(index: usize, hertz: f32) -> Frame {
    let formant = |at: f32, hertz: f32| 1.0 / (1.0 + ((hertz - at) / 90.0).powi(2));
    std::array::from_fn(|i| {
        let t = f64::from((index * FRAME_SAMPLES + i) as u32) / f64::from(SAMPLE_RATE);
        let harmonics = (1..).map(|k| k as f32 * hertz);
        let harmonics = harmonics.take_while(|hertz| *hertz < 3_500.0);
        let samples = harmonics.map(|hertz| {
            let turns = (t * f64::from(hertz)).fract() as f32;
            let loud = 0.1 + formant(700.0, hertz) + 0.6 * formant(1_200.0, hertz);
            0.1 * loud * (turns * std::f32::consts::TAU).sin()
        });
        samples.sum()
    })
}

/// A sine is not: see docs/performance.md.
#[test]
fn held_vowels_are_as_loud_with_copies_as_without() {
    let power = |samples: &[f32]| samples.iter().map(|it| it * it).sum::<f32>();
    for hertz in [110.0, 220.0] {
        let said: Vec<Frame> = (0..100).map(|index| vowel(index, hertz)).collect();
        for (expected_loss_percent, dred_frames) in [(0, 0), (10, 5)] {
            let settings = settings(PAYLOAD_BYTES, expected_loss_percent, dred_frames);
            let (sound, _) = heard(&encoded(&said, settings), 0, true);
            let tenths = said.concat().len() / 4_800;
            for tenth in 1..tenths {
                let at = tenth * 4_800..(tenth + 1) * 4_800;
                let share = (power(&sound[at.clone()]) / power(&said.concat()[at])).sqrt();
                assert!((0.9..1.1).contains(&share), "{hertz} Hz, {tenth}: {share}");
            }
        }
    }
}

#[test]
fn efforts_are_in_order() {
    let efforts = [Effort::Low, Effort::Medium, Effort::High];
    for pair in efforts.windows(2) {
        assert!(pair[0].encoder_complexity() < pair[1].encoder_complexity());
        assert_eq!(pair[0].higher(), Some(pair[1]));
        assert_eq!(pair[1].lower(), Some(pair[0]));
    }
}

/// What an encoder of this effort is set to where these are asked for.
fn settings_of(effort: Effort, expected_loss_percent: u8, dred_frames: u8) -> EncoderSettings {
    let wish = VoiceWish {
        size: FrameSize::Kbps32,
        expected_loss_percent,
        dred_frames,
    };
    wish.settings(effort)
}

#[test]
fn each_effort_encodes_at_a_complexity_of_its_own() {
    let speech = &speech()[..150];
    let by_effort = [Effort::Low, Effort::Medium, Effort::High]
        .map(|effort| encoded(speech, settings_of(effort, 10, 0)));
    let by_complexity = [2, 6, 9].map(|complexity| {
        let settings = settings(PAYLOAD_BYTES, 10, 0);
        let settings = EncoderSettings {
            complexity,
            ..settings
        };
        encoded(speech, settings)
    });
    assert!(by_effort == by_complexity);
    assert!(by_effort[0] != by_effort[1] && by_effort[1] != by_effort[2]);
    // From 8 on the bytes are the same.
    assert_eq!(Effort::High.encoder_complexity(), 9);
}

#[test]
fn at_low_effort_no_packet_has_deep_redundancy_however_much_is_asked_for() {
    let mut decoder = Decoder::new().unwrap();
    for (effort, has_dred) in [
        (Effort::Low, false),
        (Effort::Medium, true),
        (Effort::High, true),
    ] {
        for dred_frames in [5, 20] {
            let packets = encoded(&speech(), settings_of(effort, 20, dred_frames));
            let reaches = packets.iter().map(|packet| decoder.reaches_back(packet));
            let furthest = reaches.max().unwrap();
            assert_eq!(furthest > 1, has_dred, "{effort:?}: {furthest}");
            // FEC costs little beside it.
            assert!(furthest > 0, "{effort:?}");
        }
    }
}

#[test]
fn at_low_effort_nothing_is_restored_out_of_deep_redundancy() {
    let packets = encoded(&speech(), settings(78, 20, 5));
    let (mut decoder, mut low) = (Decoder::new().unwrap(), Decoder::new().unwrap());
    low.set_effort(Effort::Low).unwrap();
    let mut out = [1.0; FRAME_SAMPLES];
    let mut further = 0;
    for packet in &packets {
        let reach = decoder.reaches_back(packet);
        let fec = usize::from(packet::has_fec(packet));
        assert_eq!(low.reaches_back(packet), fec);
        if reach > 1 {
            further += 1;
            let refused = Err(CodecError::Malformed);
            assert_eq!(low.recover(packet, reach, &mut out), refused);
            assert!(out.iter().all(|sample| *sample == 0.0));
        }
        // Also where the effort changes while a packet waits.
        decoder.set_effort(Effort::Low).unwrap();
        assert_eq!(decoder.reaches_back(packet), fec);
        decoder.set_effort(Effort::Medium).unwrap();
        assert_eq!(decoder.reaches_back(packet), reach);
    }
    assert!(further > 50, "{further}");
}

/// What is heard where every tenth packet is missing and made up.
fn with_gaps(
    packets: &[Vec<u8>],
    mut decode: impl FnMut(Option<&[u8]>, &mut [f32]),
) -> [Vec<Frame>; 2] {
    let (mut decoded, mut made_up) = (Vec::new(), Vec::new());
    for (index, packet) in packets.iter().enumerate() {
        let mut frame = [0.0; FRAME_SAMPLES];
        if index % 10 == 9 {
            let ticks = frame.as_chunks_mut::<TICK_SAMPLES>().0;
            ticks.iter_mut().for_each(|tick| decode(None, tick));
            made_up.push(frame);
        } else {
            decode(Some(packet), &mut frame);
            decoded.push(frame);
        }
    }
    [decoded, made_up]
}

/// Below 5 there is no network: not for what is missing, nor, below 6, for what is there.
#[test]
fn each_effort_decodes_and_conceals_with_the_networks_that_it_has_time_for() {
    let packets = encoded(&speech()[..200], settings(78, 0, 0));
    let by_effort = |effort| {
        let mut decoder = Decoder::new().unwrap();
        decoder.set_effort(effort).unwrap();
        with_gaps(&packets, |packet, out| match packet {
            Some(packet) => decoder.decode(packet, out.try_into().unwrap()).unwrap(),
            None => decoder.conceal(out.try_into().unwrap()).unwrap(),
        })
    };
    let by_complexity = |complexity| {
        let mut decoder = securecall_opus::Decoder::new().unwrap();
        decoder.set_complexity(complexity).unwrap();
        with_gaps(&packets, |packet, out| {
            let samples = match packet {
                Some(packet) => decoder.decode(packet, out),
                None => decoder.conceal(out),
            };
            assert_eq!(samples, Ok(out.len()));
        })
    };
    let [low, medium, high] = [Effort::Low, Effort::Medium, Effort::High].map(by_effort);
    assert!(low == by_complexity(0));
    assert!(medium == by_complexity(5));
    assert!(high == by_complexity(6));
    // What is missing tells low from medium, what is there medium from high.
    assert!(low[1] != medium[1] && medium[0] != high[0]);
}

#[test]
fn junk_is_refused() {
    assert!(!is_frame(&[]));
    assert!(!is_frame(&[0; 3]), "10 ms");
    let mut decoder = Decoder::new().unwrap();
    assert_eq!(decoder.reaches_back(&[]), 0);
    let mut out = [1.0; FRAME_SAMPLES];
    assert_eq!(
        decoder.decode(&[0xff; 3], &mut out),
        Err(CodecError::Malformed)
    );
    assert!(out.iter().all(|sample| *sample == 0.0));
}

/// Decodes with libopus alone, at the complexity that `complexity` says for each frame.
fn decoded_at(packets: &[Vec<u8>], complexity: impl Fn(usize) -> u8) -> Vec<Frame> {
    let mut decoder = securecall_opus::Decoder::new().unwrap();
    let decode = |(index, packet): (usize, &Vec<u8>)| {
        let mut frame = [0.0; FRAME_SAMPLES];
        decoder.set_complexity(complexity(index)).unwrap();
        decoder.decode(packet, &mut frame).unwrap();
        frame
    };
    packets.iter().enumerate().map(decode).collect()
}

#[test]
fn going_over_to_the_other_network_is_not_to_be_heard() {
    let packets = encoded(&speech(), settings(78, 10, 0));
    // The sharpest bend between two frames.
    let bend = |complexity: &dyn Fn(usize) -> u8| {
        let samples = decoded_at(&packets, complexity).concat();
        let at_seams = samples
            .windows(3)
            .enumerate()
            .filter(|(at, _)| (FRAME_SAMPLES - 2..FRAME_SAMPLES).contains(&(at % FRAME_SAMPLES)));
        let bends = at_seams.map(|(_, it)| (it[0] - 2.0 * it[1] + it[2]).abs());
        bends.fold(0.0, f32::max)
    };
    let steady = f32::max(bend(&|_| 6), bend(&|_| 7));
    for every in [5, 7, 9] {
        let seams = bend(&|index| if index / every % 2 == 0 { 6 } else { 7 });
        assert!(seams < 1.5 * steady, "{every}: {seams}, {steady} before");
    }
}

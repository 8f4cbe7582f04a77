use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use securecall_netem::virtual_start;

use super::*;
use crate::opus_codec::Encoder;

/// So many frames of a signal, whose samples are counted from the first.
fn encoded(count: usize, mut signal: impl FnMut(usize) -> f32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new().unwrap();
    let frames = 0..count;
    frames
        .map(|frame| {
            let samples = std::array::from_fn(|i| signal(frame * FRAME_SAMPLES + i));
            let mut payload = Vec::new();
            encoder.encode(&samples, &mut payload).unwrap();
            payload
        })
        .collect()
}

fn frames(count: usize) -> Vec<Vec<u8>> {
    encoded(count, |i| {
        let t = i as f32 / 48_000.0 * std::f32::consts::TAU;
        let harmonics = (1..12).map(|h| (t * 130.0 * h as f32).sin() / h as f32);
        harmonics.sum::<f32>() * (0.1 + 0.1 * (t * 3.0).sin())
    })
}

fn rtp(sequence: u64) -> u32 {
    (sequence as u32).wrapping_mul(960)
}

const FRAME: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(10);

/// The buffer's word for a packet whose time is that of its number.
fn insert(buffer: &mut JitterBuffer, now: Instant, sequence: u64, frame: &[u8]) -> Insertion {
    buffer.insert(now, sequence, rtp(sequence), frame)
}

fn insert_copy(buffer: &mut JitterBuffer, sequence: u64, frame: &[u8]) -> Insertion {
    buffer.insert_copy(sequence, rtp(sequence), frame)
}

/// The figures after so many ticks more.
fn after_ticks(buffer: &mut JitterBuffer, now: Instant, count: u32) -> JitterStatistics {
    for i in 0..count {
        buffer.playback(now + TICK * i + TICK / 2, &mut [0.0; TICK_SAMPLES]);
    }
    buffer.statistics()
}

/// A buffer that has played `count` frames from `first` on, and the time.
fn playing(first: u64, frames: &[Vec<u8>]) -> (JitterBuffer, Instant) {
    let (mut buffer, mut now) = (JitterBuffer::new().unwrap(), virtual_start());
    for (i, frame) in frames.iter().enumerate() {
        let sequence = first.wrapping_add(i as u64);
        assert_eq!(insert(&mut buffer, now, sequence, frame), Insertion::Kept);
        after_ticks(&mut buffer, now, 2);
        now += FRAME;
    }
    (buffer, now)
}

/// A buffer that has played 50 frames from 100 on, whose frame 150 is lost and 151 here early: before the turn of 150; and
/// the time.
fn missing_150(frames: &[Vec<u8>]) -> (JitterBuffer, Instant) {
    let (mut buffer, now) = playing(100, &frames[..50]);
    insert(&mut buffer, now, 151, &frames[51]);
    (buffer, now)
}

#[test]
fn sequence_numbers_may_pass_their_end() {
    for first in [
        u64::MAX - 25,
        u64::from(u16::MAX) - 25,
        u64::from(u32::MAX) - 25,
    ] {
        let (buffer, _) = playing(first, &frames(50));
        let figures = buffer.statistics();
        assert_eq!((figures.frames_decoded, figures.frames_lost), (50, 0));
    }
}

#[test]
fn one_packet_from_far_away_is_refused_and_three_in_order_are_believed() {
    let frames = frames(60);
    let (mut buffer, now) = playing(5_000, &frames[..50]);
    for (sequence, expected) in [
        (9_000, Insertion::Refused),
        (5_000 - 4_000, Insertion::Refused),
        (u64::MAX, Insertion::Refused),
        (0, Insertion::Refused),
        (5_050, Insertion::Kept),
        (900_000, Insertion::Refused),
        (900_001, Insertion::Refused),
        (900_002, Insertion::Kept),
        (900_003, Insertion::Kept),
    ] {
        let inserted = insert(&mut buffer, now, sequence, &frames[50]);
        assert_eq!(inserted, expected, "{sequence}");
    }
}

#[test]
fn what_came_is_known_after_it_was_played_and_what_did_not_is_late() {
    let frames = frames(60);
    let (mut buffer, now) = playing(100, &frames[..50]);
    let take = |buffer: &mut JitterBuffer, frame: u64| {
        insert(buffer, now, 100 + frame, &frames[frame as usize])
    };
    assert_eq!(take(&mut buffer, 40), Insertion::Duplicate);
    assert_eq!(take(&mut buffer, 51), Insertion::Kept);
    after_ticks(&mut buffer, now, 8);
    assert_eq!(take(&mut buffer, 50), Insertion::Late);
    assert_eq!(take(&mut buffer, 50), Insertion::Duplicate);
}

#[test]
fn a_lost_frame_is_recovered_from_the_next_if_that_is_here_in_time() {
    let frames = frames(60);
    let (mut buffer, now) = missing_150(&frames);
    let figures = after_ticks(&mut buffer, now, 6);
    assert_eq!((figures.frames_recovered, figures.frames_lost), (1, 0));
}

#[test]
fn a_copy_fills_a_hole_and_counts_for_nothing_else() {
    let frames = frames(60);
    let (mut buffer, now) = missing_150(&frames);
    let before = buffer.statistics();
    let mut copy = |sequence, time| buffer.insert_copy(sequence, time, &frames[50]);
    assert_eq!(copy(150, rtp(150)), Insertion::Kept);
    assert_eq!(copy(150, rtp(150)), Insertion::Duplicate);
    assert_eq!(copy(151, rtp(151)), Insertion::Duplicate);
    assert_eq!(copy(140, rtp(140)), Insertion::Late);
    // Newer than what brought it, of another timeline, from nowhere.
    assert_eq!(copy(152, rtp(152)), Insertion::Refused);
    assert_eq!(copy(150, rtp(150) + 1), Insertion::Refused);
    assert_eq!(copy(5_000, rtp(5_000)), Insertion::Refused);
    assert_eq!(insert_copy(&mut buffer, 150, &[0; 3]), Insertion::Refused);
    assert_eq!(buffer.statistics(), before);

    let figures = after_ticks(&mut buffer, now, 4);
    assert_eq!(
        (figures.frames_from_copies, figures.frames_decoded),
        (1, 51)
    );
    assert_eq!((figures.frames_recovered, figures.frames_lost), (0, 0));
    assert_eq!(insert_copy(&mut buffer, 150, &frames[50]), Insertion::Late);
}

#[test]
fn a_frame_may_come_after_its_copy() {
    let frames = frames(60);
    let (mut buffer, now) = missing_150(&frames);
    insert_copy(&mut buffer, 150, &frames[50]);
    let inserted = insert(&mut buffer, now, 150, &frames[50]);
    assert_eq!(inserted, Insertion::Kept);
    let figures = after_ticks(&mut buffer, now, 4);
    assert_eq!(
        (figures.frames_from_copies, figures.frames_decoded),
        (0, 52)
    );
    assert_eq!((figures.frames_duplicate, figures.frames_late), (0, 0));
}

#[test]
fn before_any_packet_there_is_nothing_to_copy() {
    let mut buffer = JitterBuffer::new().unwrap();
    let copy = insert_copy(&mut buffer, 7, &frames(1)[0]);
    assert_eq!((copy, buffer.waiting()), (Insertion::Refused, 0));
}

/// What is heard in a second without packets, after the fade, of a peer with or without noise behind the voice.
fn heard_in_an_outage(payloads: &[Vec<u8>]) -> f32 {
    let (mut buffer, now) = playing(100, payloads);
    let mut tick = [0.0; TICK_SAMPLES];
    let mut energy = 0.0;
    for i in 0..100 {
        buffer.playback(now + TICK * i + TICK / 2, &mut tick);
        if i >= 30 {
            energy += tick.iter().map(|sample| sample * sample).sum::<f32>();
        }
    }
    10.0 * (energy / (70.0 * TICK_SAMPLES as f32)).max(1e-10).log10()
}

#[test]
fn a_long_gap_sounds_like_the_background_and_a_muted_peer_like_nothing() {
    let mut seed = 1_u32;
    let mut noisy = encoded(100, |i| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.005;
        let (frame, i) = (i / FRAME_SAMPLES, i % FRAME_SAMPLES);
        let speaks = frame / 20 % 2 == 1;
        noise + f32::from(u8::from(speaks)) * (i as f32 * 0.02).sin() * 0.1
    });
    // Uniform noise of that size has −50.8 dBFS, −55.6 below 8 kHz; Opus leaves out some of it.
    let heard = heard_in_an_outage(&noisy);
    assert!((-58.0..-48.0).contains(&heard), "{heard} dBFS");
    noisy.extend(vec![crate::muted_frame::MUTED_FRAME.to_vec(); 20]);
    assert_eq!(heard_in_an_outage(&noisy), -100.0);
}

#[test]
fn a_late_frame_is_heard_as_if_time_had_been_stretched() {
    // A tone shows what is not in phase: its level dips.
    let tone = encoded(120, |i| {
        (i as f32 * 200.0 / 48_000.0 * std::f32::consts::TAU).sin() * 0.3
    });
    let (mut buffer, now) = playing(100, &tone[..60]);
    let (mut tick, mut least) = ([0.0; TICK_SAMPLES], f32::MAX);
    for i in 0..100_u32 {
        let (index, now) = (60 + i as usize / 2, now + TICK * i);
        // Frame 165 is 13 ms late: it misses its turn.
        let after = match (index, i % 2) {
            (65, 1) => Some(TICK * 3 / 10),
            (65, _) | (_, 1) => None,
            _ => Some(Duration::ZERO),
        };
        if let Some(after) = after {
            insert(&mut buffer, now + after, 100 + index as u64, &tone[index]);
        }
        buffer.playback(now + TICK / 2, &mut tick);
        let rms = (tick.iter().map(|s| s * s).sum::<f32>() / 480.0).sqrt();
        least = least.min(rms);
    }
    assert_eq!(buffer.statistics().frames_awaited, 1);
    assert!(least > 0.3 / 2.0_f32.sqrt() * 0.9, "{least}");
}

#[test]
fn a_flood_makes_room_by_dropping_the_oldest() {
    let frames = frames(1);
    let (mut buffer, now) = (JitterBuffer::new().unwrap(), virtual_start());
    for sequence in 0..10_000 {
        insert(&mut buffer, now, sequence, &frames[0]);
        assert!(buffer.waiting() <= packet_store::SPAN as usize);
    }
    let figures = after_ticks(&mut buffer, now, 100);
    assert!(figures.playout_delay_ms < 1_300.0);
}

#[derive(Debug, Clone)]
enum Step {
    /// Offset from the running sequence number, offset of the RTP time, which payload.
    Insert(i64, u32, usize),
    /// The same of a copy.
    Copy(i64, u32, usize),
    Playback,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let offset = prop_oneof![
        8 => Just(0_i64),
        4 => -5_i64..5,
        2 => -80_i64..80,
        1 => -2_000_i64..2_000,
        1 => any::<i64>(),
    ];
    let rtp_offset = prop_oneof![20 => Just(0_u32), 1 => any::<u32>()];
    prop_oneof![
        4 => (offset.clone(), rtp_offset.clone(), 0_usize..8).prop_map(|(offset, rtp, payload)| Step::Insert(offset, rtp, payload)),
        2 => (offset, rtp_offset, 0_usize..8).prop_map(|(offset, rtp, payload)| Step::Copy(offset, rtp, payload)),
        6 => Just(Step::Playback),
        2 => (0_u64..15_000).prop_map(Step::Wait),
        1 => (0_u64..20_000_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_sequence_of_packets_and_times_does_harm(
        first in any::<u64>(),
        junk in vec(any::<u8>(), 0..200),
        steps in vec(step(), 1..400),
    ) {
        let mut payloads = frames(6);
        payloads.push(junk);
        payloads.push(vec![0x78; 80]);
        let (mut buffer, mut now, mut sequence) = (JitterBuffer::new().unwrap(), virtual_start(), first);
        let mut tick = [0.0; TICK_SAMPLES];
        for step in steps {
            match step {
                Step::Insert(offset, rtp_offset, payload) => {
                    sequence = sequence.wrapping_add(1);
                    let sequence = sequence.wrapping_add_signed(offset);
                    buffer.insert(now, sequence, rtp(sequence).wrapping_add(rtp_offset), &payloads[payload]);
                }
                Step::Copy(offset, rtp_offset, payload) => {
                    let before = buffer.statistics();
                    let copied = sequence.wrapping_add_signed(offset);
                    buffer.insert_copy(copied, rtp(copied).wrapping_add(rtp_offset), &payloads[payload]);
                    prop_assert_eq!(buffer.statistics(), before);
                }
                Step::Playback => {
                    now += TICK;
                    buffer.playback(now, &mut tick);
                    prop_assert!(tick.iter().all(|sample| sample.is_finite()));
                }
                Step::Wait(microseconds) => now += Duration::from_micros(microseconds),
            }
            prop_assert!(buffer.waiting() <= packet_store::SPAN as usize);
            prop_assert!(buffer.output.waiting() < 2 * FRAME_SAMPLES + time_stretch::MAX_LAG);
            prop_assert!(buffer.output.capacity() <= 4 * FRAME_SAMPLES);
            prop_assert!(buffer.statistics().playout_delay_ms.is_finite());
            let figures = buffer.statistics();
            prop_assert!((0.0..=1.0).contains(&figures.loss));
            let played = figures.frames_decoded + figures.frames_from_copies;
            prop_assert_eq!(figures.frames_expected, played + figures.frames_recovered + figures.frames_lost);
        }
    }
}

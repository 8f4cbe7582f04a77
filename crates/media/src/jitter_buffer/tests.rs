use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use securecall_netem::virtual_start;

use super::*;
use crate::opus_codec::Encoder;

fn frames(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new().unwrap();
    (0..count)
        .map(|frame| {
            let samples = std::array::from_fn(|i| {
                let t = (frame * FRAME_SAMPLES + i) as f32 / 48_000.0 * std::f32::consts::TAU;
                let envelope = 0.1 + 0.1 * (t * 3.0).sin();
                (1..12)
                    .map(|h| (t * 130.0 * h as f32).sin() / h as f32)
                    .sum::<f32>()
                    * envelope
            });
            let mut payload = Vec::new();
            encoder.encode(&samples, &mut payload).unwrap();
            payload
        })
        .collect()
}

fn rtp(sequence: u64) -> u32 {
    (sequence as u32).wrapping_mul(960)
}

const FRAME: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(10);

/// A buffer that has played `count` frames from `first` on, and the time.
fn playing(first: u64, frames: &[Vec<u8>]) -> (JitterBuffer, Instant) {
    let (mut buffer, mut now) = (JitterBuffer::new().unwrap(), virtual_start());
    let mut tick = [0.0; TICK_SAMPLES];
    for (i, frame) in frames.iter().enumerate() {
        let sequence = first.wrapping_add(i as u64);
        assert_eq!(
            buffer.insert(now, sequence, rtp(sequence), frame),
            Insertion::Kept
        );
        buffer.playback(now + TICK / 2, &mut tick);
        buffer.playback(now + TICK * 3 / 2, &mut tick);
        now += FRAME;
    }
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
    for far in [9_000, 5_000 - 4_000, u64::MAX, 0] {
        assert_eq!(
            buffer.insert(now, far, rtp(far), &frames[50]),
            Insertion::Refused
        );
    }
    assert_eq!(
        buffer.insert(now, 5_050, rtp(5_050), &frames[50]),
        Insertion::Kept
    );
    assert_eq!(
        buffer.insert(now, 900_000, rtp(900_000), &frames[51]),
        Insertion::Refused
    );
    assert_eq!(
        buffer.insert(now, 900_001, rtp(900_001), &frames[52]),
        Insertion::Refused
    );
    assert_eq!(
        buffer.insert(now, 900_002, rtp(900_002), &frames[53]),
        Insertion::Kept
    );
    assert_eq!(
        buffer.insert(now, 900_003, rtp(900_003), &frames[54]),
        Insertion::Kept
    );
}

#[test]
fn what_came_is_known_after_it_was_played_and_what_did_not_is_late() {
    let frames = frames(60);
    let (mut buffer, now) = playing(100, &frames[..50]);
    assert_eq!(
        buffer.insert(now, 140, rtp(140), &frames[40]),
        Insertion::Duplicate
    );
    assert_eq!(
        buffer.insert(now, 151, rtp(151), &frames[51]),
        Insertion::Kept
    );
    let mut tick = [0.0; TICK_SAMPLES];
    for i in 1..8 {
        buffer.playback(now + TICK * i, &mut tick);
    }
    assert_eq!(
        buffer.insert(now, 150, rtp(150), &frames[50]),
        Insertion::Late
    );
    assert_eq!(
        buffer.insert(now, 150, rtp(150), &frames[50]),
        Insertion::Duplicate
    );
}

#[test]
fn a_lost_frame_is_recovered_from_the_next_if_that_is_here_in_time() {
    let frames = frames(60);
    let (mut buffer, now) = playing(100, &frames[..50]);
    // Frame 150 is lost and 151 comes early: before the turn of 150.
    buffer.insert(now, 151, rtp(151), &frames[51]);
    let mut tick = [0.0; TICK_SAMPLES];
    for i in 0..6 {
        buffer.playback(now + TICK * i + TICK / 2, &mut tick);
    }
    let figures = buffer.statistics();
    assert_eq!((figures.frames_recovered, figures.frames_lost), (1, 0));
}

#[test]
fn a_flood_makes_room_by_dropping_the_oldest() {
    let frames = frames(1);
    let (mut buffer, now) = (JitterBuffer::new().unwrap(), virtual_start());
    for sequence in 0..10_000 {
        buffer.insert(now, sequence, rtp(sequence), &frames[0]);
        assert!(buffer.waiting() <= packet_store::SPAN as usize);
    }
    let mut tick = [0.0; TICK_SAMPLES];
    for i in 0..100 {
        buffer.playback(now + TICK * i, &mut tick);
    }
    assert!(buffer.statistics().playout_delay_ms < 1_300.0);
}

#[derive(Debug, Clone)]
enum Step {
    /// Offset from the running sequence number, offset of the RTP time, which payload.
    Insert(i64, u32, usize),
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
        4 => (offset, rtp_offset, 0_usize..8).prop_map(|(offset, rtp, payload)| Step::Insert(offset, rtp, payload)),
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
            prop_assert!((0.0..=1.0).contains(&buffer.statistics().loss));
        }
    }
}

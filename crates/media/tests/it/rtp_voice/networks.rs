//! Networks that lose, delay and reorder, and streams that begin anew.

use std::time::Duration;

use proptest::prelude::*;
use securecall_media::{Codec, OpusWishes, ReceivedPacket, RtpReceivePipeline, TICK_SAMPLES};
use securecall_netem::{Conditions, Link, virtual_start};

use super::{Line, TICK, tone, tone_share};

const MS: Duration = Duration::from_millis(1);

/// Ten seconds of a tone over such a network.
fn over(conditions: Conditions, codec: Codec) -> Line {
    let mut line = Line::new(codec, OpusWishes::default());
    let mut link = Link::new(5, conditions);
    for number in 0..1_000 {
        line.encoder
            .push(line.now, &tone(number))
            .unwrap()
            .into_iter()
            .for_each(|packet| {
                let sequence = number as u64 / 2;
                let packet = ReceivedPacket {
                    sequence,
                    rtp_time: packet.rtp_time.into(),
                    codec,
                    payload: packet.payload.to_vec(),
                };
                link.send(line.now, packet.payload.len(), packet);
            });
        while let Some((at, packet)) = link.receive(line.now) {
            line.receiver.handle_packet(at, &packet);
        }
        line.play();
    }
    line
}

#[test]
fn jitter_becomes_a_bounded_delay_and_not_a_gap() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let conditions = Conditions {
            delay: 50 * MS,
            jitter: 60 * MS,
            ..Conditions::default()
        };
        let line = over(conditions, codec);
        let figures = line.receiver.statistics().jitter_buffer;
        let (share, rms) = tone_share(&line.heard[5 * 48_000..]);
        assert!(rms > 0.15, "{share} {rms} {figures:?}");
        let bad = figures.frames_lost + figures.frames_late;
        assert!(bad < 25, "{codec:?} {figures:?}");
        assert!(
            (30.0..150.0).contains(&figures.playout_delay_ms),
            "{figures:?}"
        );
    }
}

#[test]
fn a_tenth_of_the_packets_lost_leaves_the_voice_on() {
    for codec in [Codec::Opus, Codec::Pcma] {
        let conditions = Conditions {
            loss: 0.1,
            delay: 50 * MS,
            ..Conditions::default()
        };
        let line = over(conditions, codec);
        let figures = line.receiver.statistics().jitter_buffer;
        let (share, rms) = tone_share(&line.heard[2 * 48_000..]);
        assert!(rms > 0.14, "{codec:?}: {share} {rms} {figures:?}");
        assert!((0.04..0.2).contains(&figures.loss), "{figures:?}");
        assert!(figures.longest_gap_ms < 150.0, "{figures:?}");
        // Loss is no jitter: it costs no delay.
        assert!(figures.playout_delay_ms < 60.0, "{figures:?}");
    }
}

#[test]
fn after_a_cut_of_seconds_the_delay_is_what_it_was() {
    let mut line = Line::new(Codec::Opus, OpusWishes::default());
    line.say((0..300).map(tone));
    for number in 300..800 {
        line.tick(&tone(number), |_| true);
    }
    let (_, rms) = tone_share(&line.heard[line.heard.len() - 48_000..]);
    assert!(rms < 0.01, "{rms}");
    line.say((800..1_100).map(tone));
    let figures = line.receiver.statistics().jitter_buffer;
    let (share, _) = tone_share(&line.heard[line.heard.len() - 48_000..]);
    assert!(
        share > 0.95 && figures.playout_delay_ms < 60.0,
        "{share} {figures:?}"
    );
}

#[test]
fn a_stream_that_begins_anew_with_other_numbers_is_followed() {
    let mut line = Line::new(Codec::Opus, OpusWishes::default());
    line.say((0..200).map(tone));
    // Another source of the same peer: a browser's track was replaced, or it has restarted.
    for number in 200..400 {
        let said = tone(number);
        let packet = line
            .encoder
            .push(line.now, &said)
            .unwrap()
            .map(|it| ReceivedPacket {
                sequence: 1_000_000 + number as u64 / 2,
                rtp_time: u64::from(it.rtp_time) + (1 << 33),
                codec: Codec::Opus,
                payload: it.payload.to_vec(),
            });
        if let Some(packet) = packet {
            line.receiver.handle_packet(line.now, &packet);
        }
        line.play();
    }
    let (share, _) = tone_share(&line.heard[line.heard.len() - 48_000..]);
    assert!(share > 0.98, "{share}");
    // The first two of them could have been anybody's.
    assert_eq!(line.receiver.statistics().packets_refused, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_packets_at_any_time_leave_it_playing(
        packets in prop::collection::vec(
            (0_u64..200, any::<u32>(), 0_u8..3, prop::collection::vec(any::<u8>(), 0..200), 0_u64..60),
            1..200,
        ),
    ) {
        let mut receiver = RtpReceivePipeline::new().unwrap();
        let mut now = virtual_start();
        for (sequence, rtp_time, codec, payload, wait) in packets {
            let packet = ReceivedPacket {
                sequence,
                // Mostly near each other.
                rtp_time: if rtp_time % 4 == 0 { rtp_time.into() } else { u64::from(rtp_time % 300_000) },
                codec: [Codec::Opus, Codec::Pcmu, Codec::Pcma][usize::from(codec)],
                payload,
            };
            receiver.handle_packet(now, &packet);
            for _ in 0..wait / 10 {
                let mut tick = [0.0; TICK_SAMPLES];
                receiver.playback(now, &mut tick);
                prop_assert!(tick.iter().all(|sample| sample.is_finite()));
                now += TICK;
            }
        }
    }
}

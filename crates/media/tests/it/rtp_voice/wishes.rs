//! What the peer's description asks of our Opus.

use securecall_media::{Codec, Effort, OpusWishes, PeerReport, TICK_SAMPLES};
use securecall_opus::packet;

use super::{Line, tone, tone_share};

const SILENCE: [f32; TICK_SAMPLES] = [0.0; TICK_SAMPLES];

fn bits_a_second(line: &Line) -> usize {
    let bytes: usize = line.packets.iter().map(|it| it.payload.len()).sum();
    bytes * 8 * 50 / line.packets.len()
}

/// Something like noise, which takes all bytes that it can have.
fn noise(number: usize) -> [f32; TICK_SAMPLES] {
    let mut seed = number as u32;
    std::array::from_fn(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((seed >> 16) as f32 / 32_768.0 - 1.0) * 0.3
    })
}

/// Something like a voice, louder and softer: of steady noise no copies are made.
fn buzz(number: usize) -> [f32; TICK_SAMPLES] {
    std::array::from_fn(|i| {
        let t = ((number * TICK_SAMPLES + i) % 48_000) as f32 / 48_000.0;
        let harmonics =
            (1..20).map(|h| (t * 120.0 * h as f32 * std::f32::consts::TAU).sin() / h as f32);
        harmonics.sum::<f32>() * 0.2 * (0.6 + 0.4 * (t * 25.0).sin())
    })
}

#[test]
fn the_bit_rate_is_no_higher_than_the_peer_asks_for() {
    for (wished, most) in [
        (None, 36_000),
        (Some(64_000), 36_000),
        (Some(16_000), 18_500),
        (Some(8_000), 10_000),
    ] {
        let wishes = OpusWishes {
            max_average_bit_rate: wished,
            ..OpusWishes::default()
        };
        let mut line = Line::new(Codec::Opus, wishes);
        line.say((0..500).map(noise));
        let rate = bits_a_second(&line);
        assert!(rate <= most && rate > most / 3, "{wished:?}: {rate}");
    }
}

#[test]
fn the_rate_is_constant_for_who_wants_it_so() {
    let sizes = |constant_bit_rate| {
        let wishes = OpusWishes {
            constant_bit_rate,
            ..OpusWishes::default()
        };
        let mut line = Line::new(Codec::Opus, wishes);
        line.say((0..200).map(tone));
        line.say(vec![SILENCE; 200]);
        let mut sizes: Vec<usize> = line.packets.iter().map(|it| it.payload.len()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    assert_eq!(sizes(true), [80]);
    assert!(sizes(false).len() > 5);
}

#[test]
fn no_spectrum_is_sent_that_the_peer_does_not_play() {
    // The bandwidth of a packet is in its first byte (RFC 6716 section 3.1): narrow to full, by mode.
    let widest = |max_playback_rate| {
        let wishes = OpusWishes {
            max_playback_rate,
            ..OpusWishes::default()
        };
        let mut line = Line::new(Codec::Opus, wishes);
        line.say((0..200).map(noise));
        let bands = line.packets.iter().map(|it| match it.payload[0] >> 3 {
            0..4 | 16..20 => 4,
            4..8 => 6,
            8..12 | 20..24 => 8,
            12..14 | 24..28 => 12,
            _ => 20,
        });
        bands.max().unwrap()
    };
    for (rate, band) in [(8_000, 4), (16_000, 8), (24_000, 12), (48_000, 20)] {
        assert_eq!(widest(rate), band, "{rate}");
    }
}

#[test]
fn in_silence_there_are_hardly_any_packets_and_that_is_no_loss() {
    let wishes = OpusWishes {
        dtx: true,
        ..OpusWishes::default()
    };
    let mut line = Line::new(Codec::Opus, wishes);
    line.say((0..200).map(tone));
    let spoken = line.packets.len();
    assert_eq!(spoken, 100);
    line.say(vec![SILENCE; 600]);
    let silent = line.packets.len() - spoken;
    // Some until the encoder is sure, and then two or three a second.
    assert!((5..60).contains(&silent), "{silent} of 300");
    let begun = line.heard.len();
    line.say((800..1_000).map(tone));
    let figures = line.receiver.statistics().jitter_buffer;
    assert_eq!(
        (figures.frames_lost, figures.frames_late),
        (0, 0),
        "{figures:?}"
    );
    assert!(figures.concealed_ms < 40.0, "{figures:?}");
    // The word after it is there from its beginning: within the delay of 100 ms it is heard.
    let (share, rms) = tone_share(&line.heard[begun + 4_800..]);
    assert!(share > 0.95 && rms > 0.16, "{share} {rms}");
    let between = &line.heard[begun - 48_000..begun];
    let (_, rms) = tone_share(between);
    assert!(rms < 0.005, "{rms}");
}

/// At low effort libopus takes whatever is steady for noise, however loud it is: a tone, music on hold, a held vowel.
#[test]
fn what_is_steady_is_no_silence_however_little_the_encoder_may_work() {
    for effort in [Effort::High, Effort::Medium, Effort::Low] {
        let wishes = OpusWishes {
            dtx: true,
            ..OpusWishes::default()
        };
        let mut line = Line::new(Codec::Opus, wishes);
        line.encoder.set_effort(effort);
        line.say((0..1_000).map(tone));
        assert_eq!(line.packets.len(), 500, "{effort:?}");
        let before = line.packets.len();
        line.say(vec![SILENCE; 600]);
        let silent = line.packets.len() - before;
        assert!((5..100).contains(&silent), "{effort:?}: {silent} of 300");
    }
}

#[test]
fn mute_is_silence_to_dtx_as_well() {
    let wishes = OpusWishes {
        dtx: true,
        ..OpusWishes::default()
    };
    let mut line = Line::new(Codec::Opus, wishes);
    line.say((0..200).map(tone));
    line.encoder.set_muted(true);
    let before = line.packets.len();
    line.say((200..600).map(tone));
    assert!(line.packets.len() - before < 60);
    let (_, rms) = tone_share(line.heard_from(4.0));
    assert!(rms < 0.001, "{rms}");
}

#[test]
fn copies_of_lost_frames_come_where_reports_tell_of_loss_and_the_peer_takes_them() {
    let recovered = |in_band_fec, loss_percent| {
        let wishes = OpusWishes {
            in_band_fec,
            ..OpusWishes::default()
        };
        let mut line = Line::new(Codec::Opus, wishes);
        for number in 0..1_000 {
            if number % 100 == 0 {
                line.encoder.handle_report(PeerReport { loss_percent });
            }
            line.tick(&buzz(number), |packet| packet.sequence % 10 == 0);
        }
        let last = &line.packets[400..];
        let copies = last
            .iter()
            .filter(|it| packet::has_fec(&it.payload))
            .count();
        (copies, line.receiver.statistics().jitter_buffer)
    };
    let (copies, figures) = recovered(true, 10);
    assert!(
        copies > 40 && figures.frames_recovered > 20,
        "{copies} {figures:?}"
    );
    assert!((0.05..0.15).contains(&figures.loss), "{figures:?}");
    assert_eq!(recovered(true, 0).0, 0);
    let (copies, figures) = recovered(false, 10);
    assert_eq!((copies, figures.frames_recovered), (0, 0));
    assert!(figures.frames_lost > 30, "{figures:?}");
}

//! Packets of any duration.

use securecall_media::{Codec, OpusWishes, ReceivedPacket, TICK_SAMPLES};
use securecall_opus::{Application, Encoder, packet};

use super::{Line, tone, tone_share};

/// A peer whose packets have as many ticks as these, one after the other, again and again.
fn peer(line: &mut Line, application: Application, durations: &[usize], ticks: usize) {
    let mut encoder = Encoder::new(application).unwrap();
    encoder.set_bit_rate(32_000).unwrap();
    let (mut sequence, mut begin, mut said) = (7_u64, 0, 0);
    for number in 0..ticks {
        let duration = durations[sequence as usize % durations.len()];
        said += 1;
        if said == duration {
            let samples: Vec<f32> = (begin..begin + duration).flat_map(tone).collect();
            let mut payload = vec![0; 1_500];
            let bytes = encoder.encode(&samples, &mut payload).unwrap();
            payload.truncate(bytes);
            assert_eq!(packet::samples(&payload), Ok(duration * TICK_SAMPLES));
            let packet = ReceivedPacket {
                sequence,
                rtp_time: 90_000 + (begin * TICK_SAMPLES) as u64,
                codec: Codec::Opus,
                payload,
            };
            assert!(line.receiver.handle_packet(line.now, &packet));
            sequence += 1;
            begin = number + 1;
            said = 0;
        }
        line.play();
    }
}

#[test]
fn packets_of_10_to_60_ms_and_of_several_frames_are_played_whole() {
    // Speech codec frames of up to 60 ms, and packets of two and three frames of 20 ms.
    for application in [Application::Voip, Application::Audio] {
        for duration in [1, 2, 4, 6] {
            let mut line = Line::new(Codec::Opus, OpusWishes::default());
            peer(&mut line, application, &[duration], 600);
            let (share, rms) = tone_share(line.heard_from(2.0));
            let figures = line.receiver.statistics().jitter_buffer;
            assert!(
                share > 0.98 && (rms - 0.177).abs() < 0.03,
                "{duration}: {share} {rms}"
            );
            assert_eq!(
                (figures.frames_lost, figures.frames_late),
                (0, 0),
                "{figures:?}"
            );
            assert!(figures.concealed_ms <= 60.0, "{duration}: {figures:?}");
            assert!(
                figures.playout_delay_ms <= 10.0 * duration as f32 + 30.0,
                "{figures:?}"
            );
        }
    }
}

#[test]
fn durations_that_change_with_every_packet_lose_nothing() {
    let mut line = Line::new(Codec::Opus, OpusWishes::default());
    peer(
        &mut line,
        Application::Audio,
        &[1, 2, 4, 6, 1, 1, 6, 2, 4],
        1_200,
    );
    let figures = line.receiver.statistics().jitter_buffer;
    assert_eq!(
        (figures.frames_lost, figures.frames_late),
        (0, 0),
        "{figures:?}"
    );
    let (share, _) = tone_share(line.heard_from(8.0));
    assert!(share > 0.9, "{share} {figures:?}");
    // After the delay has grown once, nothing is made up any more.
    assert!(figures.concealed_ms < 200.0, "{figures:?}");
}

//! Paths that are too narrow, as the sender of plain packets finds out: by receiver reports of RTCP, which browsers send five seconds
//! apart, and by connectivity checks, a second apart.

use std::time::Duration;

use securecall_media::{
    Codec, OpusWishes, PeerReport, ReceivedPacket, RtpReceivePipeline, RtpVoiceEncoder,
    TICK_SAMPLES,
};
use securecall_netem::{Conditions, Link, virtual_start};
use web_time::Instant;

use super::TICK;
use crate::{simulated_call::speech, simulated_leg::clean};

const MS: Duration = Duration::from_millis(1);
/// RTP, SRTP, UDP and IP around a payload.
const OVERHEAD: usize = 50;
const CHECK_BYTES: usize = 120;

#[derive(Clone)]
enum Sent {
    Voice(ReceivedPacket),
    Check(Instant),
    Answer(Instant),
    Report(u8),
}

struct End {
    encoder: RtpVoiceEncoder,
    receiver: RtpReceivePipeline,
    link: Link<Sent>,
    sequence: u64,
    /// When the last check was sent, and whether it was answered: if not, it is sent again sooner.
    checked: Option<(Instant, bool)>,
    /// What has come of the other's packets since the last report: the newest, and how many.
    come: (u64, u64),
    reported: u64,
    /// At the end of each second: the bit rate, and how much was made up by then, in milliseconds.
    seconds: Vec<(u32, f64)>,
}

impl End {
    fn new(seed: u64, codec: Codec) -> Self {
        let wishes = OpusWishes {
            in_band_fec: true,
            ..OpusWishes::default()
        };
        Self {
            encoder: RtpVoiceEncoder::new(codec, wishes).unwrap(),
            receiver: RtpReceivePipeline::new().unwrap(),
            link: Link::new(seed, Conditions::default()),
            sequence: 0,
            checked: None,
            come: (0, 0),
            reported: 0,
            seconds: Vec::new(),
        }
    }

    fn send(&mut self, now: Instant, bytes: usize, sent: Sent) {
        self.link.send(now, bytes + OVERHEAD, sent);
    }

    fn tick(&mut self, now: Instant, number: usize, said: &[f32]) {
        let said = said.try_into().unwrap();
        if let Some(packet) = self.encoder.push(now, said).unwrap() {
            let (bytes, packet) = (
                packet.payload.len(),
                ReceivedPacket {
                    sequence: self.sequence,
                    rtp_time: packet.rtp_time.into(),
                    codec: packet.codec,
                    payload: packet.payload.to_vec(),
                },
            );
            self.sequence += 1;
            self.send(now, bytes, Sent::Voice(packet));
        }
        let is_due = self.checked.is_none_or(|(at, is_answered)| {
            let after = if is_answered { 1_000 } else { 500 };
            now - at >= MS * after
        });
        if is_due {
            self.checked = Some((now, false));
            self.send(now, CHECK_BYTES, Sent::Check(now));
        }
        if number % 500 == 490 {
            let (newest, come) = std::mem::take(&mut self.come);
            let expected = newest.saturating_sub(self.reported).max(1);
            let lost = expected.saturating_sub(come);
            self.reported = newest;
            let percent = (lost * 100).div_ceil(expected);
            self.send(now, 32, Sent::Report(u8::try_from(percent).unwrap()));
        }
        let mut heard = [0.0; TICK_SAMPLES];
        self.receiver.playback(now, &mut heard);
        if number % 100 == 99 {
            let made_up = self.receiver.statistics().jitter_buffer.concealed_ms;
            self.seconds.push((self.encoder.bit_rate(), made_up));
        }
    }

    fn hear(&mut self, other: &mut Link<Sent>, now: Instant) {
        while let Some((at, sent)) = other.receive(now) {
            match sent {
                Sent::Voice(packet) => {
                    self.come = (self.come.0.max(packet.sequence), self.come.1 + 1);
                    self.receiver.handle_packet(at, &packet);
                }
                Sent::Check(sent_at) => self.send(at, CHECK_BYTES, Sent::Answer(sent_at)),
                Sent::Answer(sent_at) => {
                    if let Some((_, is_answered)) = &mut self.checked {
                        *is_answered = true;
                    }
                    let here = self.receiver.queueing_delay();
                    self.encoder.handle_round_trip(at - sent_at, here);
                }
                Sent::Report(loss_percent) => {
                    self.encoder.handle_report(PeerReport { loss_percent });
                }
            }
        }
    }

    fn rates(&self) -> Vec<u32> {
        self.seconds.iter().map(|(rate, _)| *rate).collect()
    }

    /// How much was made up between two seconds, in milliseconds.
    fn made_up(&self, from: usize, to: usize) -> f64 {
        self.seconds[to - 1].1 - self.seconds[from - 1].1
    }
}

/// A call of so many seconds, and the weather on the way of each end's packets. Nothing but the first end follows what it learns of it:
/// the other is any peer.
fn call(codec: Codec, seconds: usize, weather: impl Fn(usize) -> [Conditions; 2]) -> [End; 2] {
    let start = virtual_start();
    let voice = speech(20);
    let mut ends = [1, 2].map(|seed| End::new(seed, codec));
    for end in &mut ends {
        // Of set-up.
        end.encoder.handle_round_trip(60 * MS, Duration::ZERO);
    }
    for number in 0..seconds * 100 {
        let now = start + TICK * u32::try_from(number).unwrap();
        for (end, weather) in ends.iter_mut().zip(weather(number / 100)) {
            end.link.set_conditions(weather);
        }
        let said = voice
            .chunks_exact(TICK_SAMPLES)
            .nth(number % 2_000)
            .unwrap();
        let [one, other] = &mut ends;
        one.hear(&mut other.link, now);
        other.hear(&mut one.link, now);
        one.tick(now, number, said);
        other.tick(now, number, said);
    }
    ends
}

/// Room for voice of so many bits a second, and for what is beside it.
fn room_for(bit_rate: u64) -> Conditions {
    Conditions {
        rate: Some(bit_rate / 8 + 50 * OVERHEAD as u64 + 350),
        ..clean()
    }
}

#[test]
fn a_narrow_path_is_noticed_within_five_seconds_and_the_voice_grows_again_when_it_widens() {
    // Where there is nearly room enough, a queue takes two seconds more to grow.
    for (room, noticed) in [(24_000, 17), (16_000, 15), (12_000, 15)] {
        let weather = |second| match second {
            10..70 => [room_for(room), clean()],
            _ => [clean(), clean()],
        };
        let [one, other] = call(Codec::Opus, 240, weather);
        let rates = one.rates();
        assert!(rates[..10].iter().all(|rate| *rate == 32_000), "{rates:?}");
        assert!(rates[noticed - 1] < 32_000, "{room}: {rates:?}");
        let bearable = rates[30..70]
            .iter()
            .filter(|rate| u64::from(**rate) <= room);
        assert!(bearable.count() >= 30, "{room}: {rates:?}");
        let made_up = other.made_up(30, 70);
        assert!(made_up < 2_000.0, "{room}: {made_up} ms, {rates:?}");
        assert_eq!(rates[239], 32_000, "{room}: {rates:?}");
    }
}

#[test]
fn a_path_that_is_narrow_from_the_beginning_is_noticed_as_well() {
    let [one, _] = call(Codec::Opus, 20, |_| [room_for(16_000), clean()]);
    let rates = one.rates();
    assert!(rates[5] < 32_000, "{rates:?}");
    assert!(rates[15..].iter().all(|rate| *rate <= 16_000), "{rates:?}");
}

#[test]
fn neither_jitter_with_loss_nor_a_queue_on_the_way_here_takes_many_bits_from_the_voice() {
    let jittery = Conditions {
        jitter: 100 * MS,
        loss: 0.05,
        ..clean()
    };
    for weather in [[jittery, jittery], [clean(), room_for(16_000)]] {
        let [one, _] = call(Codec::Opus, 240, |second| match second {
            10.. => weather,
            _ => [clean(), clean()],
        });
        let rates = one.rates();
        let whole = rates.iter().filter(|rate| **rate == 32_000).count();
        // Jitter of 100 ms each way may look like a queue now and then, to who sees one check in a second.
        assert!(whole >= 215, "{whole} of 240 s: {rates:?}");
    }
}

#[test]
fn a_peer_that_takes_g711_alone_gets_it_whatever_the_path() {
    let [one, _] = call(Codec::Pcmu, 20, |_| [room_for(24_000), clean()]);
    assert!(one.rates().iter().all(|rate| *rate == 64_000));
}

//! Voice as other WebRTC peers speak it, on virtual time: encoder, jitter buffer, and what lies between.

mod durations;
mod narrow;
mod networks;
mod wishes;

use std::{f32::consts::TAU, time::Duration};

use securecall_media::{
    Codec, OpusWishes, ReceivedPacket, RtpReceivePipeline, RtpVoiceEncoder, TICK_SAMPLES, Tick,
};
use securecall_netem::virtual_start;
use web_time::Instant;

pub(super) const TICK: Duration = Duration::from_millis(10);
pub(super) const HERTZ: f32 = 440.0;

/// 10 ms of a tone.
pub(super) fn tone(number: usize) -> Tick {
    std::array::from_fn(|i| {
        let turn = ((number * TICK_SAMPLES + i) % 48_000) as f32 * HERTZ / 48_000.0;
        0.25 * (turn.fract() * TAU).sin()
    })
}

/// The share of the energy that the tone has, and the RMS of all.
pub(super) fn tone_share(samples: &[f32]) -> (f32, f32) {
    let energy: f32 = samples.iter().map(|it| it * it).sum();
    let (mut sine, mut cosine) = (0.0_f32, 0.0_f32);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * ((i % 48_000) as f32 * HERTZ / 48_000.0).fract();
        sine += sample * angle.sin();
        cosine += sample * angle.cos();
    }
    let tone = 2.0 * (sine * sine + cosine * cosine) / samples.len() as f32;
    (
        tone / energy.max(1e-9),
        (energy / samples.len() as f32).sqrt(),
    )
}

/// One end that speaks and one that hears, with nothing between them.
pub(super) struct Line {
    pub(super) encoder: RtpVoiceEncoder,
    pub(super) receiver: RtpReceivePipeline,
    pub(super) now: Instant,
    pub(super) heard: Vec<f32>,
    /// What was sent.
    pub(super) packets: Vec<ReceivedPacket>,
    sequence: u64,
}

impl Line {
    pub(super) fn new(codec: Codec, wishes: OpusWishes) -> Self {
        Self {
            encoder: RtpVoiceEncoder::new(codec, wishes).unwrap(),
            receiver: RtpReceivePipeline::new().unwrap(),
            now: virtual_start(),
            heard: Vec::new(),
            packets: Vec::new(),
            sequence: 100,
        }
    }

    /// 10 ms in which this is said. Packets of which `lost` says so do not arrive.
    pub(super) fn tick(&mut self, said: &Tick, lost: impl FnOnce(&ReceivedPacket) -> bool) {
        if let Some(packet) = self.encoder.push(self.now, said).unwrap() {
            let packet = ReceivedPacket {
                sequence: self.sequence,
                rtp_time: packet.rtp_time.into(),
                codec: packet.codec,
                payload: packet.payload.to_vec(),
            };
            self.sequence += 1;
            if !lost(&packet) {
                assert!(self.receiver.handle_packet(self.now, &packet));
            }
            self.packets.push(packet);
        }
        self.play();
    }

    pub(super) fn say(&mut self, ticks: impl IntoIterator<Item = Tick>) {
        for tick in ticks {
            self.tick(&tick, |_| false);
        }
    }

    pub(super) fn play(&mut self) {
        let mut tick = [0.0; TICK_SAMPLES];
        self.receiver.playback(self.now, &mut tick);
        assert!(tick.iter().all(|sample| sample.is_finite()));
        self.heard.extend(tick);
        self.now += TICK;
    }

    /// What was heard from this second on.
    pub(super) fn heard_from(&self, seconds: f32) -> &[f32] {
        &self.heard[(seconds * 48_000.0) as usize..]
    }
}

#[test]
fn every_codec_carries_a_tone() {
    for (codec, bytes, units) in [
        (Codec::Opus, None, 960),
        (Codec::Pcmu, Some(160), 160),
        (Codec::Pcma, Some(160), 160),
    ] {
        let mut line = Line::new(codec, OpusWishes::default());
        line.say((0..300).map(tone));
        let (share, rms) = tone_share(line.heard_from(1.0));
        assert!(
            share > 0.98 && (rms - 0.177).abs() < 0.02,
            "{codec:?}: {share} {rms}"
        );
        assert_eq!(line.packets.len(), 150);
        for (number, packet) in line.packets.iter().enumerate() {
            assert_eq!(packet.rtp_time, number as u64 * units);
            assert!(bytes.is_none_or(|bytes| packet.payload.len() == bytes));
        }
        let figures = line.receiver.statistics();
        assert_eq!(figures.packets_refused, 0);
        let buffer = figures.jitter_buffer;
        assert_eq!(
            (buffer.frames_lost, buffer.frames_late),
            (0, 0),
            "{codec:?}"
        );
        assert!(buffer.concealed_ms < 30.0, "{codec:?}: {buffer:?}");
    }
}

#[test]
fn mute_is_silence_without_a_gap() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let mut line = Line::new(codec, OpusWishes::default());
        line.say((0..100).map(tone));
        line.encoder.set_muted(true);
        assert!(line.encoder.is_muted());
        line.say((100..300).map(tone));
        let sent = line.packets.len();
        assert_eq!(sent, 150, "at the same pace");
        let (_, rms) = tone_share(line.heard_from(1.5));
        assert!(rms < 0.001, "{codec:?}: {rms}");
        // What the microphone hears is known all the same.
        assert!(line.encoder.level().rms > 0.1);
        line.encoder.set_muted(false);
        line.say((300..500).map(tone));
        let (share, _) = tone_share(line.heard_from(4.0));
        assert!(share > 0.98, "{codec:?}: {share}");
    }
}

#[test]
fn a_change_of_codec_in_the_call_is_followed() {
    let mut line = Line::new(Codec::Opus, OpusWishes::default());
    line.say((0..200).map(tone));
    for codec in [Codec::Pcma, Codec::Opus] {
        line.encoder.configure(codec, OpusWishes::default());
        line.say((0..200).map(tone));
        let (share, _) = tone_share(&line.heard[line.heard.len() - 48_000..]);
        assert!(share > 0.98, "{codec:?}: {share}");
    }
}

#[test]
fn what_is_no_voice_is_refused_and_changes_nothing() {
    let mut line = Line::new(Codec::Opus, OpusWishes::default());
    line.say((0..200).map(tone));
    let before = line.receiver.statistics();
    let mut packet = line.packets[199 / 2].clone();
    for (codec, payload) in [
        (Codec::Opus, vec![]),
        // 2.5 ms, nothing in a packet of several frames, 160 ms, and too long a one.
        (Codec::Opus, vec![0xe0, 0]),
        (Codec::Opus, vec![0xff, 0]),
        (Codec::Opus, vec![0x7b, 8, 0]),
        (Codec::Opus, vec![0x78; 3_000]),
        (Codec::Pcmu, vec![]),
        (Codec::Pcmu, vec![0xff; 81]),
        (Codec::Pcma, vec![0xd5; 80 * 13]),
    ] {
        packet.codec = codec;
        packet.payload = payload;
        packet.sequence += 1;
        assert!(
            !line.receiver.handle_packet(line.now, &packet),
            "{packet:?}"
        );
    }
    let after = line.receiver.statistics();
    assert_eq!(after.packets_received, before.packets_received);
    assert_eq!(after.packets_refused, before.packets_refused + 8);
    line.say((200..300).map(tone));
    let (share, _) = tone_share(line.heard_from(1.0));
    assert!(share > 0.98, "{share}");
}

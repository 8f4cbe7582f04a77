//! One direction of a call on virtual time: microphone, send pipeline, emulated network, receive pipeline, speaker. Who listens is
//! muted.

use std::{ops::Range, path::Path, time::Duration};

use securecall_media::{
    CodecError, Level, OutboundFrame, ReceiveStatistics, SendPipeline, SpeakerPace, TICK_SAMPLES,
    Tick, VoiceEncoder, VoiceReport,
};
use securecall_netem::{Conditions, virtual_start};
use securecall_quality::{Comparison, read_wav};

use crate::simulated_leg::{Envelope, FIRST_SEQUENCE, Leg};

/// What no delay of a buffer can save: a frame's length and the look-ahead of Opus.
pub(crate) const CODEC_MS: f64 = 26.5;
const TICK_US: f64 = 10_000.0;

/// Microphone to wire, for one peer of whom nothing is heard.
pub(crate) struct Sender {
    encoder: VoiceEncoder,
    pipeline: SendPipeline<Envelope>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self {
            encoder: VoiceEncoder::new().expect("opus"),
            pipeline: SendPipeline::new(Envelope::default()),
        }
    }

    pub(crate) fn push(&mut self, tick: &Tick) -> Result<Option<OutboundFrame<'_>>, CodecError> {
        let encoded = self.encoder.push(tick)?;
        let report = VoiceReport::default();
        Ok(encoded.map(|frame| {
            let sealed = self.pipeline.seal(frame, report);
            sealed.expect("the envelope seals")
        }))
    }

    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.encoder.set_muted(muted);
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.encoder.is_muted()
    }

    pub(crate) fn level(&self) -> Level {
        self.encoder.level()
    }
}

/// What the call is like.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// By how many millionths the sender's clock is faster than the receiver's.
    pub(crate) drift_ppm: f64,
    /// When within 10 ms the receiver's ticks begin, after the sender's.
    pub(crate) phase: Duration,
    /// Greatest lateness of the receiver's timer.
    pub(crate) timer_jitter: Duration,
    /// Whether the sender follows the receiver's reports, as in calls. Otherwise it goes on as encoders begin, and all that differs
    /// from one network to another is the receiver's doing: FEC for 10 % loss, neither deep redundancy nor copies.
    pub(crate) adapts: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            drift_ppm: 0.0,
            phase: Duration::from_micros(3_700),
            timer_jitter: Duration::from_micros(800),
            adapts: false,
        }
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) setup_phase: Duration,
    pub(crate) sent: Vec<f32>,
    pub(crate) received: Vec<f32>,
    /// The playout delay at each of the receiver's ticks, from its first audio on, in milliseconds.
    pub(crate) playout_delays_ms: Vec<f32>,
    /// The figures at each of the receiver's ticks.
    pub(crate) history: Vec<ReceiveStatistics>,
    pub(crate) frame_sizes: Vec<usize>,
    /// How long each frame's packet was under way, in milliseconds; nothing for one that was lost.
    pub(crate) transits_ms: Vec<Option<f64>>,
    /// Most packets that ever waited at once is bounded by the buffer; the link's own counts.
    pub(crate) lost: u64,
}

impl Outcome {
    pub(crate) fn statistics(&self) -> ReceiveStatistics {
        self.history.last().copied().unwrap_or_default()
    }

    /// The playout delay that `share` of all ticks do not exceed, in milliseconds.
    pub(crate) fn playout_delay_ms(&self, share: f64) -> f32 {
        quantile(&self.playout_delays_ms, share)
    }

    /// The same over a part of the call.
    pub(crate) fn playout_delay_between(&self, seconds: Range<f64>, share: f64) -> f32 {
        let tick = |seconds: f64| ((seconds * 100.0) as usize).min(self.history.len());
        let delays: Vec<f32> = self.history[tick(seconds.start)..tick(seconds.end)]
            .iter()
            .map(|statistics| statistics.jitter_buffer.playout_delay_ms)
            .collect();
        quantile(&delays, share)
    }

    /// Audio made up in a part of the call, in milliseconds.
    pub(crate) fn concealed_between(&self, seconds: Range<f64>) -> f64 {
        let at = |seconds: f64| {
            let tick = ((seconds * 100.0) as usize).min(self.history.len() - 1);
            self.history[tick].jitter_buffer.concealed_ms
        };
        at(seconds.end) - at(seconds.start)
    }

    /// The share of the time in which audio was made up without FEC.
    pub(crate) fn concealed_without_fec(&self) -> f64 {
        self.statistics().jitter_buffer.concealed_ms / (self.playout_delays_ms.len() as f64 * 10.0)
    }

    /// The share of frames for which audio was made up, be it that they came late or that they never did.
    pub(crate) fn missing_share(&self) -> f64 {
        let figures = self.statistics().jitter_buffer;
        (figures.frames_lost + figures.frames_awaited) as f64 / figures.frames_expected as f64
    }

    /// The share of frames that came after their turn had begun.
    pub(crate) fn late_share(&self) -> f64 {
        let figures = self.statistics().jitter_buffer;
        (figures.frames_late + figures.frames_awaited) as f64 / figures.frames_expected as f64
    }

    /// Sent against received, and the median delay from mouth to ear in milliseconds.
    pub(crate) fn comparison(&self) -> (Comparison, f64) {
        let comparison = Comparison::of(&self.sent, &self.received).expect("speech was received");
        let mouth_to_ear = comparison.median_delay_ms + self.setup_phase.as_secs_f64() * 1_000.0;
        (comparison, mouth_to_ear)
    }
}

/// The conditions at a time since the start.
pub(crate) type Weather = fn(Duration) -> Conditions;

/// The networks that voice is measured on: a name, and what it is like.
pub(crate) const NETWORKS: [(&str, Weather); 8] = [
    ("clear", |_| Conditions::default()),
    ("5 % loss", |_| losing(0.05)),
    ("10 % loss", |_| losing(0.1)),
    ("20 % loss", |_| losing(0.2)),
    ("30 % loss", |_| losing(0.3)),
    ("60 ms gone every 600", |time| Conditions {
        cut: time.as_millis() % 600 < 60,
        ..Conditions::default()
    }),
    ("jitter 0–40 ms", |_| jittery(40)),
    ("jitter 0–100 ms", |_| jittery(100)),
];

fn losing(loss: f64) -> Conditions {
    Conditions {
        loss,
        ..Conditions::default()
    }
}

fn jittery(milliseconds: u64) -> Conditions {
    Conditions {
        jitter: Duration::from_millis(milliseconds),
        ..Conditions::default()
    }
}

/// Both committed voices in turn, `seconds` long.
pub(crate) fn speech(seconds: usize) -> Vec<f32> {
    let voice = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../testing/speech")
            .join(name);
        read_wav(path).expect("the speech is in the repository")
    };
    let both = [voice("a.wav"), voice("b.wav")].concat();
    both.iter()
        .copied()
        .cycle()
        .take(seconds * 48_000)
        .collect()
}

/// Sends `sent` over a path whose conditions, both ways, are those that `weather` gives for the time since the start.
pub(crate) fn run(
    setup: &Setup,
    sent: Vec<f32>,
    weather: impl Fn(Duration) -> Conditions,
) -> Outcome {
    let start = virtual_start();
    let at = |us: f64| start + Duration::from_nanos((us * 1_000.0) as u64);
    let [mut talker, mut listener] =
        [setup.seed, !setup.seed].map(|seed| Leg::new(seed, weather(Duration::ZERO)));
    let mut encoder = VoiceEncoder::new().expect("opus");
    let ticks: Vec<Tick> = sent
        .chunks_exact(TICK_SAMPLES)
        .map(|tick| tick.try_into().expect("480 samples"))
        .collect();

    let mut outcome = Outcome {
        setup_phase: setup.phase,
        received: Vec::with_capacity(sent.len()),
        sent,
        playout_delays_ms: Vec::new(),
        history: Vec::new(),
        frame_sizes: Vec::new(),
        transits_ms: Vec::new(),
        lost: 0,
    };
    let sender_tick_us = TICK_US / (1.0 + setup.drift_ppm * 1e-6);
    let mut sender_ticks = 0_usize;
    let mut sent_at = Vec::new();
    let mut wobble = setup.seed;
    let mut playback = [0.0; TICK_SAMPLES];
    let (mut pace, mut tick_at) = (SpeakerPace::new(), start + setup.phase);
    while sender_ticks < ticks.len() {
        let sends_at = at((sender_ticks + 1) as f64 * sender_tick_us);
        wobble = wobble
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let late = setup
            .timer_jitter
            .mul_f64((wobble >> 40) as f64 / (1 << 24) as f64);
        let plays_at = tick_at + late;

        // Packets come first, then the microphone; the speaker's turn is up to its own clock.
        let next = sends_at.min(plays_at);
        while let Some((arrival, packet)) = talker.link.receive(next) {
            let index = (packet.sequence - FIRST_SEQUENCE) as usize;
            let transit: Duration = arrival - sent_at[index];
            outcome.transits_ms[index].get_or_insert(transit.as_secs_f64() * 1_000.0);
            listener.take(arrival, packet);
        }
        while let Some((arrival, packet)) = listener.link.receive(next) {
            talker.take(arrival, packet);
        }
        if sends_at <= plays_at {
            talker.link.set_conditions(weather(sends_at - start));
            if setup.adapts {
                talker.adapt(&mut encoder, sends_at, sender_ticks);
            }
            if let Some(frame) = encoder.push(&ticks[sender_ticks]).expect("encodes") {
                outcome.frame_sizes.push(talker.send(sends_at, frame));
                outcome.transits_ms.push(None);
                sent_at.push(sends_at);
            }
            sender_ticks += 1;
        } else {
            listener.receive.playback(tick_at, &mut playback);
            if setup.adapts {
                listener.link.set_conditions(weather(plays_at - start));
                listener.tick_muted(plays_at, outcome.history.len());
            }
            let earlier = pace.step(listener.receive.spare());
            tick_at += SpeakerPace::interval(earlier);
            outcome.received.extend(until_next(&playback, earlier));
            let statistics = listener.receive.statistics();
            if listener.receive.has_played() {
                outcome
                    .playout_delays_ms
                    .push(statistics.jitter_buffer.playout_delay_ms);
            }
            outcome.history.push(statistics);
        }
    }
    outcome.lost = talker.link.lost();
    outcome
}

/// What is heard of a tick until the next, which comes so many samples earlier.
fn until_next(tick: &Tick, earlier: i32) -> Vec<f32> {
    let samples = TICK_SAMPLES.saturating_add_signed(-earlier as isize);
    let step = (TICK_SAMPLES - 1) as f64 / (samples - 1) as f64;
    let sample = |i| {
        let place = f64::from(i) * step;
        let (before, part) = (place as usize, place.fract() as f32);
        let after = (before + 1).min(TICK_SAMPLES - 1);
        tick[before] * (1.0 - part) + tick[after] * part
    };
    (0..samples as u32).map(sample).collect()
}

fn quantile(values: &[f32], share: f64) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

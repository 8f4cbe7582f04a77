//! A group call on virtual time: one encoder and one mixer for each member, and a path of its own from each to each.

use std::time::Duration;

use securecall_media::{
    Effort, Mixer, NetworkAdaptation, ReceivePipeline, SendPipeline, TICK_SAMPLES, Tick,
    VoiceEncoder, VoiceWish, Volume, shared_size,
};
use securecall_netem::{Conditions, Link, virtual_start};
use securecall_quality::Comparison;
use web_time::Instant;

use crate::simulated_call::Envelope;

const TICK: Duration = Duration::from_millis(10);
/// When within 10 ms the ticks of each come: nobody ticks with anybody else.
const PHASES_US: [u64; 3] = [0, 3_700, 6_200];
const EPOCH_TICKS: usize = 1_000;
/// SRTP, UDP and IP around a sealed frame.
const OVERHEAD: usize = 54;

type Packet = (u64, u64, Vec<u8>);

pub(crate) struct Member {
    phase: Duration,
    encoder: VoiceEncoder,
    mixer: Mixer,
    legs: Vec<Leg>,
    pub(crate) said: Vec<f32>,
    /// The mix.
    pub(crate) heard: Vec<f32>,
}

/// What a member has of another one.
struct Leg {
    to: usize,
    send: SendPipeline<Envelope>,
    receive: ReceivePipeline<Envelope>,
    adaptation: NetworkAdaptation,
    volume: Volume,
    link: Link<Packet>,
    sequence: u64,
    /// All that was heard of the other one.
    heard: Vec<f32>,
}

impl Leg {
    fn new(seed: u64, to: usize, conditions: Conditions) -> Self {
        Self {
            to,
            send: SendPipeline::new(Envelope::default()),
            receive: ReceivePipeline::new(Envelope::default()).expect("opus"),
            adaptation: NetworkAdaptation::new(),
            volume: Volume::new(),
            link: Link::new(seed, conditions),
            sequence: 0,
            heard: Vec::new(),
        }
    }

    fn take(&mut self, at: Instant, (sequence, media_time, mut frame): Packet) {
        let media_time = media_time as u32;
        let taken = self
            .receive
            .handle_frame(at, sequence, media_time, &mut frame);
        taken.expect("the envelope opens");
        if let Some(report) = self.receive.peer_report() {
            self.adaptation.handle_report(at, report);
        }
    }
}

impl Member {
    /// All that was heard of another one.
    pub(crate) fn heard_of(&self, other: usize) -> &[f32] {
        let leg = self.legs.iter().find(|leg| leg.to == other);
        leg.map_or(&[], |leg| &leg.heard)
    }

    /// What a member said against what is in the mix of this one, and the median time that it took from mouth to ear, in milliseconds.
    pub(crate) fn hears(&self, other: &Self) -> (Comparison, f64) {
        let comparison = Comparison::of(&other.said, &self.heard).expect("speech was received");
        // What a microphone gives at a tick was said in the 10 ms before.
        let phases = (TICK + self.phase).as_secs_f64() - other.phase.as_secs_f64();
        let mouth_to_ear_ms = comparison.median_delay_ms + phases * 1_000.0;
        (comparison, mouth_to_ear_ms)
    }

    fn tick(&mut self, now: Instant, number: usize) {
        let ceiling = shared_size(self.legs.iter().map(|leg| leg.adaptation.next_size()));
        let mut heard = [0.0; TICK_SAMPLES];
        for leg in &mut self.legs {
            // Each begins an epoch at a time of its own.
            if number > 0 && (number + 137 * leg.to).is_multiple_of(EPOCH_TICKS) {
                leg.send.sealer_mut().next_epoch();
                leg.adaptation.set_ceiling(ceiling);
                leg.send.begin_epoch(leg.adaptation.begin_epoch(now));
            }
            leg.receive.playback(now, &mut heard);
            leg.heard.extend_from_slice(&heard);
            self.mixer.add(&heard, &mut leg.volume);
        }
        self.mixer.mix(&mut heard);
        self.heard.extend_from_slice(&heard);

        let wishes = self.legs.iter().map(|leg| leg.adaptation.wish());
        let wish = wishes.reduce(VoiceWish::and).expect("somebody is there");
        let settings = wish.settings(Effort::Medium);
        self.encoder.configure(settings).expect("opus");
        let at = number * TICK_SAMPLES;
        let said: &Tick = self.said[at..at + TICK_SAMPLES]
            .try_into()
            .expect("480 samples");
        let Some(encoded) = self.encoder.push(said).expect("encodes") else {
            return;
        };
        for leg in &mut self.legs {
            leg.send.set_copy_distance(leg.adaptation.copy_distance());
            let frame = leg.send.seal(encoded, leg.receive.report());
            let frame = frame.expect("the envelope seals");
            let packet = (leg.sequence, frame.media_time, frame.bytes.to_vec());
            leg.link.send(now, frame.bytes.len() + OVERHEAD, packet);
            leg.sequence += 1;
        }
    }
}

/// A call of those who say this, up to three, over paths whose conditions are those that `weather` gives from one to another. The path
/// between two has the same misfortunes, whoever else is there.
pub(crate) fn group_call(
    seed: u64,
    voices: &[Vec<f32>],
    weather: impl Fn(usize, usize) -> Conditions,
) -> Vec<Member> {
    let people = 0..voices.len();
    let leg = |own, to| {
        let seed = seed.wrapping_mul(64) + (8 * own + to) as u64;
        Leg::new(seed, to, weather(own, to))
    };
    let mut members: Vec<Member> = people
        .clone()
        .map(|own| Member {
            phase: Duration::from_micros(PHASES_US[own]),
            encoder: VoiceEncoder::new().expect("opus"),
            mixer: Mixer::new(),
            legs: people
                .clone()
                .filter(|other| *other != own)
                .map(|other| leg(own, other))
                .collect(),
            said: voices[own].clone(),
            heard: Vec::new(),
        })
        .collect();
    let start = virtual_start();
    let samples = voices.iter().map(Vec::len).min().unwrap_or(0);
    for number in 0..samples / TICK_SAMPLES {
        for own in people.clone() {
            let now =
                start + TICK * u32::try_from(number).expect("not for days") + members[own].phase;
            for other in people.clone().filter(|other| *other != own) {
                let come = come_by(&mut members[other], own, now);
                let legs = &mut members[own].legs;
                let leg = legs.iter_mut().find(|leg| leg.to == other);
                let leg = leg.expect("each has one to each");
                come.into_iter()
                    .for_each(|(at, packet)| leg.take(at, packet));
            }
            members[own].tick(now, number);
        }
    }
    members
}

/// What of a member's has come to another one.
fn come_by(from: &mut Member, to: usize, now: Instant) -> Vec<(Instant, Packet)> {
    let leg = from.legs.iter_mut().find(|leg| leg.to == to);
    let leg = leg.expect("each has one to each");
    std::iter::from_fn(|| leg.link.receive(now)).collect()
}

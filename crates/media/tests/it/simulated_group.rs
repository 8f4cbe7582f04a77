//! A group call on virtual time: one encoder and one mixer for each member, and a path of its own from each to each.

use std::time::Duration;

use securecall_media::{
    Effort, Mixer, TICK_SAMPLES, Tick, VoiceEncoder, VoiceWish, Volume, shared_size,
};
use securecall_netem::{Conditions, virtual_start};
use securecall_quality::Comparison;
use web_time::Instant;

use crate::simulated_leg::{EPOCH_TICKS, Leg, Packet};

const TICK: Duration = Duration::from_millis(10);
/// When within 10 ms the ticks of each come: nobody ticks with anybody else.
const PHASES_US: [u64; 3] = [0, 3_700, 6_200];

pub(crate) struct Member {
    phase: Duration,
    encoder: VoiceEncoder,
    mixer: Mixer,
    peers: Vec<Peer>,
    pub(crate) said: Vec<f32>,
    /// The mix.
    pub(crate) heard: Vec<f32>,
}

/// What a member has of another one.
struct Peer {
    number: usize,
    leg: Leg,
    volume: Volume,
    /// All that was heard of the other one.
    heard: Vec<f32>,
}

impl Member {
    /// All that was heard of another one.
    pub(crate) fn heard_of(&self, other: usize) -> &[f32] {
        let peer = self.peers.iter().find(|peer| peer.number == other);
        peer.map_or(&[], |peer| &peer.heard)
    }

    /// What a member said against what is in the mix of this one, and the median time that it took from mouth to ear, in milliseconds.
    pub(crate) fn hears(&self, other: &Self) -> (Comparison, f64) {
        let comparison = Comparison::of(&other.said, &self.heard).expect("speech was received");
        // What a microphone gives at a tick was said in the 10 ms before.
        let phases = (TICK + self.phase).as_secs_f64() - other.phase.as_secs_f64();
        let mouth_to_ear_ms = comparison.median_delay_ms + phases * 1_000.0;
        (comparison, mouth_to_ear_ms)
    }

    fn leg_to(&mut self, other: usize) -> &mut Leg {
        let peer = self.peers.iter_mut().find(|peer| peer.number == other);
        &mut peer.expect("each has one to each").leg
    }

    fn tick(&mut self, now: Instant, number: usize) {
        let ceiling = shared_size(self.peers.iter().map(|peer| peer.leg.next_size()));
        let mut heard = [0.0; TICK_SAMPLES];
        for peer in &mut self.peers {
            // Each begins an epoch at a time of its own.
            if number > 0 && (number + 137 * peer.number).is_multiple_of(EPOCH_TICKS) {
                peer.leg.begin_epoch(now, ceiling);
            }
            peer.leg.receive.playback(now, &mut heard);
            peer.heard.extend_from_slice(&heard);
            self.mixer.add(&heard, &mut peer.volume);
        }
        self.mixer.mix(&mut heard);
        self.heard.extend_from_slice(&heard);

        let wishes = self.peers.iter().map(|peer| peer.leg.wish());
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
        for peer in &mut self.peers {
            peer.leg.send(now, encoded);
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
    let peer = |own, number| {
        let seed = seed.wrapping_mul(64) + (8 * own + number) as u64;
        Peer {
            number,
            leg: Leg::new(seed, weather(own, number)),
            volume: Volume::new(),
            heard: Vec::new(),
        }
    };
    let mut members: Vec<Member> = people
        .clone()
        .map(|own| Member {
            phase: Duration::from_micros(PHASES_US[own]),
            encoder: VoiceEncoder::new().expect("opus"),
            mixer: Mixer::new(),
            peers: people
                .clone()
                .filter(|other| *other != own)
                .map(|other| peer(own, other))
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
                let leg = members[own].leg_to(other);
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
    let leg = from.leg_to(to);
    std::iter::from_fn(|| leg.link.receive(now)).collect()
}

//! Members whose voices are joined as the task of a conversation joins them, each with each, over paths of their own.

use std::collections::VecDeque;
use std::time::Duration;

use securecall_crypto::{Direction, Epoch, MediaSeed};
use securecall_media::{
    Effort, Mixer, ReceivedFrame, TICK_SAMPLES, Tick, VoiceEncoder, VoiceWish, Volume, shared_size,
};
use securecall_session::EpochSeeds;
use web_time::Instant;

use crate::peer_connection::voice::{SendEpoch, Voice};

const MS: Duration = Duration::from_millis(1);
/// Each leg begins an epoch so often, at a time of its own.
const EPOCH_MS: usize = 10_000;
/// Around a sealed frame on the wire.
const OVERHEAD: usize = 54;

/// What the members say.
#[derive(Clone, Copy)]
pub(super) enum Script {
    /// Each a tone of its own.
    Tones,
    Silence,
    /// Tones, and they mute and unmute.
    MuteNowAndThen,
}

impl Script {
    pub(super) fn hertz(member: usize) -> f32 {
        300.0 + 110.0 * member as f32
    }

    fn tick(self, member: usize, tick: usize) -> Tick {
        if matches!(self, Self::Silence) {
            return [0.0; TICK_SAMPLES];
        }
        std::array::from_fn(|i| {
            let sample = (tick * TICK_SAMPLES + i) as f64;
            let turns = f64::from(Self::hertz(member)) * sample / 48_000.0;
            0.1 * (std::f32::consts::TAU * turns.fract() as f32).sin()
        })
    }

    fn is_muted(self, member: usize, tick: usize) -> bool {
        matches!(self, Self::MuteNowAndThen) && (tick + 70 * member) % 300 > 200
    }
}

/// One direction of a path.
pub(super) struct Path {
    pub(super) loss_percent: u64,
    pub(super) bytes_per_second: Option<usize>,
    luck: u64,
    free_at: Option<Instant>,
    in_flight: VecDeque<(Instant, ReceivedFrame)>,
}

impl Path {
    fn send(&mut self, now: Instant, frame: ReceivedFrame) {
        self.luck = self
            .luck
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if (self.luck >> 33) % 100 < self.loss_percent {
            return;
        }
        let mut through = now;
        if let Some(rate) = self.bytes_per_second {
            let bytes = (frame.payload.len() + OVERHEAD) as u32;
            through =
                self.free_at.unwrap_or(now).max(now) + Duration::from_secs(1) * bytes / rate as u32;
            if through > now + 300 * MS {
                return;
            }
            self.free_at = Some(through);
        }
        self.in_flight.push_back((through + 20 * MS, frame));
    }

    fn take(&mut self, now: Instant) -> Option<ReceivedFrame> {
        let is_due = self.in_flight.front().is_some_and(|(at, _)| *at <= now);
        let next = is_due.then(|| self.in_flight.pop_front());
        next.flatten().map(|(_, frame)| frame)
    }
}

/// What a member has of another one.
pub(super) struct LegTo {
    pub(super) to: usize,
    pub(super) voice: Voice,
    path: Path,
    volume: Volume,
    sequence: u64,
    epoch: u16,
    /// The epoch and the size of each sealed frame.
    pub(super) sealed: Vec<(u16, usize)>,
    /// All that was heard of it.
    pub(super) heard: Vec<f32>,
}

pub(super) struct Member {
    encoder: VoiceEncoder,
    mixer: Mixer,
    pub(super) legs: Vec<LegTo>,
    /// The length of each encoded frame.
    pub(super) encoded: Vec<usize>,
    /// All that was heard.
    pub(super) heard: Vec<f32>,
}

pub(super) struct Group {
    now: Instant,
    ms: usize,
    script: Script,
    /// What is heard is decoded.
    has_ears: bool,
    pub(super) members: Vec<Member>,
}

fn seed(from: usize, to: usize, epoch: u16) -> MediaSeed {
    let mut bytes = [from as u8; 32];
    bytes[1] = to as u8;
    bytes[2..4].copy_from_slice(&epoch.to_be_bytes());
    MediaSeed::from_bytes(bytes)
}

fn leg(from: usize, to: usize) -> LegTo {
    let first = |from, to| EpochSeeds {
        first: seed(from, to, 0),
        later: Vec::new(),
    };
    let direction = if from < to {
        Direction::CallerToCallee
    } else {
        Direction::CalleeToCaller
    };
    LegTo {
        to,
        voice: Voice::new(direction, first(from, to), first(to, from)).unwrap(),
        path: Path {
            loss_percent: 0,
            bytes_per_second: None,
            luck: 1,
            free_at: None,
            in_flight: VecDeque::new(),
        },
        volume: Volume::new(),
        sequence: 0,
        epoch: 0,
        sealed: Vec::new(),
        heard: Vec::new(),
    }
}

impl Group {
    pub(super) fn of(people: usize, script: Script) -> Self {
        let member = |own| Member {
            encoder: VoiceEncoder::new().unwrap(),
            mixer: Mixer::new(),
            legs: (0..people)
                .filter(|other| *other != own)
                .map(|other| leg(own, other))
                .collect(),
            encoded: Vec::new(),
            heard: Vec::new(),
        };
        Self {
            now: crate::clock::now(),
            ms: 0,
            script,
            has_ears: true,
            members: (0..people).map(member).collect(),
        }
    }

    /// Nothing is decoded: for what the network sees.
    pub(super) fn without_ears(mut self) -> Self {
        self.has_ears = false;
        self
    }

    fn leg(&mut self, from: usize, to: usize) -> Option<&mut LegTo> {
        let legs = &mut self.members[from].legs;
        legs.iter_mut().find(|leg| leg.to == to)
    }

    pub(super) fn path(&mut self, from: usize, to: usize) -> &mut Path {
        &mut self.leg(from, to).unwrap().path
    }

    /// One of them leaves.
    pub(super) fn leaves(&mut self, who: usize) {
        self.members[who].legs.clear();
        for member in &mut self.members {
            member.legs.retain(|leg| leg.to != who);
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            for from in 0..self.members.len() {
                for to in 0..self.members.len() {
                    self.deliver(from, to);
                    self.begin_epoch(from, to);
                }
                // Nobody ticks with anybody else.
                if self.ms % 10 == from % 10 {
                    self.tick(from);
                }
            }
            self.ms += 1;
            self.now += MS;
        }
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let now = self.now;
        while let Some(mut frame) = self.leg(from, to).and_then(|leg| leg.path.take(now)) {
            let leg = self.leg(to, from).unwrap();
            leg.voice.handle_frame(now, &mut frame).unwrap();
        }
    }

    fn begin_epoch(&mut self, from: usize, to: usize) {
        let offset = 997 * (from * 8 + to) % EPOCH_MS;
        if self.ms < EPOCH_MS / 2 || !(self.ms + offset).is_multiple_of(EPOCH_MS) {
            return;
        }
        let now = self.now;
        let legs = self.members[from].legs.iter();
        let ceiling = shared_size(legs.map(|leg| leg.voice.next_size()));
        let Some(leg) = self.leg(from, to) else {
            return;
        };
        leg.epoch += 1;
        let number = leg.epoch;
        let epoch = Epoch::new(number).unwrap();
        leg.voice.use_send_epoch(
            now,
            SendEpoch {
                epoch,
                seed: seed(from, to, number),
                ceiling,
            },
        );
        let other = self.leg(to, from).unwrap();
        other.voice.add_receive_epoch(epoch, seed(from, to, number));
    }

    fn tick(&mut self, own: usize) {
        let (now, number) = (self.now, self.ms / 10);
        let member = &mut self.members[own];
        if self.has_ears {
            let mut heard = [0.0; TICK_SAMPLES];
            for leg in &mut member.legs {
                leg.voice.playback(now, &mut heard);
                leg.heard.extend(heard);
                member.mixer.add(&heard, &mut leg.volume);
            }
            member.mixer.mix(&mut heard);
            member.heard.extend(heard);
        }
        let wishes = member.legs.iter().map(|leg| leg.voice.wish());
        let Some(wish) = wishes.reduce(VoiceWish::and) else {
            return;
        };
        let encoder = &mut member.encoder;
        encoder.configure(wish.settings(Effort::Low)).unwrap();
        encoder.set_muted(self.script.is_muted(own, number));
        let said = self.script.tick(own, number);
        let Some(encoded) = encoder.push(&said).unwrap() else {
            return;
        };
        member.encoded.push(encoded.payload.len());
        for leg in &mut member.legs {
            let frame = leg.voice.seal(encoded).unwrap();
            leg.sealed.push((leg.epoch, frame.bytes.len()));
            let frame = ReceivedFrame {
                sequence: leg.sequence,
                media_time: frame.media_time,
                payload: frame.bytes.to_vec(),
            };
            leg.sequence += 1;
            leg.path.send(now, frame);
        }
    }
}

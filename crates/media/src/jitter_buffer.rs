//! The jitter buffer: packets in as the network gives them, 10 ms of audio out whenever asked.
//!
//! # How it thinks
//!
//! Frame `i` of the peer was made at `i · 20 ms`. The fastest packets of the last 10 s set the *base*: the moment at which frame `i` could be here at best is
//! `base + i · 20 ms`. Everything is measured against it:
//!
//! ```text
//!            base + i·20 ms            now                 plays
//! ──────────────────┼───────────────────┼────────────────────┼──────▶ time
//!                   │      cushion      │  decoded, waiting  │
//!                   │◀──────────────── delay ──────────────▶│
//! ```
//!
//! The *cushion* is how late a packet may be and still make its turn. It should be as large as the slowest packets but a few need
//! (`arrival`), and with losses by one frame more, because a lost frame comes back out of the next packet (Opus in-band FEC). Playback is stretched by single
//! pitch periods (`time_stretch`) until that is so; not to whole frames, hence no frame's worth of delay is wasted.
//!
//! When a frame is missing at its turn: it is recovered from the next packet; or, if that is not there either, 10 ms are made up at a time (`held` counts them),
//! until the frame or a later one comes. Made-up time counts as the missing frame's if the delay is large enough already, else it becomes delay.

mod arrival;
mod packet_store;
mod statistics;
#[cfg(test)]
mod tests;
mod time_stretch;
mod voice;

use std::time::Duration;

use web_time::Instant;

pub use self::statistics::JitterStatistics;
use self::{arrival::ArrivalStatistics, packet_store::PacketStore, voice::Voice};
use crate::{
    audio::{FRAME_SAMPLES, TICK_SAMPLES, Tick},
    opus_codec::CodecError,
};

const FRAME_US: i64 = 20_000;
const TICK_US: i64 = 10_000;
/// Cushion beyond what the arrivals call for: both ends' timers.
const MARGIN_US: i64 = 4_000;
/// No network gets more cushion than this: beyond it, a gap hurts a conversation less than the delay.
const MAX_CUSHION_US: i64 = 400_000;
/// How far the cushion may fall short before audio is stretched.
const HYSTERESIS_US: i64 = 2_000;
/// A cushion that is off by more than this is mended at every frame, and with less good seams.
const URGENT_US: i64 = 30_000;
/// A cushion that is too large by more than this is not worth stretching for: frames are passed over.
const SKIP_US: i64 = 250_000;
/// Shares of missing frames at which the cushion begins and ceases to include the next packet.
const FEC_ON: f32 = 0.015;
const FEC_OFF: f32 = 0.004;
/// Weight of one frame in the share of missing frames.
const LOSS_WEIGHT: f32 = 1.0 / 250.0;
/// Made-up audio fades from here …
const FADE_FROM: usize = 6 * TICK_SAMPLES;
/// … to here; there the buffer starts anew with what comes.
const FADE_TO: usize = 16 * TICK_SAMPLES;
/// A packet this far (20 s) from the newest is another stream or an attack; three in order are believed.
const MAX_JUMP: i64 = 1_000;
const BELIEVED_AFTER: u8 = 3;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It waits for its turn.
    Kept,
    /// Its turn is over.
    Late,
    /// It was here already.
    Duplicate,
    /// It is not 20 ms of Opus, or its number cannot be.
    Refused,
}

/// Where the stream's numbers begin.
#[derive(Debug, Clone, Copy)]
struct Origin {
    newest_sequence: u64,
    newest: i64,
    /// RTP time minus 960 × sequence: it changes only when the sender's timeline does.
    rtp_offset: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Silent until enough has come to start, or to start again.
    Idle,
    Playing,
}

/// See the [module](self).
#[derive(Debug)]
pub struct JitterBuffer {
    voice: Voice,
    epoch: Option<Instant>,
    origin: Option<Origin>,
    jump: Option<(u64, u8)>,
    store: PacketStore,
    arrivals: ArrivalStatistics,
    state: State,
    /// The frame whose turn is next.
    next: i64,
    /// Decoded and not yet played.
    pending: Vec<f32>,
    /// Samples made up while waiting for `next`.
    held: usize,
    /// Samples since the last of the peer's own.
    gap: usize,
    last_sample: f32,
    /// Smoothed, in microseconds.
    delay: Option<f64>,
    fec_wanted: bool,
    frames_since_stretch: u32,
    frame: [f32; FRAME_SAMPLES],
    figures: JitterStatistics,
}

impl JitterBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            voice: Voice::new()?,
            epoch: None,
            origin: None,
            jump: None,
            store: PacketStore::new(),
            arrivals: ArrivalStatistics::new(),
            state: State::Idle,
            next: 0,
            pending: Vec::with_capacity(4 * FRAME_SAMPLES),
            held: 0,
            gap: 0,
            last_sample: 0.0,
            delay: None,
            fec_wanted: false,
            frames_since_stretch: 0,
            frame: [0.0; FRAME_SAMPLES],
            figures: JitterStatistics::default(),
        })
    }

    /// Takes a packet: its sequence number extended to 64 bits, its RTP time, and 20 ms of Opus or a muted frame.
    pub fn insert(
        &mut self,
        now: Instant,
        sequence: u64,
        rtp_time: u32,
        payload: &[u8],
    ) -> Insertion {
        if !Voice::is_frame(payload) {
            self.figures.frames_malformed += 1;
            return Insertion::Refused;
        }
        // After the form: numbers of what is no frame must not move the stream.
        let Some(index) = self.place(sequence, rtp_time) else {
            self.figures.frames_malformed += 1;
            return Insertion::Refused;
        };
        if self.store.has_seen(index) {
            self.figures.frames_duplicate += 1;
            return Insertion::Duplicate;
        }

        // Late ones count as well: how late they come is what the cushion is made for.
        let arrival = self.microseconds(now);
        let base = self.arrivals.base();
        self.arrivals.record(arrival, index * FRAME_US);
        // The delay is measured from the base. Where that moves, the number changes and what is
        // heard does not.
        self.shift_delay(base - self.arrivals.base());
        if index < self.next {
            self.store.mark_seen(index);
            self.figures.frames_late += 1;
            return Insertion::Late;
        }
        // The newest is worth more than what is overdue by a whole store.
        if index - self.next >= packet_store::SPAN {
            self.pass_over(index - packet_store::SPAN + 1);
        }
        self.store.insert(index, payload);
        Insertion::Kept
    }

    /// Gives the 10 ms to be heard from `now` on. To be called every 10 ms.
    pub fn playback(&mut self, now: Instant, tick: &mut Tick) {
        let now = self.microseconds(now);
        while self.pending.len() < TICK_SAMPLES {
            self.refill(now);
        }
        tick.copy_from_slice(&self.pending[..TICK_SAMPLES]);
        self.pending.drain(..TICK_SAMPLES);
    }

    /// Whether any sample of the peer has been played.
    pub fn has_played(&self) -> bool {
        self.figures.frames_decoded > 0
    }

    /// Figures since the start.
    pub fn statistics(&self) -> JitterStatistics {
        JitterStatistics {
            playout_delay_ms: (self.delay.unwrap_or(0.0).max(0.0) / 1_000.0) as f32,
            target_delay_ms: self.target() as f32 / 1_000.0,
            jitter_ms: (self.arrivals.jitter_us() / 1_000.0) as f32,
            ..self.figures
        }
    }

    /// Packets that have come and not been played.
    pub fn waiting(&self) -> usize {
        self.store.len()
    }

    // ── where a packet belongs ──

    /// The frame index of a sequence number, or nothing for one that cannot be.
    fn place(&mut self, sequence: u64, rtp_time: u32) -> Option<i64> {
        let rtp_offset =
            rtp_time.wrapping_sub((sequence as u32).wrapping_mul(FRAME_SAMPLES as u32));
        let Some(origin) = &mut self.origin else {
            self.restart(sequence, rtp_offset);
            return Some(0);
        };
        let distance = sequence.wrapping_sub(origin.newest_sequence) as i64;
        if !(-MAX_JUMP..=MAX_JUMP).contains(&distance) {
            let in_order = match self.jump {
                Some((expected, count)) if expected == sequence => count + 1,
                _ => 1,
            };
            self.jump = Some((sequence.wrapping_add(1), in_order));
            if in_order < BELIEVED_AFTER {
                return None;
            }
            self.restart(sequence, rtp_offset);
            return Some(0);
        }
        self.jump = None;
        let index = origin.newest + distance;
        if origin.rtp_offset != rtp_offset {
            origin.rtp_offset = rtp_offset;
            self.arrivals.reset();
            self.delay = None;
        }
        // What was overtaken must not take the count back with it.
        if distance > 0 {
            origin.newest = index;
            origin.newest_sequence = sequence;
        }
        Some(index)
    }

    /// Begins a new stream at frame 0.
    fn restart(&mut self, sequence: u64, rtp_offset: u32) {
        self.origin = Some(Origin {
            newest_sequence: sequence,
            newest: 0,
            rtp_offset,
        });
        self.jump = None;
        self.store.clear();
        self.arrivals.reset();
        self.go_idle();
        // The first to come need not be the first that was sent.
        self.next = -packet_store::SPAN / 2;
    }

    fn go_idle(&mut self) {
        self.state = State::Idle;
        self.held = 0;
        self.delay = None;
    }

    /// Makes `next` the next frame, whatever was to come before.
    fn pass_over(&mut self, next: i64) {
        let released = self.store.release_before(next);
        if self.state == State::Playing {
            self.figures.frames_skipped += released;
        }
        self.next = next;
        self.held = 0;
        self.delay = None;
    }

    // ── delay ──

    /// The cushion that arrivals and losses call for.
    fn target(&self) -> i64 {
        let for_fec = if self.fec_wanted { FRAME_US } else { 0 };
        (self.arrivals.spread() + MARGIN_US + for_fec).min(MAX_CUSHION_US)
    }

    /// By how much a packet of frame `next` may be late if its turn is now.
    fn cushion(&self, now: i64) -> i64 {
        now.saturating_sub(self.arrivals.base())
            .saturating_sub(self.next * FRAME_US)
    }

    /// The cushion, without the wobble of the caller's timer.
    fn smooth_cushion(&mut self, now: i64) -> i64 {
        let waiting = samples_to_us(self.pending.len());
        let measured = (self.cushion(now) + waiting) as f64;
        let delay = match self.delay {
            Some(delay) => delay + (measured - delay) / 8.0,
            None => measured,
        };
        self.delay = Some(delay);
        delay as i64 - waiting
    }

    fn shift_delay(&mut self, microseconds: i64) {
        if let Some(delay) = &mut self.delay {
            *delay += microseconds as f64;
        }
    }

    fn count_turn(&mut self, missing: bool) {
        self.figures.frames_expected += 1;
        let loss = &mut self.figures.loss;
        *loss += (if missing { 1.0 } else { 0.0 } - *loss) * LOSS_WEIGHT;
        self.fec_wanted = *loss > if self.fec_wanted { FEC_OFF } else { FEC_ON };
    }

    // ── playback ──

    /// Puts at least one sample to `pending`.
    fn refill(&mut self, now: i64) {
        if self.state == State::Idle && !self.start(now) {
            self.pending
                .resize(TICK_SAMPLES.max(self.pending.len() + 1), 0.0);
            self.lengthen_gap();
            return;
        }

        // Before the frame is looked for: which one is next follows from how late we are.
        let cushion = self.smooth_cushion(now);
        let target = self.target();
        if let Some(last) = self.store.last()
            && cushion - target > SKIP_US
            && last > self.next
        {
            let next = last.min(self.next + (cushion - target) / FRAME_US);
            self.pass_over(next);
        }

        if self.store.peek(self.next).is_some() {
            self.play_next();
        } else if let Some(first) = self.store.first() {
            self.bridge(first, cushion, target);
        } else {
            self.conceal();
        }
    }

    /// Starts playing if what is here has waited long enough.
    fn start(&mut self, now: i64) -> bool {
        let (Some(first), Some(last)) = (self.store.first(), self.store.last()) else {
            return false;
        };
        let due = now
            .saturating_sub(self.arrivals.base())
            .saturating_sub(self.target())
            .div_euclid(FRAME_US);
        if due < first {
            return false;
        }
        let Some(next) = self.store.first_from(due.min(last)) else {
            return false;
        };
        self.pass_over(next);
        self.state = State::Playing;
        true
    }

    /// The frame whose turn it is is here.
    fn play_next(&mut self) {
        let decoded = match self.store.peek(self.next) {
            Some(payload) => self.voice.decode(payload, &mut self.frame).is_ok(),
            None => false,
        };
        self.store.release(self.next);
        if !decoded {
            self.figures.frames_malformed += 1;
            self.take_turn(true);
            self.conceal_frame();
            return;
        }
        // Audio that is late rather than lost is played in full: what was made up meanwhile has become delay.
        self.held = 0;
        self.figures.frames_decoded += 1;
        self.take_turn(false);
        self.append_frame(0);
    }

    /// The frame whose turn it is is not here, but a later one is.
    fn bridge(&mut self, first: i64, cushion: i64, target: i64) {
        if self.held >= FRAME_SAMPLES && cushion > target {
            // Its time has been made up already.
            self.held -= FRAME_SAMPLES;
            self.figures.frames_lost += 1;
            self.take_turn(true);
            self.shift_delay(-FRAME_US);
            return;
        }
        let held_us = samples_to_us(self.held.min(TICK_SAMPLES));
        let recovered = first == self.next + 1
            && self
                .store
                .peek(first)
                .is_some_and(|payload| self.voice.recover(payload, 1, &mut self.frame));
        if !recovered {
            self.conceal();
            return;
        }
        // Enough cushion: what was made up while we waited takes the place of that much of the
        // frame. Otherwise the frame is played whole, and the wait has become delay.
        let made_up = if cushion - held_us >= target {
            self.held.min(TICK_SAMPLES)
        } else {
            0
        };
        self.shift_delay(-samples_to_us(made_up));
        self.held = 0;
        self.figures.frames_recovered += 1;
        self.take_turn(true);
        self.append_frame(made_up);
    }

    fn take_turn(&mut self, missing: bool) {
        self.next += 1;
        self.count_turn(missing);
    }

    /// Puts `frame` without its first samples to the pending ones, and stretches.
    fn append_frame(&mut self, without: usize) {
        let start = self.pending.len();
        self.pending.extend_from_slice(&self.frame[without..]);
        // Silence of a muted peer may follow made-up audio, which did not fade by itself.
        if without > 0 || self.gap > FADE_FROM || self.voice.is_muted() {
            smooth_seam(&mut self.pending[start..], self.last_sample);
        }
        self.gap = 0;
        self.last_sample = self.frame[FRAME_SAMPLES - 1];
        self.stretch(start);
    }

    /// Cuts out or repeats a period where that brings the cushion nearer to its target. `residue`: samples that were pending before this frame.
    fn stretch(&mut self, residue: usize) {
        self.frames_since_stretch += 1;
        let Some(delay) = self.delay else { return };
        let cushion = delay as i64 - samples_to_us(residue);
        let target = self.target();
        let surplus = cushion - target;
        let urgent = surplus.abs() > URGENT_US;
        if self.frames_since_stretch < if urgent { 1 } else { 3 } {
            return;
        }
        let least_correlation = if urgent { 0.6 } else { 0.85 };

        if surplus < -HYSTERESIS_US {
            if let Some(lag) =
                time_stretch::find_lag(&self.pending, time_stretch::MAX_LAG, least_correlation)
            {
                time_stretch::expand(&mut self.pending, lag);
                self.note_stretch(lag, samples_to_us(lag));
            }
            return;
        }
        // Whole ticks of cushion can go, and what waits decoded beyond whole ticks.
        let ticks = ((surplus - HYSTERESIS_US / 2) / TICK_US).clamp(0, 10);
        let longest = residue + ticks as usize * TICK_SAMPLES;
        if let Some(lag) = time_stretch::find_lag(&self.pending, longest, least_correlation) {
            time_stretch::accelerate(&mut self.pending, lag);
            self.note_stretch(lag, -samples_to_us(lag));
        }
    }

    fn note_stretch(&mut self, lag: usize, delay_change: i64) {
        self.frames_since_stretch = 0;
        self.shift_delay(delay_change);
        self.figures.stretched_ms += lag as f64 / 48.0;
    }

    /// Makes up 10 ms and stays at the frame whose turn it is.
    fn conceal(&mut self) {
        if self.gap >= FADE_TO {
            self.go_idle();
            return;
        }
        self.make_up_tick();
        self.held += TICK_SAMPLES;
        self.shift_delay(TICK_US);
    }

    /// Makes up a whole frame.
    fn conceal_frame(&mut self) {
        self.figures.frames_lost += 1;
        self.make_up_tick();
        self.make_up_tick();
    }

    fn make_up_tick(&mut self) {
        let mut tick = self.voice.conceal();
        for (i, sample) in tick.iter_mut().enumerate() {
            let beyond =
                (self.gap + i).saturating_sub(FADE_FROM) as f32 / (FADE_TO - FADE_FROM) as f32;
            *sample *= (1.0 - beyond).max(0.0);
        }
        self.last_sample = tick[TICK_SAMPLES - 1];
        self.pending.extend_from_slice(&tick);
        self.figures.concealed_ms += 10.0;
        self.lengthen_gap();
    }

    fn lengthen_gap(&mut self) {
        self.gap = self.gap.saturating_add(TICK_SAMPLES);
        if self.figures.frames_decoded > 0 {
            self.figures.longest_gap_ms = self.figures.longest_gap_ms.max(self.gap as f32 / 48.0);
        }
    }

    fn microseconds(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        i64::try_from(
            now.saturating_duration_since(epoch)
                .min(Duration::from_secs(1 << 40))
                .as_micros(),
        )
        .unwrap_or(i64::MAX)
    }

    /// Takes a copy of an older frame that came in a later packet. It fills a hole, and counts neither for the arrival statistics
    /// nor as late or duplicate.
    pub fn insert_copy(
        &mut self,
        _now: Instant,
        sequence: u64,
        rtp_time: u32,
        payload: &[u8],
    ) -> Insertion {
        let Some(origin) = self.origin.filter(|_| Voice::is_frame(payload)) else {
            return Insertion::Refused;
        };
        let rtp_offset =
            rtp_time.wrapping_sub((sequence as u32).wrapping_mul(FRAME_SAMPLES as u32));
        let distance = sequence.wrapping_sub(origin.newest_sequence) as i64;
        if rtp_offset != origin.rtp_offset || !(-MAX_JUMP..=0).contains(&distance) {
            return Insertion::Refused;
        }
        let index = origin.newest + distance;
        if index < self.next {
            return Insertion::Late;
        }
        if self.store.has_seen(index) {
            return Insertion::Duplicate;
        }
        self.store.insert(index, payload);
        Insertion::Kept
    }
}

fn samples_to_us(samples: usize) -> i64 {
    samples as i64 * 1_000 / 48
}

/// Takes the step out of the beginning of `samples`, which follow `last`.
fn smooth_seam(samples: &mut [f32], last: f32) {
    const LENGTH: usize = 96;
    let Some(step) = samples.first().map(|first| last - first) else {
        return;
    };
    for (i, sample) in samples.iter_mut().take(LENGTH).enumerate() {
        *sample += step * (1.0 - i as f32 / LENGTH as f32);
    }
}

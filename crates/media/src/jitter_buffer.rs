//! The jitter buffer: packets in as the network gives them, 10 ms of audio out whenever asked.
//!
//! # How it thinks
//!
//! Frame `i` of the peer was made at `i · 20 ms`. The fastest packets of the last 10 s set the *base*: the moment at which frame
//! `i` could be here at best is `base + i · 20 ms`. Everything is measured against it:
//!
//! ```text
//!            base + i·20 ms            now                 plays
//! ──────────────────┼───────────────────┼────────────────────┼──────▶ time
//!                   │      cushion      │  decoded, waiting  │
//!                   │◀──────────────── delay ──────────────▶│
//! ```
//!
//! The *cushion* is how late a packet may be and still make its turn. It should be as large as the slowest packets but a few need
//! (`arrival`), and larger by as much as is worth it for what later packets restore (`losses`). Turns come with the ticks of the
//! speaker, 10 ms apart, so the cushion can only be one of a grid: the least of it that is large enough (`target`). Playback is
//! stretched by single pitch periods (`time_stretch`) until that is so, between words first and most. What the grid leaves over
//! (`spare`) goes as the speaker's ticks move (`speaker_pace`).
//!
//! When a frame is missing at its turn (`missing`), it is restored from the nearest later packet that has a copy, and so are
//! those after it, each at its turn. If there is none, 10 ms are made up at a time (`held` counts them), until the frame or a
//! later one comes. Made-up time counts as the missing frame's if the delay is large enough already, else it becomes delay. Where
//! what is missing mostly comes late, the last pitch period goes on (`continuation`) and the decoder stays where it was: the
//! frame is then played whole periods later, as if it had been stretched. Otherwise the decoder makes something up. After 60 ms
//! that fades to the noise behind the peer's voice (`background`).
//!
//! What is played (`output`) has seams where one thing does not go on from the other; there, the one's continuation fades into the other.

mod arrival;
mod background;
mod continuation;
mod losses;
mod missing;
mod numbering;
mod output;
mod packet_store;
mod playout;
mod statistics;
#[cfg(test)]
mod tests;
mod time_stretch;
mod timed;
mod voice;

use std::time::Duration;

use web_time::Instant;

use self::{
    arrival::ArrivalStatistics,
    losses::LossStatistics,
    numbering::{Numbering, Place},
    output::Output,
    packet_store::PacketStore,
    voice::Voice,
};
pub use self::{statistics::JitterStatistics, timed::TimedJitterBuffer};
use crate::{
    audio::{FRAME_SAMPLES, FRAME_US, TICK_SAMPLES, Tick},
    opus_codec::{CodecError, Effort},
};

const TICK_US: i64 = 10_000;
/// The share of frames that may be missing although they come, because they are late. It costs less than the delay that would spare
/// it.
const LATE: f64 = 0.005;
/// The share from which on audio is stretched until there is more delay. Between the two the delay stays: it comes with ticks anyway.
const TOO_LATE: f64 = 0.03;
/// No network gets more cushion than this: beyond it, a gap hurts a conversation less than the delay.
const MAX_CUSHION_US: i64 = 400_000;
/// Cushion beyond what the arrivals call for, for those to come.
const MARGIN_US: i64 = 1_000;
/// How far the cushion may fall short before audio is stretched.
const HYSTERESIS_US: i64 = 500;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but background, until enough has come to start, or to start again.
    Idle,
    Playing,
}

/// What the cushion should be, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Target {
    /// Below it, audio is stretched.
    least: i64,
    /// The least that is left when audio is cut.
    aim: i64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct JitterBuffer {
    voice: Voice,
    epoch: Option<Instant>,
    numbering: Numbering,
    store: PacketStore,
    arrivals: ArrivalStatistics,
    losses: LossStatistics,
    state: State,
    /// The frame whose turn is next.
    next: i64,
    output: Output,
    /// Samples made up while waiting for `next`.
    held: usize,
    /// How many of these the decoder knows nothing of.
    extrapolated: usize,
    /// How sure it is that what is missing is late rather than lost, 0 to 1.
    late_belief: f32,
    was_muted: bool,
    /// Smoothed, in microseconds.
    delay: Option<f64>,
    /// See [`JitterBuffer::spare`].
    spare: Option<i64>,
    frames_since_stretch: u32,
    frames_since_late: u32,
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
            numbering: Numbering::default(),
            store: PacketStore::new(),
            arrivals: ArrivalStatistics::new(),
            losses: LossStatistics::default(),
            state: State::Idle,
            next: 0,
            output: Output::new(),
            held: 0,
            extrapolated: 0,
            late_belief: 0.5,
            was_muted: false,
            delay: None,
            spare: None,
            frames_since_stretch: 0,
            frames_since_late: u32::MAX,
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
        // The form first: numbers of what is no frame must not move the stream.
        let place = Voice::is_frame(payload)
            .then(|| self.numbering.place(sequence, rtp_time))
            .flatten();
        let Some(place) = place else {
            self.figures.frames_malformed += 1;
            return Insertion::Refused;
        };
        let index = self.settle(place);
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
        let reach = self.voice.reaches_back(payload);
        if index < self.next {
            self.store.mark_seen(index, reach);
            self.figures.frames_late += 1;
            self.frames_since_late = 0;
            return Insertion::Late;
        }
        // The newest is worth more than what is overdue by a whole store.
        if index - self.next >= packet_store::SPAN {
            self.pass_over(index - packet_store::SPAN + 1);
        }
        self.store.insert(index, payload, reach);
        self.losses
            .judge(self.numbering.newest(), &self.store, &self.arrivals);
        Insertion::Kept
    }

    /// Takes a copy of an older frame that came in the newest packet: the frame's own sequence number and RTP time. It fills a hole;
    /// whether it does or not, it says nothing about how packets arrive or get lost.
    ///
    /// [`Insertion::Late`] is one whose frame has had its turn, [`Insertion::Duplicate`] one whose frame is here. To be called after
    /// [`insert`](Self::insert) of the packet that brought it.
    pub fn insert_copy(&mut self, sequence: u64, rtp_time: u32, payload: &[u8]) -> Insertion {
        let back = Voice::is_frame(payload)
            .then(|| self.numbering.frames_back(sequence, rtp_time))
            .flatten();
        let Some(back) = back else {
            return Insertion::Refused;
        };
        let index = self.numbering.newest() - back;
        if index < self.next {
            Insertion::Late
        } else if self.store.has_had(index) {
            Insertion::Duplicate
        } else {
            self.store.insert_copy(index, payload, back as usize);
            Insertion::Kept
        }
    }

    /// Changes how hard the decoder works.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.voice.set_effort(effort)
    }

    /// Gives the 10 ms to be heard from `now` on. To be called every 10 ms; `now` is when that was due, however late it is.
    pub fn playback(&mut self, now: Instant, tick: &mut Tick) {
        let now = self.microseconds(now);
        while self.output.waiting() < TICK_SAMPLES {
            self.refill(now);
        }
        self.output.take(tick);
    }

    /// How much earlier ticks could come, in microseconds, and the peer's frames would be here in time all the same; below 0, how
    /// much later they should. `None` where the last tick tells nothing of it.
    pub fn spare(&self) -> Option<i64> {
        self.spare
    }

    /// Whether any sample of the peer has been played.
    pub fn has_played(&self) -> bool {
        self.figures.frames_decoded + self.figures.frames_from_copies > 0
    }

    /// Figures since the start.
    pub fn statistics(&self) -> JitterStatistics {
        JitterStatistics {
            playout_delay_ms: (self.delay.unwrap_or(0.0).max(0.0) / 1_000.0) as f32,
            target_delay_ms: self.target().aim as f32 / 1_000.0,
            loss: self.losses.lost(),
            jitter_ms: (self.arrivals.jitter_us() / 1_000.0) as f32,
            ..self.figures
        }
    }

    /// Packets that have come and not been played.
    pub fn waiting(&self) -> usize {
        self.store.len()
    }

    /// Follows the stream to where a packet belongs; gives the index of its frame.
    fn settle(&mut self, place: Place) -> i64 {
        match place {
            Place::Frame(index) => index,
            Place::NewTimeline(index) => {
                self.arrivals.reset();
                self.delay = None;
                index
            }
            Place::NewStream => {
                self.store.clear();
                self.arrivals.reset();
                self.losses.restart();
                self.go_idle();
                // The first to come need not be the first that was sent.
                self.next = -packet_store::SPAN / 2;
                0
            }
        }
    }

    /// Makes `next` the next frame, whatever was to come before.
    fn pass_over(&mut self, next: i64) {
        let released = self.store.release_before(next);
        if self.state == State::Playing {
            self.figures.frames_skipped += released;
        }
        self.output.expect_seam();
        self.next = next;
        self.held = 0;
        self.extrapolated = 0;
        self.delay = None;
    }

    fn take_turn(&mut self) {
        self.next += 1;
        self.figures.frames_expected += 1;
    }

    // ── delay ──

    /// The cushion that arrivals and losses call for.
    fn target(&self) -> Target {
        let cushion = |late| {
            let wait = self.losses.awaited();
            (self.losses.cushion(&self.arrivals, late) + wait).min(MAX_CUSHION_US)
        };
        // What is waited for is longer than any of them is late.
        let for_slowest = match self.losses.awaited() {
            0 => self.arrivals.for_slowest(1.0 - LATE),
            _ => 0,
        };
        Target {
            least: cushion(TOO_LATE) - HYSTERESIS_US,
            aim: cushion(LATE) + for_slowest,
        }
    }

    /// By how much a packet of frame `next` may be late if its turn is now.
    fn cushion(&self, now: i64) -> i64 {
        now.saturating_sub(self.arrivals.base())
            .saturating_sub(self.next * FRAME_US)
    }

    /// The cushion, without the wobble of the caller's timer.
    fn smooth_cushion(&mut self, now: i64) -> i64 {
        let waiting = samples_to_us(self.output.waiting());
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

    fn microseconds(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        i64::try_from(
            now.saturating_duration_since(epoch)
                .min(Duration::from_secs(1 << 40))
                .as_micros(),
        )
        .unwrap_or(i64::MAX)
    }
}

fn samples_to_us(samples: usize) -> i64 {
    samples as i64 * 1_000 / 48
}

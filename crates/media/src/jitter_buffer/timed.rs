//! The jitter buffer for packets of any duration: what other WebRTC peers send.
//!
//! It thinks as the [other one](super) does, and shares with it how arrivals are judged and what is played. What differs is how
//! packets are placed. There, frame `i` is the one with the `i`-th sequence number. Here a packet has 10 to 120 ms of one of several
//! codecs, the next may have another duration, and in silence there may be none (DTX): so a packet's place is its RTP time, and its
//! sequence number says only whether what is missing before it got lost or was never sent.
//!
//! What is missing is one of three things:
//!
//! * *Not here yet*: 10 ms are made up at a time, and the turn stays where it is, so that the wait becomes delay.
//! * *Lost*: a later packet is here, and its number says that one is missing. The last packet before it is restored from the copy in
//!   it (FEC), if there is one; the rest is made up.
//! * *Silence*: an empty packet said that nothing follows, or the number says that nothing is missing. The noise behind the peer's
//!   voice goes on meanwhile, and no delay comes of it. In silence the delay is set right without anybody hearing it.

mod copies;
mod gaps;
mod packet_decoder;
mod placement;
mod queue;

use std::time::Duration;

use web_time::Instant;

use self::{
    copies::Copies,
    packet_decoder::PacketDecoder,
    placement::{Place, Placement},
    queue::{Queue, Waiting},
};
use super::{
    HYSTERESIS_US, Insertion, JitterStatistics, LATE, MARGIN_US, MAX_CUSHION_US, TICK_US, TOO_LATE,
    arrival::ArrivalStatistics, output::Output, samples_to_us,
};
use crate::{
    audio::{FRAME_SAMPLES, TICK_SAMPLES, Tick},
    opus_codec::{CodecError, Effort},
    reception::Reception,
    rtp_voice::{MAX_PACKET_SAMPLES, ReceivedPacket},
};

/// A cushion that is too large by more than this is not worth stretching for: packets are passed over.
const SKIP_US: i64 = 250_000;
/// A cushion that is off by more than this is mended at every packet, and with less good seams.
const URGENT_US: i64 = 30_000;
/// How alike a period and the next must be for one to go or come, and where there is hurry.
const ALIKE: f32 = 0.85;
const ALIKE_ENOUGH: f32 = 0.6;
/// Samples between two stretches of speech: 60 ms.
const REST: usize = 3 * FRAME_SAMPLES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but background, until enough has come to start, or to start again.
    Idle,
    Playing,
    /// The peer said that it sends nothing now.
    Silence,
}

/// A jitter buffer for packets of any duration, in some codec, placed by their RTP time; in silence there may be none.
#[derive(Debug)]
pub struct TimedJitterBuffer {
    decoder: PacketDecoder,
    epoch: Option<Instant>,
    placement: Placement,
    queue: Queue,
    arrivals: ArrivalStatistics,
    reception: Reception,
    state: State,
    /// The sample whose turn is next, on the timeline of [`Placement`].
    next: i64,
    /// The sequence number of the packet that was played last.
    played: Option<u64>,
    output: Output,
    /// Samples made up while waiting for `next`.
    held: usize,
    /// Smoothed, in microseconds.
    delay: Option<f64>,
    /// See [`JitterBuffer::spare`](super::JitterBuffer::spare).
    spare: Option<i64>,
    since_stretch: usize,
    copies: Copies,
    samples: Vec<f32>,
    /// The last packet held nothing but background.
    quiet: bool,
    figures: JitterStatistics,
}

impl TimedJitterBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: PacketDecoder::new()?,
            epoch: None,
            placement: Placement::default(),
            queue: Queue::default(),
            arrivals: ArrivalStatistics::new(),
            reception: Reception::new(),
            state: State::Idle,
            next: i64::MIN / 2,
            played: None,
            output: Output::new(),
            held: 0,
            delay: None,
            spare: None,
            since_stretch: 0,
            copies: Copies::default(),
            samples: Vec::with_capacity(MAX_PACKET_SAMPLES),
            quiet: false,
            figures: JitterStatistics::default(),
        })
    }

    /// Takes a packet.
    pub fn insert(&mut self, now: Instant, packet: &ReceivedPacket) -> Insertion {
        // The form first: numbers of what is no voice must not move the stream.
        let samples = packet.codec.samples(&packet.payload);
        let placed = samples.and_then(|samples| Some((samples, self.placement.place(packet)?)));
        let Some((samples, place)) = placed else {
            self.figures.frames_malformed += 1;
            return Insertion::Refused;
        };
        let start = match place {
            Place::At(start) => start,
            Place::NewTimeline(start) => {
                self.begin_timeline();
                start
            }
        };
        self.reception
            .handle_packet(now, packet.sequence, media_us(start));
        self.copies.note(packet, samples);

        // Late ones count as well: how late they come is what the cushion is made for.
        let arrival = self.microseconds(now);
        let base = self.arrivals.base();
        self.arrivals.record(arrival, media_us(start));
        // The delay is measured from the base. Where that moves, the number changes and what is heard does not.
        self.shift_delay(base - self.arrivals.base());

        if self.state == State::Silence && start < self.next && self.follows(packet.sequence) {
            // Silence was taken for longer than it is. Nobody notices that it was, but for a word without its beginning.
            self.next = start;
            self.delay = None;
        }
        if start + samples as i64 <= self.next {
            self.figures.frames_late += 1;
            return Insertion::Late;
        }
        let waiting = Waiting {
            sequence: packet.sequence,
            start,
            samples,
            codec: packet.codec,
            payload: packet.payload.clone(),
        };
        if !self.queue.insert(waiting) {
            self.figures.frames_duplicate += 1;
            return Insertion::Duplicate;
        }
        // The newest is worth more than what is overdue by a whole queue.
        let overdue = self.queue.shrink();
        if overdue > 0 {
            self.figures.frames_skipped += overdue;
            if self.state != State::Idle
                && let Some(first) = self.queue.first()
            {
                let start = first.start;
                self.pass_over(start);
            }
        }
        Insertion::Kept
    }

    /// Changes how hard the decoder works.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.decoder.set_effort(effort)
    }

    /// Gives the 10 ms to be heard from `now` on. To be called every 10 ms.
    pub fn playback(&mut self, now: Instant, tick: &mut Tick) {
        let now = self.microseconds(now);
        while self.output.waiting() < TICK_SAMPLES {
            self.refill(now);
        }
        self.output.take(tick);
    }

    /// How much earlier ticks could come: see [`JitterBuffer::spare`](super::JitterBuffer::spare).
    pub fn spare(&self) -> Option<i64> {
        self.spare
    }

    /// What waits in queues on the way here.
    pub(crate) fn queueing_delay(&self) -> Duration {
        self.reception.queueing_delay()
    }

    /// Whether any sample of the peer has been played.
    pub fn has_played(&self) -> bool {
        self.figures.frames_decoded > 0
    }

    /// Figures since the start. What they call a frame is a packet here.
    pub fn statistics(&self) -> JitterStatistics {
        JitterStatistics {
            playout_delay_ms: (self.delay.unwrap_or(0.0).max(0.0) / 1_000.0) as f32,
            target_delay_ms: self.cushion_for(LATE) as f32 / 1_000.0,
            loss: f32::from(self.reception.report().loss_percent()) / 100.0,
            jitter_ms: (self.arrivals.jitter_us() / 1_000.0) as f32,
            ..self.figures
        }
    }

    /// Puts at least one sample to the output, or moves on.
    fn refill(&mut self, now: i64) {
        if self.state == State::Idle && !self.start(now) {
            self.output.idle(!self.has_played());
            self.note_gap();
            return;
        }
        self.queue.release_before(self.next);
        let cushion = self.smooth_cushion(now);
        let surplus = cushion - self.cushion_for(LATE);
        self.spare = None;
        if surplus > SKIP_US
            && let Some(last) = self.queue.last()
            && last.start > self.next
        {
            let start = last.start.min(self.next + us_to_samples(surplus));
            self.pass_over(start);
        }

        let Some(first) = self.queue.first() else {
            if self.state == State::Silence {
                self.hush(cushion);
            } else {
                self.wait();
            }
            return;
        };
        let (start, sequence) = (first.start, first.sequence);
        if start <= self.next {
            self.play(cushion);
        } else if self.state == State::Silence || self.follows(sequence) {
            self.hush_until(start, cushion);
        } else {
            self.bridge(start, cushion);
        }
    }

    /// Starts playing if what is here has waited long enough.
    fn start(&mut self, now: i64) -> bool {
        let (Some(first), Some(last)) = (self.queue.first(), self.queue.last()) else {
            return false;
        };
        let due = us_to_samples(
            now.saturating_sub(self.arrivals.base())
                .saturating_sub(self.cushion_for(LATE)),
        );
        if due < first.start {
            return false;
        }
        let last = last.start;
        let Some(next) = self.queue.first_from(due.min(last)) else {
            return false;
        };
        self.pass_over(next);
        self.state = State::Playing;
        true
    }

    /// The packet whose turn it is is here.
    fn play(&mut self, cushion: i64) {
        let Some(packet) = self.queue.pop() else {
            return;
        };
        // Part of it may have been made up already.
        let gone = usize::try_from(self.next - packet.start).unwrap_or(0);
        let decoded = self.decoder.decode(&packet, &mut self.samples);
        self.next = packet.start + packet.samples as i64;
        self.played = Some(packet.sequence);
        self.figures.frames_expected += 1;
        if std::mem::take(&mut self.held) > 0 {
            self.figures.frames_awaited += 1;
        } else {
            let margin = MARGIN_US + self.arrivals.for_slowest(1.0 - LATE);
            self.spare = Some(cushion - self.cushion_for(LATE) - margin);
        }
        if decoded.is_err() {
            self.figures.frames_malformed += 1;
            for _ in 0..(packet.samples - gone.min(packet.samples)) / TICK_SAMPLES {
                self.make_up();
            }
            return;
        }
        self.figures.frames_decoded += 1;
        self.state = if packet.is_empty() {
            State::Silence
        } else {
            State::Playing
        };
        self.append(gone, cushion);
    }

    /// Puts what was decoded, without its first samples, to the output, and stretches.
    fn append(&mut self, gone: usize, cushion: i64) {
        let residue = self.output.waiting();
        for frame in self.samples.as_chunks::<FRAME_SAMPLES>().0 {
            self.quiet = self.output.observe(frame);
        }
        let samples = self.samples.get(gone..).unwrap_or_default();
        self.output.append(samples);
        self.since_stretch = self.since_stretch.saturating_add(samples.len());
        self.stretch(residue, cushion);
    }

    /// Cuts out or repeats a period where that brings the cushion nearer to its target.
    fn stretch(&mut self, residue: usize, cushion: i64) {
        let (deficit, surplus) = (self.least() - cushion, cushion - self.cushion_for(LATE));
        let urgent = deficit.max(surplus) > URGENT_US;
        if self.since_stretch < if urgent || self.quiet { 1 } else { REST } {
            return;
        }
        let least_correlation = match (self.quiet, urgent) {
            (true, _) => -1.0,
            (false, true) => ALIKE_ENOUGH,
            (false, false) => ALIKE,
        };
        let (lag, sign) = if deficit > 0 {
            (self.output.expand(least_correlation), 1)
        } else {
            // Whole ticks of cushion can go, and what waits decoded beyond whole ticks.
            let ticks = (surplus / TICK_US).clamp(0, 10) as usize;
            let longest = residue + ticks * TICK_SAMPLES;
            (self.output.accelerate(longest, least_correlation), -1)
        };
        if let Some(lag) = lag {
            self.since_stretch = 0;
            self.shift_delay(sign * samples_to_us(lag));
            self.figures.stretched_ms += lag as f64 / 48.0;
        }
    }

    fn begin_timeline(&mut self) {
        self.queue.clear();
        self.arrivals.reset();
        self.reception.begin_timeline();
        self.played = None;
        self.next = i64::MIN / 2;
        self.go_idle();
    }

    fn go_idle(&mut self) {
        self.state = State::Idle;
        self.held = 0;
        self.delay = None;
    }

    /// Makes this the next sample, whatever was to come before.
    fn pass_over(&mut self, next: i64) {
        let released = self.queue.release_before(next);
        if self.state != State::Idle {
            self.figures.frames_skipped += released;
        }
        self.output.expect_seam();
        self.next = next;
        self.held = 0;
        self.delay = None;
    }

    /// Whether nothing was sent between what was played last and this.
    fn follows(&self, sequence: u64) -> bool {
        self.played
            .is_some_and(|played| played.wrapping_add(1) == sequence)
    }

    /// The cushion at which such a share of the packets is late; and where some get lost, long enough for the next, which restores them.
    fn cushion_for(&self, late: f64) -> i64 {
        let loses = self.reception.report().loss_percent() > 0;
        let wait = if loses { self.copies.wait_us() } else { 0 };
        (self.arrivals.lateness(1.0 - late) + wait).min(MAX_CUSHION_US)
    }

    /// Below it, audio is stretched.
    fn least(&self) -> i64 {
        self.cushion_for(TOO_LATE) - HYSTERESIS_US
    }

    /// By how much the packet that begins at `next` may be late if its turn is now, without the wobble of the caller's timer.
    fn smooth_cushion(&mut self, now: i64) -> i64 {
        let cushion = now
            .saturating_sub(self.arrivals.base())
            .saturating_sub(media_us(self.next));
        let waiting = samples_to_us(self.output.waiting());
        let measured = cushion.saturating_add(waiting) as f64;
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

    fn note_gap(&mut self) {
        if self.has_played() {
            let gap = self.output.gap() as f32 / 48.0;
            self.figures.longest_gap_ms = self.figures.longest_gap_ms.max(gap);
        }
    }

    fn microseconds(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        let since = now.saturating_duration_since(epoch);
        i64::try_from(since.min(Duration::from_secs(1 << 40)).as_micros()).unwrap_or(i64::MAX)
    }
}

/// A time on the timeline of packets, in microseconds.
const fn media_us(samples: i64) -> i64 {
    samples.saturating_mul(1_000) / 48
}

const fn us_to_samples(microseconds: i64) -> i64 {
    microseconds.saturating_mul(48) / 1_000
}

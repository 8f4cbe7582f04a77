//! How large the frames of the next epoch are.
//!
//! A path that is too narrow shows by loss together with a queue that stands: smaller frames, up again after longer and longer
//! clean times. Much loss without a queue is not of our making: a whole older frame goes beside each, and if that makes it worse,
//! the path was too narrow after all.

use std::time::Duration;

use web_time::Instant;

use crate::{backoff::Backoff, voice_frame::FrameSize, voice_report::VoiceReport};

/// From here on a queue is one: beyond the wobble of timers and of other traffic.
const QUEUE: Duration = Duration::from_millis(40);
/// Loss beside a queue that means that the queue is full.
const NARROW_LOSS_PERCENT: u8 = 3;
/// A queue that has grown by so much in two seconds, to so much, means the same before anything is lost.
const GROWN_BY: Duration = Duration::from_millis(60);
const GROWN_TO: Duration = Duration::from_millis(160);
const GROWN_IN: Duration = Duration::from_secs(2);
/// A queue that is longer by so much from one report to the next did not grow: the path is another, or the sender was held up.
const JUMP: Duration = Duration::from_millis(160);
/// A queue that still stands after a step down: it was not enough, for it only feeds what waits.
const UNDRAINED: Duration = Duration::from_millis(100);
/// A narrow path is one after so long …
const NARROW_AFTER: Duration = Duration::from_secs(2);
/// … and a lossy one after so long, and calm again after so long.
const LOSSY_AFTER: Duration = Duration::from_secs(4);
const CALM_AFTER: Duration = Duration::from_secs(10);
/// Loss at which whole older frames are sent beside, and below which no more.
const LOSSY_PERCENT: f32 = 15.0;
const CALM_PERCENT: f32 = 8.0;
/// Copies make loss worse if it grows by this many points and this share of what it was before, for so long.
const WORSE_BY_PERCENT: f32 = 3.0;
const WORSE_BY_SHARE: f32 = 0.2;
const WORSE_AFTER: Duration = Duration::from_secs(2);
/// Reports tell of two seconds: after a change the first of them are of before.
const SETTLE: Duration = Duration::from_secs(3);
/// Clean time after which a larger size is tried: at first, and at most. It doubles with each trial that fails.
const UP_AFTER: Duration = Duration::from_secs(20);
const MAX_UP_AFTER: Duration = Duration::from_secs(640);
/// A larger size that has held so long was no failure, and a smaller one has drained the queue by then.
const TRIAL: Duration = Duration::from_secs(30);
/// The same for copies.
const COPIES_AGAIN_AFTER: Duration = Duration::from_secs(60);
const MAX_COPIES_AGAIN_AFTER: Duration = Duration::from_secs(960);
/// Bytes around what is inside a seal, on the wire: seal, SRTP, UDP, IP.
const PACKET_OVERHEAD: usize = 75;
/// Weight of one report in the smoothed loss: about two seconds.
const LOSS_WEIGHT: f32 = 1.0 / 100.0;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct RateControl {
    /// What the path is known or believed to bear.
    size: FrameSize,
    next: FrameSize,
    /// What others leave of it.
    ceiling: FrameSize,
    /// The size of the frames of the epoch under way: of both the smaller.
    sent: FrameSize,
    loss_percent: f32,
    /// Reports before this time are of what was before.
    settled_at: Option<Instant>,
    signs: Signs,
    /// When the frames were made smaller last.
    narrowed_at: Option<Instant>,
    up: Backoff,
    copies: Backoff,
    may_copy: bool,
    loss_before_copies: f32,
}

impl Default for RateControl {
    fn default() -> Self {
        Self {
            size: FrameSize::default(),
            next: FrameSize::default(),
            ceiling: FrameSize::Kbps32,
            sent: FrameSize::default(),
            loss_percent: 0.0,
            settled_at: None,
            signs: Signs::default(),
            narrowed_at: None,
            up: Backoff::new(UP_AFTER, MAX_UP_AFTER),
            copies: Backoff::new(COPIES_AGAIN_AFTER, MAX_COPIES_AGAIN_AFTER),
            may_copy: true,
            loss_before_copies: 0.0,
        }
    }
}

impl RateControl {
    /// Whole older frames are never sent beside.
    pub(super) fn without_copies() -> Self {
        Self {
            may_copy: false,
            ..Self::default()
        }
    }

    pub(super) fn handle_report(&mut self, now: Instant, report: VoiceReport) {
        if self.settled_at.is_some_and(|at| now < at) {
            return;
        }
        let loss = f32::from(report.loss_percent());
        self.loss_percent += (loss - self.loss_percent) * LOSS_WEIGHT;
        let queue = report.queueing_delay();
        let queued = queue >= QUEUE;
        let signs = &mut self.signs;
        let growing = signs.growth.record(now, queue);
        let narrowed = self
            .narrowed_at
            .is_some_and(|at| now.saturating_duration_since(at) < TRIAL);
        let undrained = narrowed && queue >= UNDRAINED;
        let full = queued && report.loss_percent() >= NARROW_LOSS_PERCENT;
        signs.narrow.record(now, full || growing || undrained);
        signs.clean.record(now, !queued);
        // An outage is over sooner than the smoothed loss says.
        let lossy = self.loss_percent >= LOSSY_PERCENT && loss >= CALM_PERCENT;
        signs.lossy.record(now, lossy && !queued);
        signs.calm.record(now, self.loss_percent < CALM_PERCENT);
        let bearable = self.loss_before_copies * (1.0 + WORSE_BY_SHARE) + WORSE_BY_PERCENT;
        signs
            .worse
            .record(now, self.size.has_copy() && self.loss_percent > bearable);
        self.next = self.choose(now);
    }

    /// Takes what is best by now as the size of an epoch that begins.
    pub(super) fn begin_epoch(&mut self, now: Instant) -> FrameSize {
        if self.next != self.size && !self.is_kept_from(self.next) {
            self.change(now);
        }
        let sent = self.under_ceiling(self.size);
        if sent != self.sent {
            self.sent = sent;
            self.settled_at = Some(now + SETTLE);
            self.signs = Signs::default();
        }
        sent
    }

    /// Goes over to `next`.
    fn change(&mut self, now: Instant) {
        let (before, next) = (self.size, self.next);
        if next.has_copy() {
            self.loss_before_copies = self.loss_percent;
            self.copies.begin(now);
        } else if before.has_copy() {
            // Calm is no failure.
            if !self.signs.calm.is(now, CALM_AFTER) {
                self.copies.fail(now);
            }
        } else if next > before {
            self.up.begin(now);
        } else {
            self.up.fail_if_young(now, TRIAL);
            self.narrowed_at = Some(now);
        }
        self.size = next;
    }

    pub(super) fn set_ceiling(&mut self, ceiling: FrameSize) {
        self.ceiling = ceiling;
    }

    /// Frames with a copy have room for a whole frame twice whatever is in it: they are for a path that loses, not for the sound.
    fn under_ceiling(&self, size: FrameSize) -> FrameSize {
        if size.has_copy() {
            size
        } else {
            size.min(self.ceiling)
        }
    }

    /// Whether a larger size could not be tried, because others leave no room for it.
    fn is_kept_from(&self, next: FrameSize) -> bool {
        next > self.size && self.under_ceiling(next) < next
    }

    /// The size of the frames of the epoch under way.
    pub(super) fn sent_size(&self) -> FrameSize {
        self.sent
    }

    /// What the path would bear in an epoch that began now.
    pub(super) fn next_size(&self) -> FrameSize {
        self.next
    }

    fn choose(&self, now: Instant) -> FrameSize {
        let size = self.size;
        if self.signs.narrow.is(now, NARROW_AFTER) {
            return smaller(self.sent, self.loss_percent);
        }
        if size.has_copy() {
            let over = self.signs.worse.is(now, WORSE_AFTER) || self.signs.calm.is(now, CALM_AFTER);
            return if over { FrameSize::Kbps32 } else { size };
        }
        if size < FrameSize::Kbps32 {
            // That smaller frames come well says nothing of larger ones.
            let tried = self.sent == size;
            return if tried && self.signs.clean.is(now, self.up.wait()) {
                larger(size)
            } else {
                size
            };
        }
        let lossy = self.signs.lossy.is(now, LOSSY_AFTER);
        if lossy && self.may_copy && self.copies.may_begin(now) {
            return FrameSize::Kbps32Twice;
        }
        size
    }
}

/// A step down, or as many as bring a frame to what gets through of the present ones.
fn smaller(size: FrameSize, loss_percent: f32) -> FrameSize {
    // The copies are in the way, and it is not known yet what there is room for without.
    if size.has_copy() {
        return FrameSize::Kbps32;
    }
    let on_wire = |size: FrameSize| (size.bytes() + PACKET_OVERHEAD) as f32;
    // Reports round up.
    let room = on_wire(size) * (101.0 - loss_percent) / 100.0;
    let sizes = FrameSize::ALL.into_iter().rev();
    let mut below = sizes.filter(|it| *it < size);
    below
        .find(|it| on_wire(*it) <= room)
        .unwrap_or(FrameSize::Kbps12)
}

fn larger(size: FrameSize) -> FrameSize {
    let mut sizes = FrameSize::ALL.into_iter();
    sizes.find(|it| *it > size).unwrap_or(size)
}

/// What the reports have said since the frames have this size.
#[derive(Debug, Default)]
struct Signs {
    narrow: Lasting,
    clean: Lasting,
    lossy: Lasting,
    calm: Lasting,
    worse: Lasting,
    growth: Growth,
}

/// Since when something holds.
#[derive(Debug, Default)]
struct Lasting(Option<Instant>);

impl Lasting {
    fn record(&mut self, now: Instant, holds: bool) {
        self.0 = holds.then(|| self.0.unwrap_or(now));
    }

    fn is(&self, now: Instant, time: Duration) -> bool {
        self.0
            .is_some_and(|since| now.saturating_duration_since(since) >= time)
    }
}

/// Whether a queue grows, by what it was some time ago.
#[derive(Debug, Default)]
struct Growth {
    before: Option<(Instant, Duration)>,
    last: Duration,
    grows: bool,
}

impl Growth {
    fn record(&mut self, now: Instant, queue: Duration) -> bool {
        let last = std::mem::replace(&mut self.last, queue);
        if queue >= last + JUMP {
            self.before = Some((now, queue));
            self.grows = false;
        }
        let (at, before) = *self.before.get_or_insert((now, queue));
        if queue >= GROWN_TO && queue >= before + GROWN_BY {
            self.grows = true;
        }
        if now.saturating_duration_since(at) >= GROWN_IN {
            // It may be longer than a report can say, and grow all the same.
            self.grows &= queue >= before;
            self.before = Some((now, queue));
        }
        self.grows &= queue >= QUEUE;
        self.grows
    }
}

#[cfg(test)]
mod tests;

//! What microphone and speaker have in common: a card that is opened with the first tick, the ring between it and the
//! tick, and the size of both buffers, which follows the glitches.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rtrb::{Consumer, Producer};
use rubato::ResamplerConstructionError;

use super::choice::Choice;
use super::error_report::ErrorReport;
use super::format::Role;
use super::keeper::{KeptOpen, News};
use super::opener::Opener;
use crate::buffer_rule::BufferRule;
use crate::device::{CardFigures, Device, TICK_SAMPLES, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::latency::{CallbackReport, Latency, ring_target};

/// A stream that starts runs unevenly for a moment; the one before is kept longer.
const STEADY_TICKS: u32 = 20;

/// A card that neither fails nor calls for so many ticks has stopped: a cable, or a server that forgot us.
const STALLED_TICKS: u32 = 200;

/// The same before its first call: a headset without a cord has to wake.
const NEVER_STARTED_TICKS: u32 = 400;

/// The tick's side of a card's ring, and all that differs between the two directions of sound.
pub(super) trait TickSide: Sized + Send + 'static {
    const ROLE: Role;

    /// The end of the ring that the card's callback has.
    type CallbackEnd: Send + 'static;

    /// The end of the ring that the tick has.
    type TickEnd;

    /// Says which end of a new ring is whose.
    fn assign(ring: (Producer<f32>, Consumer<f32>)) -> (Self::CallbackEnd, Self::TickEnd);

    /// Opens a stream whose callback copies between the card and the ring.
    fn build<T>(
        device: &cpal::Device,
        config: cpal::StreamConfig,
        ring: Self::CallbackEnd,
        report: Arc<CallbackReport>,
        errors: ErrorReport,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: cpal::SizedSample + cpal::FromSample<f32>,
        f32: cpal::FromSample<T>;

    /// `rate` is the card's, `target` the level to keep in the ring.
    fn new(
        ring: Self::TickEnd,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError>;

    /// Another level to keep.
    fn set_target(&mut self, target: usize);

    /// Passes a tick in its direction; says whether nothing was missing.
    fn pass(&mut self, tick: &mut Tick) -> bool;

    /// Whether it could pass a tick at once.
    fn is_ready(&mut self) -> bool;

    /// Whether what it passes was captured, or is played.
    fn is_running(&self) -> bool;

    /// Passes a tick through both: the last one through `self`, the first one through `next`.
    fn hand_over(&mut self, next: &mut Self, tick: &mut Tick);

    /// Notes how late this tick is.
    fn measure(&self, report: &CallbackReport, latency: &mut Latency);
}

/// One stream, as the tick sees it.
pub(super) struct OpenSide<S> {
    pub(super) side: S,
    pub(super) report: Arc<CallbackReport>,
    /// The card's samples a second.
    pub(super) rate: u32,
    /// Samples that the card moves at once.
    pub(super) period: usize,
    /// The one before is still open.
    pub(super) is_beside: bool,
}

/// A stream that is to take over.
struct Successor<S> {
    open: OpenSide<S>,
    /// Ticks without a gap.
    steady: u32,
}

impl<S: TickSide> Successor<S> {
    /// Whether it can take over now: one beside another starts first.
    fn is_ready(&mut self) -> bool {
        if !self.open.is_beside {
            return self.open.side.is_ready();
        }
        let has_passed = self.open.side.pass(&mut [0.0; TICK_SAMPLES]);
        self.steady = if has_passed { self.steady + 1 } else { 0 };
        self.steady >= STEADY_TICKS
    }
}

impl<S> OpenSide<S> {
    fn period_ms(&self) -> f64 {
        self.period as f64 * 1_000.0 / f64::from(self.rate)
    }
}

/// A sound card as one direction of sound uses it.
pub(super) struct Card<S> {
    choice: Choice,
    /// Nothing runs before the first tick.
    running: Option<Running<S>>,
}

struct Running<S> {
    kept: KeptOpen,
    /// A new one comes each time the stream is opened.
    opened: Receiver<OpenSide<S>>,
    current: Option<OpenSide<S>>,
    /// Open, but not yet ready to take over.
    next: Option<Successor<S>>,
    rule: BufferRule,
    latency: Latency,
    /// How often the card had called at the last tick, and for how many ticks that has not changed.
    calls: (u32, u32),
    /// The card's own glitches since the size was changed.
    xruns: u32,
    /// All glitches.
    glitches: u64,
    /// Kept until the device is asked.
    fault: Option<DeviceFault>,
    notice: Option<String>,
}

impl<S: TickSide> Card<S> {
    /// The default card of this direction, or the one of this name.
    pub(super) fn open(name: Option<&str>) -> Result<Self, OpenError> {
        let choice = Choice {
            role: S::ROLE,
            name: name.map(str::to_owned),
        };
        choice.check()?;
        Ok(Self {
            choice,
            running: None,
        })
    }

    /// Passes a tick, if a stream is open and has what it takes; starts to open one if none was asked for yet.
    pub(super) fn pass(&mut self, tick: &mut Tick) -> bool {
        let choice = &self.choice;
        self.running
            .get_or_insert_with(|| Running::start(choice))
            .pass(tick)
    }

    /// The tick's side of the stream, if it was started and is open.
    pub(super) fn side(&mut self) -> Option<&mut S> {
        let running = self.running.as_mut()?;
        running.take_opened();
        running.current.as_mut().map(|open| &mut open.side)
    }
}

impl<S: TickSide> Device for Card<S> {
    fn is_running(&mut self) -> bool {
        self.side().is_some_and(|side| side.is_running())
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        let running = self.running.as_mut()?;
        running.take_news();
        running.fault.take()
    }

    fn take_notice(&mut self) -> Option<String> {
        let running = self.running.as_mut()?;
        running.take_news();
        running.notice.take()
    }

    fn card(&self) -> Option<CardFigures> {
        let running = self.running.as_ref()?;
        let open = running.current.as_ref()?;
        Some(CardFigures {
            sample_rate: open.rate,
            latency_ms: running.latency.ms(),
            period_ms: open.period_ms(),
            buffer_ms: running.rule.buffer_ms(),
            glitches: running.glitches,
        })
    }

    fn delay_ms(&self) -> u32 {
        let latency_ms = self.card().and_then(|figures| figures.latency_ms);
        latency_ms.map_or(0, |ms| ms.round() as u32)
    }
}

impl<S: TickSide> Running<S> {
    fn start(choice: &Choice) -> Self {
        let rule = BufferRule::new();
        let (opened_sender, opened) = channel();
        let opener = Opener::new(choice.clone(), opened_sender);
        Self {
            kept: KeptOpen::start(choice.role.name(), opener, rule.buffer_ms()),
            opened,
            current: None,
            next: None,
            rule,
            latency: Latency::new(),
            calls: (0, 0),
            xruns: 0,
            glitches: 0,
            fault: None,
            notice: None,
        }
    }

    fn pass(&mut self, tick: &mut Tick) -> bool {
        self.take_opened();
        if let Some(mut next) = self.next.take_if(Successor::is_ready) {
            self.take_over(&mut next.open, tick);
            self.current = Some(next.open);
            return true;
        }
        let Some(open) = &mut self.current else {
            return false;
        };
        if has_stalled(&mut self.calls, open.report.calls()) {
            self.kept.report_stall();
        }
        open.side.measure(&open.report, &mut self.latency);
        let was_ready = open.side.is_ready();
        let has_passed = open.side.pass(tick);
        let (dry, xruns) = open.report.take_glitches();
        let gap = u32::from(was_ready && !has_passed);
        self.adapt(gap + dry, xruns);
        has_passed
    }

    fn take_over(&mut self, next: &mut OpenSide<S>, tick: &mut Tick) {
        let target = ring_target(next.period, self.rule.buffer_ms(), next.rate);
        next.side.set_target(target);
        self.latency.restart();
        match &mut self.current {
            Some(current) => current.side.hand_over(&mut next.side, tick),
            None => {
                next.side.pass(tick);
            }
        }
    }

    fn take_opened(&mut self) {
        while let Ok(open) = self.opened.try_recv() {
            if self.current.is_none() {
                self.current = Some(open);
            } else {
                self.next = Some(Successor { open, steady: 0 });
            }
        }
    }

    /// Follows the glitches of a tick.
    fn adapt(&mut self, gaps: u32, xruns: u32) {
        self.glitches += u64::from(gaps) + u64::from(xruns);
        self.xruns += xruns;
        let before = self.rule.buffer_ms();
        if !self.rule.tick(gaps + xruns) {
            return;
        }
        let buffer_ms = self.rule.buffer_ms();
        let Some(open) = &mut self.current else {
            return;
        };
        tracing::debug!(buffer_ms, xruns = self.xruns, "another buffer for the card");
        let target = ring_target(open.period, buffer_ms, open.rate);
        open.side.set_target(target);
        // The ring is ours and follows at once. The card must be opened again for it: only if its own buffer failed, or
        // if that breaks nothing.
        let period_ms = open.period_ms();
        if buffer_ms > before && self.xruns > 0 && period_ms < f64::from(buffer_ms) {
            self.kept.reopen(buffer_ms);
        } else if buffer_ms < before && period_ms > f64::from(buffer_ms) {
            self.kept.reopen_if_seamless(buffer_ms);
        }
        self.xruns = 0;
    }

    fn take_news(&mut self) {
        while let Some(news) = self.kept.news() {
            match news {
                News::Fault(fault) => self.fault = Some(fault),
                News::Notice(notice) => self.notice = Some(notice),
            }
        }
    }
}

/// Takes in how often a card has called; says, once in a while, that it does not any more.
fn has_stalled((last, ticks): &mut (u32, u32), calls: u32) -> bool {
    *ticks = if *last == calls { *ticks + 1 } else { 0 };
    *last = calls;
    let limit = match calls {
        0 => NEVER_STARTED_TICKS,
        _ => STALLED_TICKS,
    };
    let has_stalled = *ticks >= limit;
    if has_stalled {
        *ticks = 0;
    }
    has_stalled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_does_not_call_any_more_has_stalled_and_a_slow_one_has_not() {
        let mut seen = (0, 0);
        for tick in 0..5_000 {
            assert!(!has_stalled(&mut seen, tick / (STALLED_TICKS - 1)));
        }
        let calls = seen.0;
        seen.1 = 0;
        let stalls: Vec<u32> = (1..=1_000)
            .filter(|_| has_stalled(&mut seen, calls))
            .collect();
        assert_eq!(stalls, [1, 2, 3, 4, 5].map(|times| times * STALLED_TICKS));
        let mut seen = (0, 0);
        let first = (1..).find(|_| has_stalled(&mut seen, 0));
        assert_eq!(first, Some(NEVER_STARTED_TICKS));
    }
}

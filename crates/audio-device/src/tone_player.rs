//! Plays a tone on a device of its own, opened for it and closed after it.
//!
//! A thread waits for the device and keeps the 10 ms, so that whoever starts and stops a tone never waits.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::call_tone::ToneSource;
use crate::device::{Speaker, TICK_SAMPLES};
use crate::fault::{DeviceFault, OpenError};

const TICK: Duration = Duration::from_millis(10);

/// A sound card that is not there after 3 s will not be there in time for the tone.
const MAX_WARM_UP_TICKS: u32 = 300;

/// Why a tone is not heard.
#[derive(Debug, thiserror::Error)]
pub enum ToneProblem {
    /// The device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The device, or the file with the tone, failed.
    #[error(transparent)]
    Fault(#[from] DeviceFault),
    /// The device is there, but never began to play.
    #[error("the sound device does not start{}", detail_text(.detail.as_deref()))]
    Silent {
        /// The reason as the operating system gives it.
        detail: Option<String>,
    },
}

fn detail_text(detail: Option<&str>) -> String {
    detail.map_or_else(String::new, |detail| format!(": {detail}"))
}

/// A tone that is being played, until it ends by itself or this is dropped.
#[derive(Debug)]
pub struct TonePlayer {
    /// Dropped to stop.
    _stop: Sender<()>,
    outcome: Receiver<Result<(), ToneProblem>>,
    ended: bool,
}

impl TonePlayer {
    /// Opens a device with `open`, on a thread of its own, and plays `source` on it.
    pub fn start(
        source: ToneSource,
        open: impl FnOnce() -> Result<Box<dyn Speaker>, OpenError> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = channel();
        let (report, outcome) = channel();
        // Without a thread there is no tone, and `poll` says that it has ended.
        let thread = thread::Builder::new()
            .name("tone".to_owned())
            .spawn(move || {
                let result = open()
                    .map_err(ToneProblem::from)
                    .and_then(|speaker| play(Playing::new(source, speaker), &stopped));
                let _ = report.send(result);
            });
        if let Err(error) = thread {
            tracing::warn!(%error, "no thread for a tone");
        }
        Self {
            _stop: stop,
            outcome,
            ended: false,
        }
    }

    /// Whether it has ended, and how; once.
    pub fn poll(&mut self) -> Option<Result<(), ToneProblem>> {
        if self.ended {
            return None;
        }
        let outcome = match self.outcome.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Ok(()),
        };
        self.ended = true;
        Some(outcome)
    }
}

/// Ticks until the tone ends, fails, or is stopped.
#[expect(
    clippy::disallowed_methods,
    reason = "this thread is the clock of its device"
)]
fn play(mut playing: Playing, stopped: &Receiver<()>) -> Result<(), ToneProblem> {
    let mut next = Instant::now();
    while playing.tick()? {
        next += TICK;
        let wait = next.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
    Ok(())
}

/// A tone and its device, without a clock.
struct Playing {
    source: ToneSource,
    speaker: Box<dyn Speaker>,
    /// Ticks of silence while the device starts.
    warm_up: u32,
    /// Why the device had to be opened again.
    interrupted: Option<String>,
}

impl Playing {
    fn new(source: ToneSource, speaker: Box<dyn Speaker>) -> Self {
        Self {
            source,
            speaker,
            warm_up: 0,
            interrupted: None,
        }
    }

    /// 10 ms; `false` when there will be no more.
    fn tick(&mut self) -> Result<bool, ToneProblem> {
        let mut samples = [0.0; TICK_SAMPLES];
        // A sound card starts with the first write and needs a while: a short tone would be over before.
        let is_running = self.warm_up > 0 && self.speaker.is_running();
        let goes_on = if is_running {
            self.source.fill(&mut samples)
        } else {
            self.warm_up += 1;
            self.warm_up <= MAX_WARM_UP_TICKS
        };
        self.speaker.write(&samples);
        let faults = [self.speaker.take_fault(), self.source.take_fault()];
        for fault in faults.into_iter().flatten() {
            match fault {
                // It is opened again by itself, and a tone that goes on is heard then.
                DeviceFault::Interrupted { detail, .. } => self.interrupted = Some(detail),
                fault => return Err(fault.into()),
            }
        }
        match (goes_on, is_running) {
            (false, false) => Err(ToneProblem::Silent {
                detail: self.interrupted.take(),
            }),
            (goes_on, _) => Ok(goes_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::call_tone::CallTone;
    use crate::device::{Device, Tick};

    /// A sound card that plays from its third tick on, and can fail.
    #[derive(Default)]
    struct Card {
        written: Arc<Mutex<Vec<f32>>>,
        ticks: usize,
        never_starts: bool,
        fails_at: Option<usize>,
        busy_at: Option<usize>,
    }

    impl Speaker for Card {
        fn write(&mut self, samples: &Tick) {
            self.ticks += 1;
            if self.is_running() {
                self.written.lock().unwrap().extend(samples);
            }
        }
    }

    impl Device for Card {
        fn is_running(&mut self) -> bool {
            self.ticks >= 3 && !self.never_starts
        }

        fn take_fault(&mut self) -> Option<DeviceFault> {
            if self.busy_at == Some(self.ticks) {
                return Some(DeviceFault::Interrupted {
                    device: "default speaker".to_owned(),
                    detail: "busy".to_owned(),
                });
            }
            (self.fails_at == Some(self.ticks)).then(|| DeviceFault::Lost {
                device: "default speaker".to_owned(),
                detail: "unplugged".to_owned(),
            })
        }
    }

    fn playing(tone: CallTone, card: Card) -> Playing {
        Playing::new(ToneSource::synthesised(tone), Box::new(card))
    }

    #[test]
    fn a_short_tone_is_heard_from_its_first_sample_to_its_last() {
        let card = Card::default();
        let written = Arc::clone(&card.written);
        let mut playing = playing(CallTone::End, card);
        while playing.tick().unwrap() {}

        let mut source = ToneSource::synthesised(CallTone::End);
        let mut expected = vec![0.0; TICK_SAMPLES];
        let mut tick = [0.0; TICK_SAMPLES];
        while source.fill(&mut tick) {
            expected.extend_from_slice(&tick);
        }
        expected.extend_from_slice(&tick);
        assert_eq!(*written.lock().unwrap(), expected);
    }

    #[test]
    fn a_device_that_fails_or_never_starts_ends_the_tone_with_the_reason() {
        let card = Card {
            fails_at: Some(5),
            ..Card::default()
        };
        let mut failing = playing(CallTone::Ring, card);
        for _ in 0..4 {
            assert!(failing.tick().unwrap());
        }
        assert!(
            failing
                .tick()
                .unwrap_err()
                .to_string()
                .contains("unplugged")
        );

        let card = Card {
            never_starts: true,
            busy_at: Some(2),
            ..Card::default()
        };
        let mut silent = playing(CallTone::Ring, card);
        for _ in 0..MAX_WARM_UP_TICKS {
            assert!(silent.tick().unwrap());
        }
        let problem = silent.tick().unwrap_err().to_string();
        assert_eq!(problem, "the sound device does not start: busy");

        // One that comes back is heard on.
        let card = Card {
            busy_at: Some(7),
            ..Card::default()
        };
        let mut again = playing(CallTone::Ring, card);
        for _ in 0..100 {
            assert!(again.tick().unwrap());
        }
    }

    #[test]
    fn starting_and_stopping_never_wait_for_the_device() {
        // The device opens only when this test lets it, which is after the tone was stopped.
        let (let_it_open, may_open) = channel::<()>();
        let card = Card::default();
        let written = Arc::clone(&card.written);
        let (opened, was_opened) = channel();
        let mut player = TonePlayer::start(ToneSource::synthesised(CallTone::Ring), move || {
            let _ = may_open.recv();
            opened.send(()).unwrap();
            Ok(Box::new(card) as Box<dyn Speaker>)
        });
        assert!(player.poll().is_none());
        drop(player);
        let_it_open.send(()).unwrap();
        was_opened.recv().unwrap();
        // The thread drops the device, and with it the last other owner of what was written.
        while Arc::strong_count(&written) > 1 {
            thread::yield_now();
        }
        assert!(written.lock().unwrap().is_empty());
    }

    #[test]
    fn a_device_that_cannot_be_opened_is_told_once() {
        let mut player = TonePlayer::start(ToneSource::synthesised(CallTone::Ring), || {
            Err(OpenError::NoSoundCardSupport)
        });
        let problem = loop {
            if let Some(outcome) = player.poll() {
                break outcome.unwrap_err();
            }
            thread::yield_now();
        };
        assert!(matches!(
            problem,
            ToneProblem::Open(OpenError::NoSoundCardSupport)
        ));
        assert!(player.poll().is_none());
    }
}

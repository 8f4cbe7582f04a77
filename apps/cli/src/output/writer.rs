//! Standard output behind a thread of its own: a reader that stalls never holds up a call, a signal or the farewell.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{Closed, Printable};

/// Lines that wait for a reader; one who is further behind has stopped reading.
const MAX_WAITING: usize = 1024;
/// With so many lines waiting, figures are left out: the next ones say the same.
const MAX_WAITING_FOR_FIGURES: usize = 64;
/// How long the end of the program waits for its last lines to be read.
const DRAIN: Duration = Duration::from_millis(500);
/// How often it looks.
const DRAIN_STEP: Duration = Duration::from_millis(5);

static LINES: OnceLock<SyncSender<Printable>> = OnceLock::new();
static WAITING: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);

/// From now on lines are written by the thread.
pub(super) fn start() {
    let (sender, lines) = sync_channel::<Printable>(MAX_WAITING);
    let started = thread::Builder::new()
        .name("stdout".to_owned())
        .spawn(move || {
            for line in lines {
                if super::write_line_now(&line).is_err() {
                    CLOSED.store(true, Ordering::Release);
                }
                WAITING.fetch_sub(1, Ordering::AcqRel);
            }
        });
    if started.is_ok() {
        let _ = LINES.set(sender);
    }
}

/// Writes a line, or leaves it to the thread if there is one. Figures may be left out.
///
/// # Errors
///
/// [`Closed`] if nobody reads any more.
pub(super) fn line(line: Printable, is_figures: bool) -> Result<(), Closed> {
    let Some(lines) = LINES.get() else {
        return super::write_line_now(&line);
    };
    if CLOSED.load(Ordering::Acquire) {
        return Err(Closed);
    }
    if is_figures && WAITING.load(Ordering::Acquire) > MAX_WAITING_FOR_FIGURES {
        return Ok(());
    }
    WAITING.fetch_add(1, Ordering::AcqRel);
    lines.try_send(line).map_err(|error| {
        WAITING.fetch_sub(1, Ordering::AcqRel);
        match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Closed,
        }
    })
}

/// Waits a moment for the last lines to be read.
#[expect(
    clippy::disallowed_methods,
    reason = "the program is over; nothing else is left to wait for"
)]
pub(super) fn drain() {
    let mut left = DRAIN;
    while WAITING.load(Ordering::Acquire) > 0 && !CLOSED.load(Ordering::Acquire) && !left.is_zero()
    {
        thread::sleep(DRAIN_STEP);
        left = left.saturating_sub(DRAIN_STEP);
    }
}

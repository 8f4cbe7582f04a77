//! Pictures on their way to a terminal that may be slow, or stopped: a thread of their own writes them, so that whoever
//! draws never waits. While one is on its way no other is drawn: the next one shows what has changed since.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::output::stream::of_screens;

/// Bytes to the thread that writes them.
static TO_TERMINAL: OnceLock<Sender<Vec<u8>>> = OnceLock::new();
/// How many pieces are on their way.
static ON_THEIR_WAY: Mutex<usize> = Mutex::new(0);
static WRITTEN: Condvar = Condvar::new();

/// Where a picture is written to, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Frames {
    piece: Vec<u8>,
}

impl Frames {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The operating system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        if TO_TERMINAL.get().is_none() {
            let (sender, pieces) = channel::<Vec<u8>>();
            thread::Builder::new()
                .name("screen".to_owned())
                .spawn(move || {
                    for piece in pieces {
                        // A terminal that is gone is noticed by its signal.
                        let mut terminal = of_screens();
                        let _ = terminal.write_all(&piece).and_then(|()| terminal.flush());
                        *on_their_way() -= 1;
                        WRITTEN.notify_all();
                    }
                })?;
            let _ = TO_TERMINAL.set(sender);
        }
        Ok(Self::default())
    }
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            send(mem::take(&mut self.piece));
        }
        Ok(())
    }
}

/// Sends something to the terminal if the screens have it.
pub(super) fn send(piece: Vec<u8>) {
    if let Some(sender) = TO_TERMINAL.get() {
        *on_their_way() += 1;
        if sender.send(piece).is_err() {
            *on_their_way() -= 1;
        }
    }
}

/// Whether the terminal has not taken everything yet.
pub(super) fn is_busy() -> bool {
    *on_their_way() > 0
}

/// Waits until the terminal has taken everything, and says whether it has.
pub(super) fn wait(patience: Duration) -> bool {
    let waiting = WRITTEN.wait_timeout_while(on_their_way(), patience, |count| *count > 0);
    *waiting.unwrap_or_else(PoisonError::into_inner).0 == 0
}

fn on_their_way() -> MutexGuard<'static, usize> {
    ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

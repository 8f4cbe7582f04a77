//! The terminal the screen is drawn on: taken over at the start, given back whatever happens.

use std::io::{self, IsTerminal as _, Stderr, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::Screen;
use super::palette::Palette;
use crate::output::Stream;
use crate::output::stream::of_screens;

/// Whether the terminal is taken.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// A terminal in raw mode with an alternate screen, on stderr: stdout stays for data. Dropping it restores everything.
pub(crate) struct ScreenTerminal {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    palette: Palette,
}

impl ScreenTerminal {
    /// Whether a person can see the screen and press keys.
    pub(crate) fn is_possible() -> bool {
        io::stdin().is_terminal()
            && Stream::Err.is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Takes the terminal over.
    ///
    /// # Errors
    ///
    /// The terminal cannot be put into raw mode.
    pub(crate) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        IS_OPEN.store(true, Ordering::Relaxed);
        if let Err(error) = execute!(of_screens(), EnterAlternateScreen, cursor::Hide) {
            restore();
            return Err(error);
        }
        // Where a terminal does not know it, what is pasted comes as if it were typed.
        let _ = execute!(of_screens(), EnableBracketedPaste);
        let terminal =
            Terminal::new(CrosstermBackend::new(of_screens())).inspect_err(|_| restore())?;
        Ok(Self {
            terminal,
            palette: Palette {
                colour: Stream::Err.takes_colours(),
            },
        })
    }

    /// Gives the terminal back if it is taken, for a process that ends without dropping anything.
    pub(crate) fn restore_if_open() {
        if IS_OPEN.load(Ordering::Relaxed) {
            restore();
        }
    }

    /// Rings the terminal's bell.
    pub(crate) fn ring() {
        let mut stderr = of_screens();
        let _ = stderr.write_all(b"\x07").and_then(|()| stderr.flush());
    }

    /// Draws the screen.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, screen: &mut Screen, now: Instant) -> io::Result<()> {
        self.terminal
            .draw(|frame| screen.draw(frame, now, self.palette))?;
        Ok(())
    }

    /// Draws everything anew at the next [`draw`](Self::draw).
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }
}

impl Drop for ScreenTerminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    IS_OPEN.store(false, Ordering::Relaxed);
    let _ = execute!(of_screens(), DisableBracketedPaste);
    let _ = execute!(of_screens(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

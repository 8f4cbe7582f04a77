//! The terminal the screen is drawn on: taken over at the start, given back whatever happens.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use super::frames::{self, Frames};
use super::palette::Palette;
use super::whole::Screen;
use crate::output::Stream;
use crate::output::stream::of_screens;

/// How long the end waits for the last picture to be drawn.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether the terminal is taken.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// A terminal in raw mode with an alternate screen, on stderr: stdout stays for data. Dropping it restores everything.
pub(crate) struct ScreenTerminal {
    terminal: Terminal<CrosstermBackend<Frames>>,
    palette: Palette,
    /// What the terminal shows is not to be relied on.
    is_disturbed: bool,
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
        let terminal = Frames::start()
            .and_then(|frames| Terminal::new(CrosstermBackend::new(frames)))
            .inspect_err(|_| restore())?;
        Ok(Self {
            terminal,
            palette: Palette {
                colour: Stream::Err.takes_colours(),
            },
            is_disturbed: false,
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
        frames::send(b"\x07".to_vec());
    }

    /// Draws the screen, unless the terminal has not taken the picture before: then the next one shows what has changed.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, screen: &mut Screen, now: Instant) -> io::Result<()> {
        if frames::is_busy() {
            return Ok(());
        }
        if std::mem::take(&mut self.is_disturbed) {
            // `Terminal::clear` asks the terminal where its cursor is: on standard output, which may be somebody else's, and
            // waits two seconds for an answer.
            let size = self.terminal.size()?;
            self.terminal
                .resize(Rect::new(0, 0, size.width, size.height))?;
        }
        self.terminal
            .draw(|frame| screen.draw(frame, now, self.palette))?;
        Ok(())
    }

    /// Draws everything anew at the next [`draw`](Self::draw).
    pub(crate) const fn draw_anew(&mut self) {
        self.is_disturbed = true;
    }
}

impl Drop for ScreenTerminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    IS_OPEN.store(false, Ordering::Relaxed);
    // A terminal that takes nothing would hold up the end of the program.
    if frames::wait(PATIENCE) {
        let _ = execute!(of_screens(), DisableBracketedPaste);
        let _ = execute!(of_screens(), LeaveAlternateScreen, cursor::Show);
    }
    let _ = disable_raw_mode();
}

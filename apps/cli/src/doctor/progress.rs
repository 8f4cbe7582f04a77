//! What is shown on a terminal while checks run: one line, which the next one takes the place of.

use crate::harmless::Printable;
use crate::output::Stream;

use super::names::Name;
use crate::screen::fit;

const WHEEL: [&str; 4] = ["◐", "◓", "◑", "◒"];

/// Back to the beginning of the line, and nothing left on it.
const CLEAR: &str = "\r\u{1b}[2K";

/// The line, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    is_wanted: bool,
    is_shown: bool,
    step: usize,
}

impl Progress {
    /// Nothing is shown where nobody looks, or the terminal cannot take a line back.
    pub(super) fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
        Self {
            is_wanted: Stream::Err.is_terminal() && !is_dumb,
            is_shown: false,
            step: 0,
        }
    }

    /// Shows what is still checked.
    pub(super) fn show(&mut self, pending: &[Name], width: usize) {
        if !self.is_wanted || pending.is_empty() {
            return;
        }
        let names: Vec<String> = pending.iter().map(|name| name.words()).collect();
        let wheel = WHEEL[self.step % WHEEL.len()];
        self.step += 1;
        let text = format!("{wheel} checking {}", names.join(", "));
        let mut line = Printable::default();
        line.push_sequence(CLEAR);
        // A line that is full would begin the next one.
        line.push(&fit(&text, width.saturating_sub(1)));
        let _ = Stream::Err.start_of_line(&line);
        self.is_shown = true;
    }

    /// Makes room for a line that stays.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let mut line = Printable::default();
            line.push_sequence(CLEAR);
            let _ = Stream::Err.start_of_line(&line);
        }
    }
}

//! The screen, where a person sees one.

use std::time::Instant;

use securecall_contact::MatrixId;

use super::plan::Goal;
use crate::error::{ErrorKind, Failure};
use crate::logging;
use crate::screen::{Screen, ScreenTerminal};

/// The screen on the terminal that it has taken over, if it has one. Dropping it gives the terminal back.
#[derive(Default)]
pub(super) struct Shown(Option<(ScreenTerminal, Screen)>);

impl Shown {
    /// Takes the terminal over, for calls to and from `own_address`.
    ///
    /// # Errors
    ///
    /// The terminal cannot be put into raw mode.
    pub(super) fn open(goal: &Goal, own_address: &MatrixId) -> Result<Self, Failure> {
        let terminal = ScreenTerminal::open().map_err(|error| {
            Failure::new(
                ErrorKind::StorageFailed,
                format!("the terminal cannot be used: {error}"),
            )
        })?;
        logging::screen_is_up(true);
        let screen = match goal {
            Goal::Call(_) | Goal::Group(_) | Goal::Room(_) => Screen::of_call(),
            Goal::Listen { .. } => Screen::of_listener(own_address.clone()),
        };
        Ok(Self(Some((terminal, screen))))
    }

    /// The screen, if there is one.
    pub(super) fn screen(&mut self) -> Option<&mut Screen> {
        self.0.as_mut().map(|(_, screen)| screen)
    }

    /// Draws it. A terminal that is gone is noticed by its signal.
    pub(super) fn draw(&mut self, now: Instant) {
        if let Some((terminal, screen)) = &mut self.0 {
            let _ = terminal.draw(screen, now);
        }
    }

    /// Has everything drawn anew the next time.
    pub(super) fn disturb(&mut self) {
        if let Some((terminal, _)) = &mut self.0 {
            terminal.draw_anew();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.0.take().is_some() {
            logging::screen_is_up(false);
        }
    }
}

//! Colours and weights.

use ratatui::style::{Color, Modifier, Style};

/// Whether colours may be used; without them, weight and words carry the meaning alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Palette {
    /// `NO_COLOR` is not set.
    pub(super) colour: bool,
}

impl Palette {
    pub(super) fn paint(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    pub(super) fn quiet(self) -> Style {
        if self.colour {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    pub(super) fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

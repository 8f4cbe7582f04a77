//! Colours and weights.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

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

    /// Keys and what they mean, each a pair of spans.
    pub(super) fn keys(self, keys: &[(&str, &str)]) -> Vec<[Span<'static>; 2]> {
        keys.iter()
            .map(|(key, meaning)| {
                [
                    Span::styled(
                        format!(" {key} "),
                        Style::new().add_modifier(Modifier::REVERSED),
                    ),
                    Span::styled(format!(" {meaning}   "), self.quiet()),
                ]
            })
            .collect()
    }
}

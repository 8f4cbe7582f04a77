//! A QR code as text for a terminal.

use crate::QrCode;

/// What colour the terminal's background has.
///
/// The code is drawn without colours, with block characters in the colour of the text. On a dark background light modules are drawn,
/// on a light one the dark modules. With the wrong one the code comes out inverted, which many readers (ours too) still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Background {
    /// Light text on a dark background, as most terminals have it.
    Dark,
    /// Dark text on a light background.
    Light,
}

impl QrCode {
    /// The code in half blocks: a character is one module wide and two high, so that modules come out about square.
    ///
    /// Every line has the same number of characters and ends with a newline: `width + 8` characters, `(width + 8) / 2` lines,
    /// rounded up. There are no colours and no control characters in it.
    #[must_use]
    pub fn to_terminal(&self, background: Background) -> String {
        let width = self.width_with_zone();
        let mut text = String::with_capacity(width * width * 2);
        for row in (0..width).step_by(2) {
            for column in 0..width {
                let inked = |row| {
                    let dark = self.is_dark_with_zone(column, row);
                    // The odd row below the last belongs to nobody: it is left in the background's colour.
                    row < width && dark == (background == Background::Light)
                };
                text.push(match (inked(row), inked(row + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dark_background_shows_through_where_modules_are_dark() {
        let code = QrCode::of_text("x").unwrap();
        let dark = code.to_terminal(Background::Dark);
        let light = code.to_terminal(Background::Light);
        let dark: Vec<&str> = dark.lines().collect();
        let light: Vec<&str> = light.lines().collect();
        assert_eq!(dark.len(), 15);
        assert!(dark.iter().all(|line| line.chars().count() == 29));
        // Two lines of quiet zone, then the upper edge of two finder patterns.
        assert_eq!(dark[0], "█".repeat(29));
        assert_eq!(light[0], " ".repeat(29));
        assert!(dark[2].starts_with("████ ▄▄▄▄▄ "), "{}", dark[2]);
        assert!(light[2].starts_with("    █▀▀▀▀▀█"), "{}", light[2]);
        assert!(dark[14].starts_with('▀') && light[14].starts_with(' '));
    }
}

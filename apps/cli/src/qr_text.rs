//! A QR code on a terminal or in a text file.

use securecall_contact_qr::{Background, QrCode};
use serde::{Serialize, Serializer};

use crate::cli::QrBackground;
use crate::harmless::Printable;

/// Black on white, whatever colours the terminal has.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const PLAIN: &str = "\u{1b}[0m";

/// A code drawn with characters, two modules in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QrText {
    rows: String,
    /// It is right on no terminal but one with these colours.
    is_black_on_white: bool,
}

impl QrText {
    /// The code for a terminal with colours or without, or as plain text.
    pub(crate) fn new(code: &QrCode, background: QrBackground, colours: bool) -> Self {
        let is_black_on_white = background == QrBackground::Auto && colours;
        let drawn_for = match background {
            QrBackground::Auto if colours => Background::Light,
            QrBackground::Auto | QrBackground::Dark => Background::Dark,
            QrBackground::Light => Background::Light,
        };
        Self {
            rows: code.to_terminal(drawn_for),
            is_black_on_white,
        }
    }

    /// Adds it to what is printed.
    pub(crate) fn print(&self, printable: &mut Printable) {
        for (index, row) in self.rows.trim_end_matches('\n').lines().enumerate() {
            if index > 0 {
                printable.push("\n");
            }
            if self.is_black_on_white {
                printable.push_sequence(BLACK_ON_WHITE);
            }
            printable.push(row);
            if self.is_black_on_white {
                printable.push_sequence(PLAIN);
            }
        }
    }
}

impl Serialize for QrText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rows)
    }
}

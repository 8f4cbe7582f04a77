//! A QR code on a terminal or in a text file.

use securecall_contact_qr::{Background, QrCode};

use crate::cli::QrBackground;

/// Black on white, whatever colours the terminal has.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const PLAIN: &str = "\u{1b}[0m";

/// The code for a terminal, or as plain text. Where colours may be used and none was named, they are set.
pub(crate) fn draw(code: &QrCode, background: QrBackground, terminal: bool) -> String {
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match background {
        QrBackground::Auto if terminal && colours => code
            .to_terminal(Background::Light)
            .lines()
            .map(|line| format!("{BLACK_ON_WHITE}{line}{PLAIN}\n"))
            .collect(),
        QrBackground::Auto | QrBackground::Dark => code.to_terminal(Background::Dark),
        QrBackground::Light => code.to_terminal(Background::Light),
    }
}

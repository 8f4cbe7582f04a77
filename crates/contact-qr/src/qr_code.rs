//! A QR code that is written: its modules, before anybody draws them.

use qrcode::{Color, EcLevel, types::QrError};
use securecall_contact::ContactLink;

/// The QR code of a text, in the smallest version that holds it with error correction M.
///
/// The level of error correction is the highest that this version has room for: a code of the same size that survives more.
/// Draw it with [`to_terminal`](Self::to_terminal), [`to_svg`](Self::to_svg) or [`to_png`](Self::to_png); all of them put the
/// quiet zone of four modules around it that ISO/IEC 18004 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    width: usize,
    /// Row by row; `true` is dark.
    modules: Vec<bool>,
}

impl QrCode {
    /// Light modules around the code, on each side.
    pub const QUIET_ZONE: usize = 4;

    /// The code of a contact's deep link.
    ///
    /// # Errors
    ///
    /// [`QrCodeError::TooLong`] for a link with a very long Matrix ID and label: about 2,300 bytes fit.
    pub fn of_link(link: &ContactLink) -> Result<Self, QrCodeError> {
        Self::of_text(&link.to_string())
    }

    /// The code of any text.
    ///
    /// # Errors
    ///
    /// [`QrCodeError::TooLong`] if no version of QR code holds it.
    pub fn of_text(text: &str) -> Result<Self, QrCodeError> {
        let code = |level| qrcode::QrCode::with_error_correction_level(text, level);
        let mut best = code(EcLevel::M).map_err(|error| QrCodeError::of(error, text))?;
        for level in [EcLevel::Q, EcLevel::H] {
            match code(level) {
                Ok(stronger) if stronger.version() == best.version() => best = stronger,
                _ => break,
            }
        }
        Ok(Self {
            width: best.width(),
            modules: best
                .to_colors()
                .into_iter()
                .map(|color| color == Color::Dark)
                .collect(),
        })
    }

    /// Modules on a side, without the quiet zone: 21 to 177.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether a module is dark. Everything outside of the code is light.
    #[must_use]
    pub fn is_dark(&self, column: usize, row: usize) -> bool {
        column < self.width
            && row < self.width
            && self.modules.get(row * self.width + column) == Some(&true)
    }

    /// As [`is_dark`](Self::is_dark), counted from the corner of the quiet zone.
    pub(crate) fn is_dark_with_zone(&self, column: usize, row: usize) -> bool {
        match (
            column.checked_sub(Self::QUIET_ZONE),
            row.checked_sub(Self::QUIET_ZONE),
        ) {
            (Some(column), Some(row)) => self.is_dark(column, row),
            _ => false,
        }
    }

    /// Modules on a side with the quiet zone.
    pub(crate) fn width_with_zone(&self) -> usize {
        self.width + 2 * Self::QUIET_ZONE
    }
}

/// Why a text has no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QrCodeError {
    /// Even the largest QR code does not hold it.
    #[error("{found} bytes are too many for a QR code: about 2,300 fit")]
    TooLong {
        /// Bytes counted.
        found: usize,
    },
    /// The encoder refused it for a reason that does not come up with text.
    #[error("no QR code can be made of this text")]
    Encoder,
}

impl QrCodeError {
    fn of(error: QrError, text: &str) -> Self {
        match error {
            QrError::DataTooLong => Self::TooLong { found: text.len() },
            _ => Self::Encoder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str =
        "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

    #[test]
    fn error_correction_is_as_high_as_it_comes_for_nothing() {
        // 77 bytes: version 5 holds 84 at M and 60 at Q. 58 bytes: version 4 holds 62 at M, and 46 at Q.
        assert_eq!(QrCode::of_text(LINK).unwrap().width(), 37);
        // 10 bytes fit into version 1 at M (14) and Q (11), not at H (7).
        let text = "0123456abc";
        let code = QrCode::of_text(text).unwrap();
        let quartile = qrcode::QrCode::with_error_correction_level(text, EcLevel::Q).unwrap();
        assert_eq!(code.width(), 21);
        assert_eq!(
            code.modules,
            quartile
                .to_colors()
                .into_iter()
                .map(|color| color == Color::Dark)
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_text_that_no_code_holds_is_refused() {
        assert_eq!(
            QrCode::of_text(&"x".repeat(2_332)),
            Err(QrCodeError::TooLong { found: 2_332 })
        );
        assert_eq!(QrCode::of_text(&"x".repeat(2_331)).unwrap().width(), 177);
    }

    #[test]
    fn everything_around_the_code_is_light() {
        let code = QrCode::of_text("x").unwrap();
        assert!(code.is_dark(0, 0) && code.is_dark(20, 0));
        assert!(!code.is_dark(21, 0) && !code.is_dark(0, 21));
        assert!(!code.is_dark_with_zone(3, 4) && code.is_dark_with_zone(4, 4));
        assert!(!code.is_dark_with_zone(25, 4));
    }
}

//! zxing-cpp, the best reader of QR codes there is, as its Python package comes.

use std::{collections::BTreeMap, path::Path};

use crate::venv::{self, ScriptError};

/// Reads every file of a directory with its default options: all tries, all rotations, inverted too.
const SCRIPT: &str = include_str!("zxing_cpp.py");

/// The texts of the QR codes in every picture of a directory (all of its `.png`, `.jpg` and `.webp` files), by file name.
///
/// The first time on a machine, installs zxing-cpp.
///
/// # Errors
///
/// When Python is missing, the package cannot be installed, or the reader fails as a whole.
pub fn texts_by_zxing_cpp(directory: &Path) -> Result<BTreeMap<String, Vec<String>>, ScriptError> {
    let printed = venv::ZXING_CPP.run(SCRIPT, [directory])?;
    // One line a file: its name and the texts, in hexadecimal digits so that nothing in a text can be taken for a border.
    let lines = String::from_utf8_lossy(&printed);
    Ok(lines
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let name = fields.next()?.to_owned();
            Some((name, fields.filter_map(text_of).collect()))
        })
        .collect())
}

fn text_of(digits: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_hexadecimal_digits() {
        assert_eq!(text_of("c3a462"), Some("äb".to_owned()));
        assert_eq!(text_of(""), Some(String::new()));
        assert_eq!(text_of("c"), None);
    }
}

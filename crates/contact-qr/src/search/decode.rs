//! From dark and light modules to the text.

use rxing::{common::BitMatrix, qrcode::cpp_port::decoder::Decode};

/// The text of a code with these modules (row by row, `true` is dark); `None` if errors are too many.
pub(crate) fn text_of(width: usize, dark: &[bool]) -> Option<String> {
    let side = u32::try_from(width).ok()?;
    let mut matrix = BitMatrix::new(side, side).ok()?;
    for (index, dark) in dark.iter().enumerate() {
        if *dark {
            matrix.set((index % width) as u32, (index / width) as u32);
        }
    }
    text_of_matrix(&matrix)
}

/// As [`text_of`], for modules that rxing has sampled.
pub(crate) fn text_of_matrix(matrix: &BitMatrix) -> Option<String> {
    let result = Decode(matrix).ok()?;
    result.isValid().then(|| result.text())
}

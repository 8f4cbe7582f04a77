//! What every QR code of a size has in the same places: finder patterns, timing patterns, alignment patterns (ISO/IEC 18004, 6.3).

/// A module whose colour is known beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The middle of the module, in modules.
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) dark: bool,
}

/// The known modules of codes of one size, in groups: within a group light is about even.
#[derive(Debug)]
pub(crate) struct FunctionPatterns {
    /// Finder patterns with their separators: top left, top right, bottom left.
    pub(crate) finders: [Vec<Known>; 3],
    /// Timing patterns: the row and the column.
    pub(crate) timing: [Vec<Known>; 2],
    /// Alignment patterns; the last one is nearest to the corner without a finder pattern. None for 21 modules.
    pub(crate) alignment: Vec<Vec<Known>>,
}

impl FunctionPatterns {
    /// Those of a code with `width` modules on a side: 21, 25, … 177.
    pub(crate) fn new(width: usize) -> Self {
        let far = width - 7;
        let finder = |left: usize, top: usize| {
            // The separator lies towards the middle of the code.
            let columns = if left == 0 { 0..8 } else { left - 1..width };
            let rows = if top == 0 { 0..8 } else { top - 1..width };
            rows.flat_map(|y| columns.clone().map(move |x| (x, y)))
                .map(|(x, y)| {
                    known(
                        x,
                        y,
                        ring(x, y, left + 3, top + 3) != 2 && inside(x, y, left, top),
                    )
                })
                .collect()
        };
        let timing = |at: fn(usize) -> (usize, usize)| {
            (8..width - 8)
                .map(|i| {
                    let (x, y) = at(i);
                    known(x, y, i % 2 == 0)
                })
                .collect()
        };
        Self {
            finders: [finder(0, 0), finder(far, 0), finder(0, far)],
            timing: [timing(|i| (i, 6)), timing(|i| (6, i))],
            alignment: alignment(width),
        }
    }
}

fn known(x: usize, y: usize, dark: bool) -> Known {
    Known {
        x: x as f64 + 0.5,
        y: y as f64 + 0.5,
        dark,
    }
}

/// Which ring around a middle a module is in.
fn ring(x: usize, y: usize, middle_x: usize, middle_y: usize) -> usize {
    x.abs_diff(middle_x).max(y.abs_diff(middle_y))
}

fn inside(x: usize, y: usize, left: usize, top: usize) -> bool {
    (left..left + 7).contains(&x) && (top..top + 7).contains(&y)
}

fn alignment(width: usize) -> Vec<Vec<Known>> {
    let centers = alignment_centers(width);
    let Some(last) = centers.last().copied() else {
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for &y in &centers {
        for &x in &centers {
            // Where finder patterns are there is no room.
            let at_finder = (x == 6 && (y == 6 || y == last)) || (y == 6 && x == last);
            if !at_finder {
                let modules = (y - 2..=y + 2)
                    .flat_map(|row| (x - 2..=x + 2).map(move |column| (column, row)));
                patterns.push(
                    modules
                        .map(|(column, row)| known(column, row, ring(column, row, x, y) != 1))
                        .collect(),
                );
            }
        }
    }
    patterns
}

/// Rows and columns on which alignment patterns are centred (ISO/IEC 18004, annex E, as a formula).
fn alignment_centers(width: usize) -> Vec<usize> {
    let version = (width - 17) / 4;
    if version < 2 {
        return Vec::new();
    }
    let count = version / 7 + 2;
    let step = if version == 32 {
        26
    } else {
        (version * 4 + count * 2 + 1) / (count * 2 - 2) * 2
    };
    let mut centers: Vec<usize> = (0..count - 1).map(|i| width - 7 - i * step).collect();
    centers.push(6);
    centers.reverse();
    centers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QrCode;

    #[test]
    fn every_version_has_the_patterns_where_they_are_expected() {
        // Texts that give versions from 1 to 40.
        for length in (10..2_331).step_by(40) {
            let code = QrCode::of_text(&"x".repeat(length)).unwrap();
            let patterns = FunctionPatterns::new(code.width());
            let all = patterns
                .finders
                .iter()
                .chain(&patterns.timing)
                .chain(&patterns.alignment)
                .flatten();
            for known in all {
                let (x, y) = (known.x as usize, known.y as usize);
                assert_eq!(
                    code.is_dark(x, y),
                    known.dark,
                    "({x}, {y}) of {}",
                    code.width()
                );
            }
        }
    }
}

//! Finder patterns in black and white: along any line through the middle of one, dark and light alternate as 1 : 1 : 3 : 1 : 1.

use rxing::{
    common::{BitMatrix, cpp_essentials::ConcentricPattern},
    point,
};

/// Pixels of a pattern at least: seven modules of little more than one.
const SMALLEST: usize = 8;
/// Patterns kept from one black-and-white copy; more come from print and noise only.
const MOST: usize = 2_000;

/// All places that look like finder patterns. Tolerant: what is none is found out in grey.
pub(crate) fn finder_patterns(matrix: &BitMatrix) -> Vec<ConcentricPattern> {
    let mut found = Vec::new();
    // The middle of a pattern is three modules high.
    let step = if matrix.height() < 1200 { 2 } else { 3 };
    let mut edges = Vec::new();
    for y in (1..matrix.height()).step_by(step) {
        edges_of(matrix, y, &mut edges);
        // Runs between edges are dark, light, dark, …
        for window in edges.windows(6).step_by(2) {
            let runs: [usize; 5] = std::array::from_fn(|i| window[i + 1] - window[i]);
            if !is_pattern(&runs) {
                continue;
            }
            let x = (window[2] + window[3]) as f32 / 2.0;
            if let Some(pattern) = confirm(matrix, x, y, &runs)
                && !found.iter().any(|other| is_same(other, &pattern))
            {
                found.push(pattern);
                if found.len() >= MOST {
                    return found;
                }
            }
        }
    }
    found
}

/// Where the row changes between light and dark; the first edge begins a dark run.
fn edges_of(matrix: &BitMatrix, y: u32, edges: &mut Vec<usize>) {
    edges.clear();
    let row = matrix.getRow(y);
    let width = matrix.width() as usize;
    let bits = usize::BITS as usize;
    let mut before = 0;
    for (index, word) in row.getBitArray().iter().enumerate() {
        let mut changes = word ^ (word << 1 | before);
        before = word >> (bits - 1);
        while changes != 0 {
            let edge = index * bits + changes.trailing_zeros() as usize;
            if edge < width {
                edges.push(edge);
            }
            changes &= changes - 1;
        }
    }
    edges.push(width);
}

fn is_pattern(runs: &[usize; 5]) -> bool {
    let total: usize = runs.iter().sum();
    if total < SMALLEST {
        return false;
    }
    let module = total as f32 / 7.0;
    // Half a module, and a pixel's worth of rounding.
    let tolerance = 0.5 * module + 0.6;
    let near = |run: usize, modules: f32| (run as f32 - modules * module).abs() <= tolerance;
    near(runs[0], 1.0)
        && near(runs[1], 1.0)
        && (runs[2] as f32 - 3.0 * module).abs() <= 2.0 * tolerance
        && near(runs[3], 1.0)
        && near(runs[4], 1.0)
}

/// Looks for the same pattern down the column, then across again at the height that this gives.
fn confirm(matrix: &BitMatrix, x: f32, y: u32, across: &[usize; 5]) -> Option<ConcentricPattern> {
    let width: usize = across.iter().sum();
    let (middle_y, height) = cross(matrix, x as u32, y, (0, 1), width * 3)?;
    let ratio = height as f32 / width as f32;
    if !(0.3..3.3).contains(&ratio) {
        return None;
    }
    let (middle_x, width) = cross(matrix, x as u32, middle_y as u32, (1, 0), width * 2)?;
    Some(ConcentricPattern {
        p: point(middle_x, middle_y),
        size: ((width * height) as f32).sqrt().round() as i32,
    })
}

/// The pattern along a line through (x, y), down or across: the middle of it on that axis, and its length.
fn cross(
    matrix: &BitMatrix,
    x: u32,
    y: u32,
    (dx, dy): (u32, u32),
    longest: usize,
) -> Option<(f32, usize)> {
    let at = if dx == 1 { x } else { y };
    let end = if dx == 1 {
        matrix.width()
    } else {
        matrix.height()
    };
    let dark = |i: u32| matrix.get(x * dy + i * dx, y * dx + i * dy);
    if at >= end || !dark(at) {
        return None;
    }
    // Back from the middle: the rest of the dark middle, light, dark; then forward.
    let mut back = [0_usize; 3];
    let mut i = at;
    for (index, run) in back.iter_mut().enumerate() {
        while dark(i) == (index % 2 == 0) {
            *run += 1;
            if *run > longest {
                return None;
            }
            if i == 0 {
                // Only the outermost ring may touch the edge of the picture.
                if index < 2 {
                    return None;
                }
                break;
            }
            i -= 1;
        }
    }
    let mut forward = [0_usize; 3];
    let mut i = at + 1;
    for (index, run) in forward.iter_mut().enumerate() {
        while i < end && dark(i) == (index % 2 == 0) {
            *run += 1;
            if *run > longest {
                return None;
            }
            i += 1;
        }
        if i == end && index < 2 {
            return None;
        }
    }
    let runs = [
        back[2],
        back[1],
        back[0] + forward[0],
        forward[1],
        forward[2],
    ];
    if !is_pattern(&runs) {
        return None;
    }
    let start = at as f32 + 1.0 - back[0] as f32;
    Some((start + runs[2] as f32 / 2.0, runs.iter().sum()))
}

fn is_same(a: &ConcentricPattern, b: &ConcentricPattern) -> bool {
    let size = a.size.max(b.size) as f32;
    (a.p.x - b.p.x).abs() < size / 4.0 && (a.p.y - b.p.y).abs() < size / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QrCode;

    /// A code of `module` pixels a module with its quiet zone.
    fn matrix(text: &str, module: usize) -> (BitMatrix, usize) {
        let code = QrCode::of_text(text).unwrap();
        let side = code.width_with_zone() * module;
        let mut matrix = BitMatrix::new(side as u32, side as u32).unwrap();
        for y in 0..side {
            for x in 0..side {
                if code.is_dark_with_zone(x / module, y / module) {
                    matrix.set(x as u32, y as u32);
                }
            }
        }
        (matrix, code.width())
    }

    #[test]
    fn the_three_patterns_of_a_code_are_found_in_their_middles() {
        for module in 2..12 {
            let (matrix, width) = matrix("securecall", module);
            let found = finder_patterns(&matrix);
            let middle = |modules: usize| (modules as f32 + 7.5) * module as f32;
            for (x, y) in [(0, 0), (width - 7, 0), (0, width - 7)] {
                let near = found.iter().find(|pattern| {
                    (pattern.p.x - middle(x)).abs() < 1.0 && (pattern.p.y - middle(y)).abs() < 1.0
                });
                let pattern = near.unwrap_or_else(|| panic!("({x}, {y}) at {module}: {found:?}"));
                assert_eq!(pattern.size as usize, 7 * module);
            }
        }
    }

    #[test]
    fn edges_are_where_the_row_changes_and_begin_with_a_dark_run() {
        let mut matrix = BitMatrix::new(150, 2).unwrap();
        for x in (0..3).chain(60..70).chain(149..150) {
            matrix.set(x, 1);
        }
        let mut edges = Vec::new();
        edges_of(&matrix, 1, &mut edges);
        assert_eq!(edges, [0, 3, 60, 70, 149, 150]);
        edges_of(&matrix, 0, &mut edges);
        assert_eq!(edges, [150]);
    }

    #[test]
    fn a_pattern_at_the_edge_of_the_picture_is_no_trouble() {
        for side in 1..12 {
            let mut matrix = BitMatrix::new(side, side).unwrap();
            matrix.flip_self();
            assert!(finder_patterns(&matrix).is_empty());
        }
    }

    /// A field of patterns, `columns` by `rows`, with modules of `across` by `down` pixels.
    fn field(columns: usize, rows: usize, across: usize, down: usize) -> BitMatrix {
        let (width, height) = (columns * 9 * across, rows * 9 * down);
        let mut matrix = BitMatrix::new(width as u32, height as u32).unwrap();
        for y in 0..height {
            for x in 0..width {
                let ring = (x / across % 9).abs_diff(4).max((y / down % 9).abs_diff(4));
                if !matches!(ring, 2 | 4) {
                    matrix.set(x as u32, y as u32);
                }
            }
        }
        matrix
    }

    #[test]
    fn each_pattern_is_found_once_and_of_very_many_only_so_many() {
        assert_eq!(finder_patterns(&field(6, 5, 4, 4)).len(), 30);
        assert_eq!(finder_patterns(&field(50, 50, 2, 2)).len(), MOST);
    }

    #[test]
    fn what_is_too_small_or_drawn_out_is_no_pattern() {
        assert!(finder_patterns(&field(1, 1, 1, 1)).is_empty());
        assert_eq!(finder_patterns(&field(1, 1, 4, 10)).len(), 1);
        assert!(finder_patterns(&field(1, 1, 4, 16)).is_empty());
        assert!(finder_patterns(&field(1, 1, 16, 4)).is_empty());
    }
}

//! From grey to black and white, by comparing each pixel with its surroundings.

use rxing::common::{BitArray, BitMatrix};

use crate::grey::Grey;

/// How to decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threshold {
    /// Pixels to each side that count as surroundings.
    pub(crate) reach: usize,
    /// How much darker than its surroundings a dark pixel is at least, in grey levels.
    pub(crate) bias: i32,
}

/// What is darker than its surroundings, and with `light` what is lighter: the picture with its brightness inverted.
///
/// Sums over the window slide along, so that the cost does not depend on its size.
pub(crate) fn binarize(grey: &Grey, threshold: Threshold, light: bool) -> Option<BitMatrix> {
    let (width, height) = (grey.width(), grey.height());
    let mut matrix =
        BitMatrix::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?).ok()?;
    let reach = threshold.reach;
    // Per column, the sum of the rows in the window.
    let mut columns = vec![0_u32; width];
    for y in 0..reach.min(height) {
        add(&mut columns, grey.row(y));
    }
    let mut bits = BitArray::with_size(width);
    for y in 0..height {
        if y + reach < height {
            add(&mut columns, grey.row(y + reach));
        }
        if y > reach {
            subtract(&mut columns, grey.row(y - reach - 1));
        }
        let rows = (y + reach).min(height - 1) - y.saturating_sub(reach) + 1;
        row_bits(&mut bits, grey.row(y), &columns, rows, threshold, light);
        matrix.setRow(y as u32, &bits);
    }
    Some(matrix)
}

fn row_bits(
    bits: &mut BitArray,
    row: &[u8],
    columns: &[u32],
    rows: usize,
    threshold: Threshold,
    light: bool,
) {
    const WORD: usize = usize::BITS as usize;
    let width = row.len();
    let reach = threshold.reach;
    let mut sum: u32 = columns[..reach.min(width)].iter().sum();
    let mut word = 0_usize;
    for x in 0..width {
        if x + reach < width {
            sum += columns[x + reach];
        }
        if x > reach {
            sum -= columns[x - reach - 1];
        }
        let across = (x + reach).min(width - 1) - x.saturating_sub(reach) + 1;
        let area = (rows * across) as i64;
        // value < mean - bias, without dividing.
        let difference = i64::from(sum) - i64::from(row[x]) * area;
        let margin = i64::from(threshold.bias) * area;
        let set = if light {
            -difference > margin
        } else {
            difference > margin
        };
        word |= usize::from(set) << (x % WORD);
        if x % WORD == WORD - 1 || x == width - 1 {
            bits.setBulk(x - x % WORD, word);
            word = 0;
        }
    }
}

fn add(columns: &mut [u32], row: &[u8]) {
    for (sum, pixel) in columns.iter_mut().zip(row) {
        *sum += u32::from(*pixel);
    }
}

fn subtract(columns: &mut [u32], row: &[u8]) {
    for (sum, pixel) in columns.iter_mut().zip(row) {
        *sum -= u32::from(*pixel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_sums_are_those_of_the_window() {
        let (width, height) = (150, 40);
        let pixels: Vec<u8> = (0..width * height)
            .map(|index| (index * 7_919 % 256) as u8)
            .collect();
        let grey = Grey::new(width, height, pixels).unwrap();
        for (reach, bias) in [(0, 0), (3, 6), (20, 1), (200, -2)] {
            let dark = binarize(&grey, Threshold { reach, bias }, false).unwrap();
            let light = binarize(&grey, Threshold { reach, bias }, true).unwrap();
            for y in 0..height {
                for x in 0..width {
                    let rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
                    let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
                    let area = (rows.len() * columns.len()) as i64;
                    let sum: i64 = rows
                        .flat_map(|row| grey.row(row)[columns.clone()].iter())
                        .map(|value| i64::from(*value))
                        .sum();
                    let difference = sum - i64::from(grey.row(y)[x]) * area;
                    let margin = i64::from(bias) * area;
                    let at = (x as u32, y as u32);
                    assert_eq!(dark.get(at.0, at.1), difference > margin, "{at:?} {reach}");
                    assert_eq!(
                        light.get(at.0, at.1),
                        -difference > margin,
                        "{at:?} {reach}"
                    );
                }
            }
        }
    }
}

//! The modules of a code as grey values, and the decision which are dark.

use super::grid::Grid;
use crate::grey::Grey;

/// Grey values of a code's modules, row by row; low is dark.
#[derive(Clone, Debug)]
pub(crate) struct Modules {
    width: usize,
    values: Vec<f32>,
}

impl Modules {
    /// Measures each module around its middle: `spread` modules to each side, by a square of `points`² points.
    pub(crate) fn measure(
        layer: &Grey,
        grid: &Grid,
        width: usize,
        inverted: bool,
        spread: f64,
        points: usize,
    ) -> Self {
        let offsets: Vec<f64> = (0..points)
            .map(|i| {
                let along = (i as f64 + 0.5) / points as f64 * 2.0 - 1.0;
                0.5 + spread * along
            })
            .collect();
        let mut values = Vec::with_capacity(width * width);
        for row in 0..width {
            for column in 0..width {
                let mut sum = 0.0;
                for dy in &offsets {
                    for dx in &offsets {
                        let (x, y) = grid.pixel(column as f64 + dx, row as f64 + dy);
                        sum += layer.at(x, y);
                    }
                }
                let value = sum / (points * points) as f32;
                values.push(if inverted { 255.0 - value } else { value });
            }
        }
        Self { width, values }
    }

    /// With the light that blur has spread into the four neighbours taken back: `share` of it to each.
    pub(crate) fn sharpened(&self, share: f32) -> Self {
        let width = self.width;
        let at = |x: usize, y: usize| self.values[y * width + x];
        let values = (0..width * width)
            .map(|index| {
                let (x, y) = (index % width, index / width);
                let own = at(x, y);
                // Beyond the edge lies the light quiet zone; its own value stands in for it.
                let neighbours = at(x.saturating_sub(1), y)
                    + at((x + 1).min(width - 1), y)
                    + at(x, y.saturating_sub(1))
                    + at(x, (y + 1).min(width - 1));
                own + share * (4.0 * own - neighbours)
            })
            .collect();
        Self { width, values }
    }

    /// Which modules are dark: those below the middle between the darkest and the lightest in the square of `reach` modules around.
    pub(crate) fn dark_by_range(&self, reach: usize) -> Vec<bool> {
        self.compare(
            |window| {
                let (low, high) = window.fold((f32::MAX, f32::MIN), |(low, high), value| {
                    (low.min(value), high.max(value))
                });
                (low + high) / 2.0
            },
            reach,
        )
    }

    /// Which modules are dark: those below the mean of the square of `reach` modules around.
    pub(crate) fn dark_by_mean(&self, reach: usize) -> Vec<bool> {
        self.compare(
            |window| {
                let (sum, count) =
                    window.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                sum / count
            },
            reach,
        )
    }

    fn compare(
        &self,
        level: impl Fn(&mut dyn Iterator<Item = f32>) -> f32,
        reach: usize,
    ) -> Vec<bool> {
        let width = self.width;
        let mut dark = Vec::with_capacity(width * width);
        for y in 0..width {
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(width);
            for x in 0..width {
                let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
                let mut window = rows.clone().flat_map(|row| {
                    let row = &self.values[row * width..(row + 1) * width];
                    row[columns.clone()].iter().copied()
                });
                dark.push(self.values[y * width + x] < level(&mut window));
            }
        }
        dark
    }
}

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

    /// Which modules are dark if a Gaussian blur has mixed them: found by mixing a guess in the same way and correcting it by what then
    /// differs, again and again (Van Cittert's iteration), with the guess kept between dark and light. That bound is what makes it work where
    /// the blur has wiped out the finest pattern.
    pub(crate) fn deblurred(&self, across: f32, down: f32) -> Vec<bool> {
        let seen = self.normalized(5);
        let [across, down] = [across, down].map(kernel);
        let mut guess = seen.clone();
        for _ in 0..ITERATIONS {
            let mixed = mix(
                &mix(&guess, self.width, &across, false),
                self.width,
                &down,
                true,
            );
            for ((guess, seen), mixed) in guess.iter_mut().zip(&seen).zip(mixed) {
                *guess = (*guess + 1.2 * (seen - mixed)).clamp(0.0, 1.0);
            }
        }
        guess.into_iter().map(|value| value < 0.5).collect()
    }

    /// From 0 (dark) to 1 (light), by the darkest and the lightest in the square of `reach` modules around.
    fn normalized(&self, reach: usize) -> Vec<f32> {
        let level = |pick: fn(f32, f32) -> f32, start: f32| {
            let mut levels = Vec::with_capacity(self.values.len());
            self.windows(reach, |window| levels.push(window.fold(start, pick)));
            levels
        };
        let low = level(f32::min, f32::MAX);
        let high = level(f32::max, f32::MIN);
        self.values
            .iter()
            .zip(low.into_iter().zip(high))
            .map(|(value, (low, high))| (value - low) / (high - low).max(1.0))
            .collect()
    }

    fn compare(
        &self,
        level: impl Fn(&mut dyn Iterator<Item = f32>) -> f32,
        reach: usize,
    ) -> Vec<bool> {
        let mut levels = Vec::with_capacity(self.values.len());
        self.windows(reach, |window| levels.push(level(window)));
        self.values
            .iter()
            .zip(levels)
            .map(|(value, level)| *value < level)
            .collect()
    }

    /// Calls with the square of `reach` modules around each module, row by row.
    fn windows(&self, reach: usize, mut see: impl FnMut(&mut dyn Iterator<Item = f32>)) {
        let width = self.width;
        for y in 0..width {
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(width);
            for x in 0..width {
                let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
                see(&mut rows.clone().flat_map(|row| {
                    let row = &self.values[row * width..(row + 1) * width];
                    row[columns.clone()].iter().copied()
                }));
            }
        }
    }
}

/// Rounds of correction.
const ITERATIONS: usize = 30;
/// Modules to each side that blur mixes.
const REACH: usize = 2;

/// How much a module gets of itself and its neighbours.
fn kernel(deviation: f32) -> [f32; 2 * REACH + 1] {
    let weights: [f32; 2 * REACH + 1] = std::array::from_fn(|i| {
        let distance = i.abs_diff(REACH) as f32 / deviation;
        (-distance * distance / 2.0).exp()
    });
    let sum: f32 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Mixes neighbours in a row, or in a column. Beyond the edge lies the quiet zone, which is light.
fn mix(values: &[f32], width: usize, kernel: &[f32; 2 * REACH + 1], down: bool) -> Vec<f32> {
    let step = if down { width } else { 1 };
    (0..values.len())
        .map(|index| {
            let place = if down { index / width } else { index % width };
            let parts = kernel.iter().enumerate().map(|(i, weight)| {
                let inside = place + i >= REACH && place + i - REACH < width;
                let value = if inside {
                    values[index + i * step - REACH * step]
                } else {
                    1.0
                };
                weight * value
            });
            parts.sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Modules of no code, as a generator of random numbers has them.
    fn dark(width: usize) -> Vec<bool> {
        let mut state = 7_u32;
        (0..width * width)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 31 == 1
            })
            .collect()
    }

    fn seen(width: usize, dark: &[bool], deviation: f32) -> Modules {
        let light: Vec<f32> = dark
            .iter()
            .map(|dark| if *dark { 0.0 } else { 1.0 })
            .collect();
        let kernel = kernel(deviation);
        let mixed = mix(&mix(&light, width, &kernel, false), width, &kernel, true);
        Modules {
            width,
            values: mixed
                .into_iter()
                .map(|value| 40.0 + 150.0 * value)
                .collect(),
        }
    }

    fn wrong(a: &[bool], b: &[bool]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn without_blur_every_way_to_decide_is_right() {
        let dark = dark(33);
        let modules = seen(33, &dark, 0.2);
        assert_eq!(modules.dark_by_range(4), dark);
        assert_eq!(modules.dark_by_mean(9), dark);
        assert_eq!(modules.deblurred(0.2, 0.2), dark);
    }

    #[test]
    fn strong_blur_is_undone_where_a_threshold_is_lost() {
        let dark = dark(45);
        let modules = seen(45, &dark, 0.75);
        let by_range = wrong(&modules.dark_by_range(4), &dark);
        let deblurred = wrong(&modules.deblurred(0.75, 0.75), &dark);
        assert!(by_range > 150 && deblurred < 40, "{by_range} {deblurred}");
    }
}

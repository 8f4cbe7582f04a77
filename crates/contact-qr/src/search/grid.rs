//! The grid of a code's modules as it lies in a picture: a projective map, fitted to the patterns that are known.

use super::{
    function_patterns::{FunctionPatterns, Known},
    work::Work,
};
use crate::grey::Grey;

pub(crate) type Point = (f64, f64);

/// A projective map from modules to pixels of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid([f64; 9]);

impl Grid {
    /// The map that takes each of four points, no three of them on a line, to its place.
    pub(crate) fn through(from: [Point; 4], to: [Point; 4]) -> Option<Self> {
        let a = square_to(from)?;
        let b = square_to(to)?;
        Some(Self(multiply(&b, &adjugate(&a)))).filter(|grid| grid.0.iter().all(|v| v.is_finite()))
    }

    pub(crate) fn pixel(&self, x: f64, y: f64) -> Point {
        let m = &self.0;
        let w = m[6] * x + m[7] * y + m[8];
        (
            (m[0] * x + m[1] * y + m[2]) / w,
            (m[3] * x + m[4] * y + m[5]) / w,
        )
    }
}

/// The map that takes the unit square to four points (top left, top right, bottom right, bottom left).
fn square_to([(x0, y0), (x1, y1), (x2, y2), (x3, y3)]: [Point; 4]) -> Option<[f64; 9]> {
    let (dx1, dx2, dx3) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
    let (dy1, dy2, dy3) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
    let determinant = dx1 * dy2 - dx2 * dy1;
    if determinant.abs() < 1e-9 {
        return None;
    }
    let g = (dx3 * dy2 - dx2 * dy3) / determinant;
    let h = (dx1 * dy3 - dx3 * dy1) / determinant;
    Some([
        x1 - x0 + g * x1,
        x3 - x0 + h * x3,
        x0,
        y1 - y0 + g * y1,
        y3 - y0 + h * y3,
        y0,
        g,
        h,
        1.0,
    ])
}

fn adjugate(m: &[f64; 9]) -> [f64; 9] {
    let [a, b, c, d, e, f, g, h, i] = *m;
    [
        e * i - f * h,
        c * h - b * i,
        b * f - c * e,
        f * g - d * i,
        a * i - c * g,
        c * d - a * f,
        d * h - e * g,
        b * g - a * h,
        a * e - b * d,
    ]
}

fn multiply(a: &[f64; 9], b: &[f64; 9]) -> [f64; 9] {
    std::array::from_fn(|i| (0..3).map(|k| a[i / 3 * 3 + k] * b[k * 3 + i % 3]).sum())
}

/// A grid under adjustment: where the middles of three finder patterns and a fourth point lie.
#[derive(Clone, Debug)]
pub(crate) struct Fit<'a> {
    layer: &'a Grey,
    work: &'a Work,
    /// Light modules on a dark ground.
    inverted: bool,
    patterns: &'a FunctionPatterns,
    /// Of the four points, in modules.
    modules: [Point; 4],
    /// Of the four points, in pixels of the layer: top left, top right, fourth, bottom left.
    pub(crate) points: [Point; 4],
}

impl<'a> Fit<'a> {
    /// With the finder patterns' middles (top left, top right, bottom left) and a guess of the corner `fourth` that mirrors the first one.
    pub(crate) fn new(
        (layer, work): (&'a Grey, &'a Work),
        inverted: bool,
        patterns: &'a FunctionPatterns,
        width: usize,
        [top_left, top_right, bottom_left]: [Point; 3],
        fourth: Point,
    ) -> Self {
        let far = width as f64 - 3.5;
        Self {
            layer,
            work,
            inverted,
            patterns,
            modules: [(3.5, 3.5), (far, 3.5), (far, far), (3.5, far)],
            points: [top_left, top_right, fourth, bottom_left],
        }
    }

    pub(crate) fn grid(&self) -> Option<Grid> {
        Grid::through(self.modules, self.points)
    }

    /// How well each group of known modules is seen through the grid: correlations from -1 to 1, each with its weight.
    fn groups(&self) -> impl Iterator<Item = (&'a [Known], f64)> + use<'a> {
        let patterns = self.patterns;
        let finders = patterns.finders.iter().map(|group| (group.as_slice(), 1.0));
        let timing = patterns.timing.iter().map(|group| (group.as_slice(), 0.7));
        let last = patterns.alignment.len().saturating_sub(1);
        let alignment = patterns
            .alignment
            .iter()
            .enumerate()
            .map(move |(index, group)| {
                let weight = if index == last {
                    1.0
                } else {
                    0.5 / last as f64
                };
                (group.as_slice(), weight)
            });
        finders.chain(timing).chain(alignment)
    }

    /// The weighted mean of all groups' correlations; -1 once work is over.
    pub(crate) fn score(&self) -> f64 {
        self.score_of(self.groups())
    }

    /// As [`score`](Self::score), without most of the alignment patterns.
    fn coarse_score(&self) -> f64 {
        let last = 5 + self.patterns.alignment.len().saturating_sub(1);
        let groups = self.groups().enumerate();
        self.score_of(
            groups
                .filter(|(index, _)| *index < 5 || *index == last)
                .map(|(_, group)| group),
        )
    }

    fn score_of(&self, groups: impl Iterator<Item = (&'a [Known], f64)>) -> f64 {
        let Some(grid) = self.grid().filter(|_| !self.work.is_over()) else {
            return -1.0;
        };
        let (mut sum, mut weights) = (0.0, 0.0);
        for (group, weight) in groups {
            sum += weight * self.correlation(&grid, group);
            weights += weight;
        }
        sum / weights
    }

    /// The mean correlation of the three finder patterns.
    pub(crate) fn finder_score(&self) -> f64 {
        let Some(grid) = self.grid() else {
            return -1.0;
        };
        let sum: f64 = self
            .patterns
            .finders
            .iter()
            .map(|group| self.correlation(&grid, group))
            .sum();
        sum / 3.0
    }

    fn correlation(&self, grid: &Grid, group: &[Known]) -> f64 {
        if group.is_empty() {
            return 0.0;
        }
        self.work.spend(group.len());
        let [mut dark, mut light] = [(0.0, 0.0); 2];
        let mut squares = 0.0;
        for known in group {
            let (x, y) = grid.pixel(known.x, known.y);
            let value = f64::from(self.layer.at(x, y));
            let side = if known.dark { &mut dark } else { &mut light };
            side.0 += value;
            side.1 += 1.0;
            squares += value * value;
        }
        let count = dark.1 + light.1;
        let mean = (dark.0 + light.0) / count;
        let variance = squares / count - mean * mean;
        // Flat ground shows no pattern, and has no spread to divide by.
        if variance < 1e-6 || dark.1 == 0.0 || light.1 == 0.0 {
            return 0.0;
        }
        let difference = light.0 / light.1 - dark.0 / dark.1;
        let spread = (dark.1 * light.1).sqrt() / count;
        let correlation = difference * spread / variance.sqrt();
        if self.inverted {
            -correlation
        } else {
            correlation
        }
    }

    /// Moves the four points until no small step improves the score. Gives the score.
    pub(crate) fn refine(&mut self, module: f64, first_step: f64) -> f64 {
        let mut score = self.score();
        let mut step = first_step * module;
        while step > 0.04 * module {
            let mut improved = false;
            // The fourth point first: it is the one that was guessed.
            for index in [2, 0, 1, 3] {
                for (dx, dy) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
                    let reach = if index == 2 { 2.0 } else { 1.0 };
                    let before = self.points[index];
                    self.points[index] =
                        (before.0 + dx * step * reach, before.1 + dy * step * reach);
                    let now = self.score();
                    if now > score {
                        score = now;
                        improved = true;
                    } else {
                        self.points[index] = before;
                    }
                }
            }
            if !improved {
                step /= 2.0;
            }
        }
        score
    }

    /// Tries the fourth point all over the region where a tilted code may have it; keeps the best.
    pub(crate) fn sweep(&mut self, reach: f64, step: f64) {
        let [top_left, top_right, guess, bottom_left] = self.points;
        let across = (top_right.0 - top_left.0, top_right.1 - top_left.1);
        let down = (bottom_left.0 - top_left.0, bottom_left.1 - top_left.1);
        let steps = (reach / step).ceil() as i32;
        let mut best = (self.coarse_score(), guess);
        for i in -steps..=steps {
            for j in -steps..=steps {
                let (u, v) = (f64::from(i) * step, f64::from(j) * step);
                self.points[2] = (
                    guess.0 + u * across.0 + v * down.0,
                    guess.1 + u * across.1 + v * down.1,
                );
                let score = self.coarse_score();
                if score > best.0 {
                    best = (score, self.points[2]);
                }
            }
        }
        self.points[2] = best.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QrCode;

    const SQUARE: [Point; 4] = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
    const SEEN: [Point; 4] = [(40.0, 30.0), (190.0, 60.0), (160.0, 210.0), (20.0, 150.0)];

    #[test]
    fn the_map_goes_through_its_four_points() {
        let grid = Grid::through(SQUARE, SEEN).unwrap();
        for (from, to) in SQUARE.into_iter().zip(SEEN) {
            let (x, y) = grid.pixel(from.0, from.1);
            assert!((x - to.0).hypot(y - to.1) < 1e-6, "{from:?} to {x}, {y}");
        }
    }

    #[test]
    fn points_on_a_line_have_no_map() {
        let line = [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)];
        assert!(Grid::through(SQUARE, line).is_none_or(|grid| !grid.pixel(5.0, 5.0).0.is_finite()));
        assert!(Grid::through(line, SEEN).is_none_or(|grid| !grid.pixel(5.0, 1.0).0.is_finite()));
    }

    #[test]
    fn a_grid_that_is_off_finds_its_place() {
        let code = QrCode::of_text(&"x".repeat(60)).unwrap();
        let (module, zone) = (6, QrCode::QUIET_ZONE);
        let side = code.width_with_zone() * module;
        let pixels = (0..side * side)
            .map(|index| {
                let dark = code.is_dark_with_zone(index % side / module, index / side / module);
                if dark { 30 } else { 220 }
            })
            .collect();
        let grey = Grey::new(side, side, pixels).unwrap();
        let patterns = FunctionPatterns::new(code.width());
        let work = Work::new();
        let at = |modules: f64| (modules + zone as f64) * module as f64;
        let far = code.width() as f64 - 3.5;
        let right = [(3.5, 3.5), (far, 3.5), (3.5, far)].map(|(x, y)| (at(x), at(y)));
        let off = right.map(|(x, y)| (x + 2.0, y - 1.5));
        let fourth = (at(far) + 9.0, at(far) - 8.0);
        let mut fit = Fit::new((&grey, &work), false, &patterns, code.width(), off, fourth);
        let before = fit.score();
        let score = fit.refine(module as f64, 0.6);
        assert!(before < 0.9 && score > 0.97, "{before} {score}");
        let (x, y) = fit.points[2];
        assert!((x - at(far)).hypot(y - at(far)) < 3.0, "{x} {y}");
        let inverted = Fit::new(
            (&grey, &work),
            true,
            &patterns,
            code.width(),
            right,
            (at(far), at(far)),
        );
        assert!(inverted.score() < -0.97);
    }

    #[test]
    fn flat_ground_and_work_that_is_over_give_no_score() {
        let grey = Grey::new(60, 60, vec![120; 3_600]).unwrap();
        let patterns = FunctionPatterns::new(25);
        let [work, none] = [Work::new(), Work::all_spent()];
        let fit = |work| {
            let finders = [(10.0, 10.0), (50.0, 10.0), (10.0, 50.0)];
            Fit::new((&grey, work), false, &patterns, 25, finders, (50.0, 50.0)).score()
        };
        assert_eq!(fit(&work), 0.0);
        assert!(work.spent() > 0);
        assert_eq!(fit(&none), -1.0);
    }
}

//! Three finder patterns that may belong to one code.

use rxing::{
    common::{BitMatrix, DetectorRXingResult as _, cpp_essentials::ConcentricPattern},
    qrcode::cpp_port::detector::{EstimateModuleSize, FinderPatternSet, SampleQR},
};

use super::{
    decode::{text_of, text_of_matrix},
    function_patterns::FunctionPatterns,
    grid::{Fit, Point},
    modules::Modules,
    pyramid::{Layer, Pyramid},
    work::Work,
};

/// Finder patterns of a possible code, in pixels of the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Middles of the patterns: top left, top right, bottom left.
    finders: [Point; 3],
    across: Edge,
    down: Edge,
    /// Light modules on a dark ground.
    inverted: bool,
}

/// The line from the top left pattern to another one.
#[derive(Clone, Copy, Debug)]
struct Edge {
    length: f64,
    /// Pixels a module along the line, at its start and at its end.
    modules: [f64; 2],
}

impl Edge {
    /// How much farther away its end is than its start: the ratio of the denominators of the projective map.
    ///
    /// Along a line such a map is u ↦ a u / (1 + g u), its derivative a / (1 + g u)², so the ratio is the root of that of the scales.
    fn depth(&self) -> f64 {
        (self.modules[0] / self.modules[1]).sqrt()
    }

    /// Its length in modules, by the same map.
    fn count(&self) -> f64 {
        self.length / self.module()
    }

    fn module(&self) -> f64 {
        (self.modules[0] * self.modules[1]).sqrt()
    }
}

/// Correlation of the finder patterns below which there is no code.
const PLAUSIBLE: f64 = 0.35;
/// Sizes of code that are tried for one candidate, the likeliest first.
const WIDTHS: usize = 6;
/// What measuring, deblurring and decoding a module in all ways counts as, in looks.
const DECODING: usize = 800;
/// What a try in black and white counts as, in looks a module.
const SAMPLING: usize = 20;
/// Score of a grid above which no other width is likely to fit better.
const CERTAIN: f64 = 0.8;
/// Score of a grid above which no better one is looked for.
const GOOD: f64 = 0.7;
/// Score of a grid below which decoding is not tried.
const FITTING: f64 = 0.35;

impl Candidate {
    /// From patterns found in a black-and-white copy of the picture that is `scale` times as large.
    pub(crate) fn new(
        matrix: &BitMatrix,
        set: &FinderPatternSet,
        scale: f64,
        inverted: bool,
    ) -> Self {
        let point = |p: rxing::Point| (f64::from(p.x) / scale, f64::from(p.y) / scale);
        let module = |from: ConcentricPattern, to: ConcentricPattern| {
            let measured = EstimateModuleSize(matrix, from, to);
            // Where it finds no edges it measures -1.
            let measured = if measured > 0.5 {
                measured
            } else {
                f64::from(from.size) / 7.0
            };
            measured / scale
        };
        let edge = |to: ConcentricPattern| Edge {
            length: f64::from(ConcentricPattern::distance(set.tl, to)) / scale,
            modules: [module(set.tl, to), module(to, set.tl)],
        };
        Self {
            finders: [set.tl.p, set.tr.p, set.bl.p].map(point),
            across: edge(set.tr),
            down: edge(set.bl),
            inverted,
        }
    }

    /// Whether it is the same code, or overlaps with it.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let near = |a: &Point| {
            other
                .finders
                .iter()
                .any(|b| distance(*a, *b) < 3.0 * self.module())
        };
        self.finders.iter().any(near)
    }

    /// Whether it is exactly this one again, seen in another copy.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let limit = 1.2 * self.module();
        self.inverted == other.inverted
            && self
                .finders
                .iter()
                .zip(other.finders)
                .all(|(a, b)| distance(*a, b) < limit)
    }

    fn module(&self) -> f64 {
        (self.across.module() * self.down.module()).sqrt()
    }

    /// Where the corner opposite of the first pattern would be, were the code not tilted; and where the different scales along the edges put
    /// it.
    fn fourth(&self) -> [Point; 2] {
        let [a, b, c] = self.finders;
        let flat = (b.0 + c.0 - a.0, b.1 + c.1 - a.1);
        // In homogeneous coordinates the corners of a square are as those of a parallelogram.
        let [across, down] = [self.across.depth(), self.down.depth()];
        let depth = (across + down - 1.0).max(0.2);
        let tilted = (
            (across * b.0 + down * c.0 - a.0) / depth,
            (across * b.1 + down * c.1 - a.1) / depth,
        );
        [tilted, flat]
    }

    /// Numbers of modules on a side that the distances allow, likeliest first.
    fn widths(&self) -> Vec<usize> {
        let estimate = (self.across.count() + self.down.count()) / 2.0 + 7.0;
        let off = |width: usize| (width as f64 - estimate).abs();
        let mut widths: Vec<usize> = (1..=40)
            .map(|version| 17 + 4 * version)
            .filter(|width| off(*width) < 5.0 + estimate * 0.08)
            .collect();
        widths.sort_by(|a, b| off(*a).total_cmp(&off(*b)));
        widths.truncate(WIDTHS);
        widths
    }

    /// Reads the code from black and white alone, as rxing does it: cheap, and enough for most.
    pub(crate) fn read_black_and_white(
        &self,
        matrix: &BitMatrix,
        set: &FinderPatternSet,
        work: &Work,
    ) -> Option<String> {
        let width = *self.widths().first()?;
        if work.is_over() {
            return None;
        }
        work.spend(SAMPLING * width * width);
        let sample = SampleQR(matrix, set).ok()?;
        text_of_matrix(sample.getBits())
    }

    /// Whether the three finder patterns are seen in grey too, where they should be.
    pub(crate) fn is_plausible(&self, pyramid: &Pyramid, work: &Work) -> bool {
        let look = Look::new(self, pyramid, work);
        self.widths().into_iter().any(|width| {
            let patterns = FunctionPatterns::new(width);
            look.fits(&patterns, width)
                .any(|fit| fit.finder_score() >= PLAUSIBLE)
        })
    }

    /// Reads the code from grey pixels.
    pub(crate) fn read(&self, pyramid: &Pyramid, work: &Work) -> Option<String> {
        let look = Look::new(self, pyramid, work);
        let mut fits = Vec::new();
        for width in self.widths() {
            let patterns = FunctionPatterns::new(width);
            let best = look.best_fit(&patterns, width);
            let Some((score, points)) = best.filter(|(score, _)| *score > FITTING) else {
                continue;
            };
            if score > CERTAIN
                && let Some(text) = look.decode(width, points)
            {
                return Some(text);
            }
            fits.push((score, width, points));
        }
        fits.sort_by(|a, b| b.0.total_cmp(&a.0));
        fits.iter()
            .take(2)
            .find_map(|(_, width, points)| look.decode(*width, *points))
    }
}

/// A candidate in the layer that suits it.
struct Look<'a> {
    candidate: &'a Candidate,
    layer: &'a Layer,
    work: &'a Work,
    /// Pixels of the layer a module.
    module: f64,
    finders: [Point; 3],
    fourth: [Point; 2],
}

impl<'a> Look<'a> {
    fn new(candidate: &'a Candidate, pyramid: &'a Pyramid, work: &'a Work) -> Self {
        let layer = pyramid.layer_for(candidate.module());
        let at = |p: Point| (p.0 * layer.scale, p.1 * layer.scale);
        Self {
            candidate,
            layer,
            work,
            module: candidate.module() * layer.scale,
            finders: candidate.finders.map(at),
            fourth: candidate.fourth().map(at),
        }
    }

    /// Unadjusted grids.
    fn fits(&self, patterns: &'a FunctionPatterns, width: usize) -> impl Iterator<Item = Fit<'a>> {
        self.fourth.into_iter().map(move |fourth| {
            Fit::new(
                (&self.layer.grey, self.work),
                self.candidate.inverted,
                patterns,
                width,
                self.finders,
                fourth,
            )
        })
    }

    /// The best grid for a code of that width: its score and its four points.
    fn best_fit(&self, patterns: &'a FunctionPatterns, width: usize) -> Option<Scored> {
        let mut best = None;
        for mut fit in self.fits(patterns, width) {
            if fit.finder_score() >= PLAUSIBLE {
                let score = fit.refine(self.module, 0.6);
                best = better(best, (score, fit.points));
            }
        }
        // Tilted so much that neither guess of the fourth point was near it.
        if best.is_none_or(|(score, _)| score < GOOD)
            && width > 21
            && let Some(mut fit) = self.fits(patterns, width).next()
            && fit.finder_score() >= PLAUSIBLE
        {
            fit.sweep(0.3, (1.0 / width as f64).max(0.015));
            let score = fit.refine(self.module, 0.6);
            best = better(best, (score, fit.points));
        }
        best
    }

    fn decode(&self, width: usize, [a, b, fourth, c]: [Point; 4]) -> Option<String> {
        let patterns = FunctionPatterns::new(width);
        let layer = &self.layer.grey;
        let inverted = self.candidate.inverted;
        let grid = Fit::new(
            (layer, self.work),
            inverted,
            &patterns,
            width,
            [a, b, c],
            fourth,
        )
        .grid()?;
        if self.work.is_over() {
            return None;
        }
        self.work.spend(DECODING * width * width);
        let (spread, count) = if self.module > 3.0 {
            (0.3, 3)
        } else {
            (0.2, 2)
        };
        decide(
            width,
            &Modules::measure(layer, &grid, width, inverted, spread, count),
        )
    }
}

type Scored = (f64, [Point; 4]);

fn better(best: Option<Scored>, other: Scored) -> Option<Scored> {
    best.filter(|best| best.0 >= other.0).or(Some(other))
}

/// Tries several ways to tell dark from light until one gives a text.
fn decide(width: usize, modules: &Modules) -> Option<String> {
    for share in [0.0, 0.12, 0.25, 0.5] {
        let modules = modules.sharpened(share);
        let text = text_of(width, &modules.dark_by_range(4))
            .or_else(|| text_of(width, &modules.dark_by_mean(4)))
            .or_else(|| text_of(width, &modules.dark_by_mean(9)));
        if text.is_some() {
            return text;
        }
    }
    BLURS
        .iter()
        .find_map(|(across, down)| text_of(width, &modules.deblurred(*across, *down)))
}

/// Blurs that are undone, as standard deviations across and down in modules: out of focus, shaken one way, the other.
const BLURS: [(f32, f32); 7] = [
    (0.5, 0.5),
    (0.6, 0.6),
    (0.7, 0.7),
    (0.8, 0.8),
    (0.6, 0.25),
    (0.25, 0.6),
    (0.9, 0.9),
];

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{QrCode, grey::Grey};

    #[test]
    fn a_few_widths_are_tried_the_likeliest_first() {
        let edge = |modules: f64| Edge {
            length: modules * 4.0,
            modules: [4.0; 2],
        };
        let widths = |modules: f64| {
            let candidate = Candidate {
                finders: [(0.0, 0.0); 3],
                across: edge(modules),
                down: edge(modules),
                inverted: false,
            };
            candidate.widths()
        };
        assert_eq!(widths(18.0)[0], 25);
        assert_eq!(widths(150.0).len(), WIDTHS);
        assert_eq!(widths(150.0)[0], 157);
        assert!(widths(900.0).is_empty());
    }
    #[test]
    fn decoding_is_counted_and_not_begun_when_no_work_is_left() {
        let code = QrCode::of_text("securecall").unwrap();
        let (module, width) = (8, code.width());
        let side = code.width_with_zone() * module;
        let pixels = (0..side * side).map(|at| {
            let dark = code.is_dark_with_zone(at % side / module, at / side / module);
            if dark { 20 } else { 230 }
        });
        let pyramid = Pyramid::new(Grey::new(side, side, pixels.collect()).unwrap());
        let at = |modules: f64| (modules + QrCode::QUIET_ZONE as f64) * module as f64;
        let (near, far) = (at(3.5), at(width as f64 - 3.5));
        let edge = Edge {
            length: far - near,
            modules: [module as f64; 2],
        };
        let candidate = Candidate {
            finders: [(near, near), (far, near), (near, far)],
            across: edge,
            down: edge,
            inverted: false,
        };
        let decoded = |work: &Work| {
            let look = Look::new(&candidate, &pyramid, work);
            let [a, b, c] = look.finders;
            look.decode(width, [a, b, look.fourth[1], c])
        };
        let work = Work::new();
        assert_eq!(decoded(&work).as_deref(), Some("securecall"));
        assert!(work.spent() >= (DECODING * width * width) as u64);
        assert_eq!(decoded(&Work::all_spent()), None);
    }
}

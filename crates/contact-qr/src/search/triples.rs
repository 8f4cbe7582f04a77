//! Which three finder patterns may belong to one code.

use rxing::{
    common::cpp_essentials::ConcentricPattern, qrcode::cpp_port::detector::FinderPatternSet,
};

use super::grid::Point;

/// Neighbours of a pattern that are tried with it. Around a pattern of a code there are at most a few false ones.
const NEIGHBOURS: usize = 14;
/// Patterns that are looked at in one black-and-white copy: the largest.
const PATTERNS: usize = 160;
/// Distance of two patterns of one code at most, in modules; a code of version 25 has that between its far ones.
const FARTHEST: f64 = 160.0;
/// How many times as large as another a pattern of the same code may look, by perspective.
const SIZES: f64 = 2.6;

/// Threes of patterns that a tilted square may have in its corners, likeliest first.
///
/// Seen at an angle, the right angle at the first pattern becomes anything from 35° to 145°, so for many threes it cannot be told which is
/// the first: then each that may be is in the list.
pub(crate) fn triples(patterns: &[ConcentricPattern], most: usize) -> Vec<FinderPatternSet> {
    let mut patterns = patterns.to_vec();
    patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.size));
    patterns.truncate(PATTERNS);
    let mut found: Vec<(f64, FinderPatternSet)> = Vec::new();
    for first in &patterns {
        let mut near: Vec<&ConcentricPattern> = patterns
            .iter()
            .filter(|other| belongs(first, other))
            .collect();
        near.sort_by(|a, b| distance(first, a).total_cmp(&distance(first, b)));
        near.truncate(NEIGHBOURS);
        for (index, second) in near.iter().enumerate() {
            for third in &near[index + 1..] {
                if let Some(doubt) = doubt(first, second, third) {
                    found.push((doubt, ordered(first, second, third)));
                }
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.truncate(most);
    found.into_iter().map(|(_, set)| set).collect()
}

/// Whether two patterns may be of one code.
fn belongs(a: &ConcentricPattern, b: &ConcentricPattern) -> bool {
    let ratio = f64::from(a.size) / f64::from(b.size.max(1));
    let module = f64::from(a.size + b.size) / 14.0;
    let modules = distance(a, b) / module;
    (1.0 / SIZES..SIZES).contains(&ratio) && (8.0..FARTHEST).contains(&modules)
}

/// How far the three are from the corner of a square looked at from above: 0 is a perfect one, `None` an impossible one.
fn doubt(
    first: &ConcentricPattern,
    second: &ConcentricPattern,
    third: &ConcentricPattern,
) -> Option<f64> {
    let (a, b) = (arm(first, second), arm(first, third));
    let (la, lb) = (a.0.hypot(a.1), b.0.hypot(b.1));
    let cosine = (a.0 * b.0 + a.1 * b.1) / (la * lb);
    let legs = (la / lb).ln().abs();
    let sizes = [first, second, third].map(|pattern| f64::from(pattern.size).ln());
    let spread = sizes.iter().fold(f64::MIN, |a, b| a.max(*b))
        - sizes.iter().fold(f64::MAX, |a, b| a.min(*b));
    // A module count below that of the smallest code, even if the size was measured along a diagonal.
    let modules = (la + lb) / 2.0 / (f64::from(first.size + second.size + third.size) / 21.0);
    (cosine.abs() < 0.82 && legs < 1.3 && spread < SIZES.ln() && modules > 9.0)
        .then_some(cosine.abs() + legs + spread + modules / 200.0)
}

/// Clockwise from the pattern at the corner, as codes are that are not mirrored.
fn ordered(
    first: &ConcentricPattern,
    second: &ConcentricPattern,
    third: &ConcentricPattern,
) -> FinderPatternSet {
    let (a, b) = (arm(first, second), arm(first, third));
    let (tr, bl) = if a.0 * b.1 - a.1 * b.0 > 0.0 {
        (second, third)
    } else {
        (third, second)
    };
    FinderPatternSet {
        bl: *bl,
        tl: *first,
        tr: *tr,
    }
}

fn arm(from: &ConcentricPattern, to: &ConcentricPattern) -> Point {
    (f64::from(to.p.x - from.p.x), f64::from(to.p.y - from.p.y))
}

fn distance(a: &ConcentricPattern, b: &ConcentricPattern) -> f64 {
    let (x, y) = arm(a, b);
    x.hypot(y)
}

#[cfg(test)]
mod tests {
    use rxing::point;

    use super::*;

    fn pattern(x: f32, y: f32, size: i32) -> ConcentricPattern {
        ConcentricPattern {
            p: point(x, y),
            size,
        }
    }

    #[test]
    fn a_square_seen_from_above_comes_first_with_its_corner_in_the_middle() {
        let corner = pattern(100.0, 100.0, 28);
        let right = pattern(240.0, 100.0, 28);
        let below = pattern(100.0, 240.0, 28);
        let set = triples(&[right, below, corner], 10)[0];
        assert_eq!((set.tl, set.tr, set.bl), (corner, right, below));
    }

    #[test]
    fn turned_half_around_the_order_is_still_clockwise() {
        let corner = pattern(240.0, 240.0, 28);
        let right = pattern(100.0, 240.0, 28);
        let below = pattern(240.0, 100.0, 28);
        let set = triples(&[below, corner, right], 10)[0];
        assert_eq!((set.tl, set.tr, set.bl), (corner, right, below));
    }

    #[test]
    fn patterns_of_very_different_size_or_too_near_belong_to_no_code() {
        let patterns = [
            pattern(100.0, 100.0, 28),
            pattern(240.0, 100.0, 90),
            pattern(100.0, 240.0, 28),
            pattern(110.0, 110.0, 28),
        ];
        assert!(triples(&patterns, 10).is_empty());
    }

    #[test]
    fn no_more_are_given_than_asked_for() {
        let patterns: Vec<_> = (0..200)
            .map(|i| pattern((i % 20 * 60) as f32, (i / 20 * 60) as f32, 14))
            .collect();
        assert_eq!(triples(&patterns, 25).len(), 25);
    }

    #[test]
    fn of_many_patterns_only_so_many_are_combined() {
        let field: Vec<ConcentricPattern> = (0..400)
            .map(|at| pattern((at % 20 * 90) as f32, (at / 20 * 90) as f32, 28))
            .collect();
        let of_one = NEIGHBOURS * (NEIGHBOURS - 1) / 2;
        let all = triples(&field, usize::MAX).len();
        assert!((100..=PATTERNS * of_one).contains(&all), "{all}");
        assert_eq!(triples(&field, 60).len(), 60);
    }

    #[test]
    fn patterns_of_other_sizes_or_far_away_belong_to_another_code() {
        let at = |side: f32, size: i32| {
            let patterns = [
                pattern(0.0, 0.0, 28),
                pattern(side, 0.0, 28),
                pattern(0.0, side, size),
            ];
            triples(&patterns, 10).len()
        };
        assert!(at(140.0, 28) > 0);
        assert_eq!(at(140.0, 100), 0);
        assert_eq!(at(800.0, 28), 0);
        assert_eq!(at(20.0, 28), 0);
    }
}

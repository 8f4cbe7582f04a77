//! The order in which things are tried, cheap ones first, and where it ends.

use super::{
    candidate::Candidate,
    finder::finder_patterns,
    pyramid::Pyramid,
    threshold::{Threshold, binarize},
    triples::triples,
    work::Work,
};
use crate::grey::Grey;

/// Sets of finder patterns that are looked at in one black-and-white copy. Print and foliage give hundreds that are none.
const SETS: usize = 60;
/// Candidates whose grey pixels are looked at, in all copies together.
const CANDIDATES: usize = 60;

/// The texts of the codes in a picture, or in a frame of one.
pub(crate) fn search(grey: Grey, work: &Work) -> Vec<String> {
    let mut search = Search {
        pyramid: Pyramid::new(grey),
        work,
        texts: Vec::new(),
        read: Vec::new(),
        unread: Vec::new(),
    };
    search.pass(Threshold { reach: 20, bias: 6 });
    if search.is_unfinished() {
        search.pass(Threshold { reach: 12, bias: 2 });
    }
    if search.is_unfinished() {
        search.pass(Threshold { reach: 40, bias: 1 });
    }
    if search.is_unfinished() && search.pyramid.enlarge() {
        search.look_both_ways(0, Threshold { reach: 20, bias: 4 });
        if search.is_unfinished() && search.pyramid.sharpen() {
            search.look_both_ways(0, Threshold { reach: 20, bias: 4 });
        }
    }
    search.texts
}

struct Search<'a> {
    pyramid: Pyramid,
    work: &'a Work,
    texts: Vec<String>,
    /// Candidates that were read.
    read: Vec<Candidate>,
    /// Candidates that could not be read.
    unread: Vec<Candidate>,
}

impl Search<'_> {
    /// Whether nothing was found so far, or something that looks like a code was not read.
    fn is_unfinished(&self) -> bool {
        self.texts.is_empty()
            || self
                .unread
                .iter()
                .any(|candidate| !self.read.iter().any(|other| other.overlaps(candidate)))
    }

    /// Looks at all layers, for dark codes and for light ones.
    fn pass(&mut self, threshold: Threshold) {
        for level in 0..self.pyramid.layers().len() {
            self.look_both_ways(level, threshold);
        }
    }

    fn look_both_ways(&mut self, level: usize, threshold: Threshold) {
        for inverted in [false, true] {
            self.look(level, threshold, inverted);
        }
    }

    fn look(&mut self, level: usize, threshold: Threshold, inverted: bool) {
        let layer = &self.pyramid.layers()[level];
        let scale = layer.scale;
        let Some(matrix) = binarize(&layer.grey, threshold, inverted) else {
            return;
        };
        let patterns = finder_patterns(&matrix);
        for set in &triples(&patterns, SETS) {
            let candidate = Candidate::new(&matrix, set, scale, inverted);
            if self.read.iter().any(|other| other.overlaps(&candidate)) {
                continue;
            }
            // Cheap first: what is read from black and white needs no fit.
            let mut text = candidate.read_black_and_white(&matrix, set, self.work);
            if text.is_none() {
                if self.unread.len() >= CANDIDATES
                    || self.unread.iter().any(|other| other.is_same(&candidate))
                    || !candidate.is_plausible(&self.pyramid, self.work)
                {
                    continue;
                }
                text = candidate.read(&self.pyramid, self.work);
            }
            match text {
                Some(text) => {
                    self.read.push(candidate);
                    if !self.texts.contains(&text) {
                        self.texts.push(text);
                    }
                }
                None => self.unread.push(candidate),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QrCode;

    const FIRST: Threshold = Threshold { reach: 20, bias: 6 };

    fn grey(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Grey {
        let pixels = (0..width * height).map(|at| pixel(at % width, at / width));
        Grey::new(width, height, pixels.collect()).unwrap()
    }

    fn code(text: &str, module: usize) -> (Grey, usize) {
        let code = QrCode::of_text(text).unwrap();
        let side = code.width_with_zone() * module;
        let dark = |x, y| code.is_dark_with_zone(x / module, y / module);
        let picture = grey(side, side, |x, y| if dark(x, y) { 20 } else { 230 });
        (picture, code.width())
    }

    fn full_of_patterns() -> Grey {
        let ring = |at: usize| (at / 3 % 9).abs_diff(4);
        grey(700, 700, |x, y| match ring(x).max(ring(y)) {
            2 | 4 => 255,
            _ => 0,
        })
    }

    fn noise() -> Grey {
        let mut state = 1_u64;
        let pixels = (0..600 * 600).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        });
        Grey::new(600, 600, pixels.collect()).unwrap()
    }

    fn looked_at<'a>(picture: Grey, work: &'a Work) -> Search<'a> {
        let mut search = Search {
            pyramid: Pyramid::new(picture),
            work,
            texts: Vec::new(),
            read: Vec::new(),
            unread: Vec::new(),
        };
        search.pass(FIRST);
        search
    }

    #[test]
    fn a_code_is_read_once_and_what_that_takes_is_counted() {
        let work = Work::new();
        let (picture, width) = code("securecall", 8);
        let search = looked_at(picture, &work);
        assert_eq!(search.texts, ["securecall"]);
        assert_eq!(search.read.len(), 1);
        let least = 20 * (width * width) as u64;
        assert!(work.spent() >= least, "{}", work.spent());
    }

    #[test]
    fn two_codes_that_say_the_same_give_one_text() {
        let (one, _) = code("securecall", 6);
        let side = one.width();
        let two = grey(2 * side, side, |x, y| one.row(y)[x % side]);
        let work = Work::new();
        let search = looked_at(two, &work);
        assert_eq!(search.read.len(), 2);
        assert_eq!(search.texts, ["securecall"]);
    }

    /// A code whose patterns are right and whose data are none.
    fn unreadable() -> Grey {
        let (module, zone) = (8, QrCode::QUIET_ZONE);
        let (picture, width) = code(&"x".repeat(60), module);
        let side = picture.width();
        let is_data = |x: usize, y: usize| {
            let [x, y] = [x, y].map(|at| (at / module).wrapping_sub(zone));
            (9..width - 9).contains(&x) && y > 8 && y < width
        };
        grey(side, side, |x, y| match is_data(x, y) {
            true if (x / module * 7 + y / module * 3) % 5 < 2 => 20,
            true => 230,
            false => picture.row(y)[x],
        })
    }

    fn are_different(candidates: &[Candidate]) -> bool {
        (1..candidates.len()).all(|at| {
            let (before, candidate) = (&candidates[..at], &candidates[at]);
            !before.iter().any(|other| other.is_same(candidate))
        })
    }

    #[test]
    fn what_could_not_be_read_is_not_looked_at_again() {
        let work = Work::new();
        let mut search = looked_at(unreadable(), &work);
        let unread = search.unread.len();
        assert!((1..CANDIDATES).contains(&unread), "{unread}");
        search.pass(Threshold { reach: 12, bias: 2 });
        assert!(search.texts.is_empty());
        assert!(are_different(&search.unread));
    }

    #[test]
    fn nothing_is_read_when_no_work_is_left() {
        let work = Work::all_spent();
        assert!(looked_at(code("securecall", 8).0, &work).texts.is_empty());
    }

    #[test]
    fn of_many_candidates_few_are_looked_at_and_none_twice() {
        let work = Work::new();
        let search = looked_at(full_of_patterns(), &work);
        assert_eq!(search.unread.len(), CANDIDATES);
        assert!(are_different(&search.unread));
    }

    #[test]
    fn what_is_no_code_by_its_finder_patterns_is_no_candidate() {
        let work = Work::new();
        let search = looked_at(noise(), &work);
        assert!(search.unread.len() < 10, "{}", search.unread.len());
        assert!(work.spent() > 0 && !work.is_over(), "{}", work.spent());
    }
}

//! The order in which things are tried, cheap ones first, and where it ends.

use rxing::qrcode::cpp_port::detector::{FindFinderPatterns, GenerateFinderPatternSets};

use super::{
    candidate::{Candidate, read_black_and_white},
    pyramid::Pyramid,
    threshold::{Threshold, binarize},
};
use crate::grey::Grey;

/// Sets of finder patterns that are looked at in one black-and-white copy. Print and foliage give hundreds that are none.
const SETS: usize = 60;
/// Candidates whose grey pixels are looked at, in all copies together.
const CANDIDATES: usize = 60;

/// The texts of the codes in a picture.
pub(crate) fn search(grey: Grey) -> Vec<String> {
    let mut search = Search {
        pyramid: Pyramid::new(grey),
        texts: Vec::new(),
        read: Vec::new(),
        unread: Vec::new(),
    };
    search.pass(Threshold { reach: 20, bias: 6 });
    if search.texts.is_empty() {
        search.pass(Threshold { reach: 12, bias: 2 });
    }
    if search.texts.is_empty() {
        search.pass(Threshold { reach: 40, bias: 1 });
    }
    search.texts
}

struct Search {
    pyramid: Pyramid,
    texts: Vec<String>,
    /// Candidates that were read.
    read: Vec<Candidate>,
    /// Candidates that could not be read.
    unread: Vec<Candidate>,
}

impl Search {
    /// Looks at all layers, for dark codes and for light ones.
    fn pass(&mut self, threshold: Threshold) {
        for level in 0..self.pyramid.layers().len() {
            for inverted in [false, true] {
                self.look(level, threshold, inverted);
            }
        }
    }

    fn look(&mut self, level: usize, threshold: Threshold, inverted: bool) {
        let scale = 1.0 / f64::from(1_u32 << level);
        let Some(matrix) = binarize(&self.pyramid.layers()[level], threshold, inverted) else {
            return;
        };
        let mut patterns = FindFinderPatterns(&matrix, true, 0);
        for set in GenerateFinderPatternSets(&mut patterns).iter().take(SETS) {
            let candidate = Candidate::new(&matrix, set, scale, inverted);
            if self.read.iter().any(|other| other.overlaps(&candidate)) {
                continue;
            }
            let mut text = read_black_and_white(&matrix, set);
            if text.is_none() {
                if self.unread.len() >= CANDIDATES
                    || self.unread.iter().any(|other| other.is_same(&candidate))
                {
                    continue;
                }
                text = candidate.read(&self.pyramid);
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

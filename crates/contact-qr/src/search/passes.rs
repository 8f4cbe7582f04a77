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

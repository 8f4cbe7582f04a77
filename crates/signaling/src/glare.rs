//! Glare: both sides call each other at the same time.

use crate::CallId;

/// Which of two calls between the same two users goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// The call we placed.
    Ours,
    /// The call we were offered.
    Theirs,
}

impl Survivor {
    /// The bytewise lesser call ID survives, so both sides decide alike without a word.
    pub fn of(ours: CallId, theirs: CallId) -> Self {
        if theirs < ours {
            Self::Theirs
        } else {
            Self::Ours
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_the_same_call() {
        let (lesser, greater) = (CallId::from_random([1; 16]), CallId::from_random([2; 16]));
        assert_eq!(Survivor::of(lesser, greater), Survivor::Ours);
        assert_eq!(Survivor::of(greater, lesser), Survivor::Theirs);
        assert_eq!(Survivor::of(lesser, lesser), Survivor::Ours);
    }
}

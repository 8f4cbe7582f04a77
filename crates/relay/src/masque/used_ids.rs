//! Which context IDs the other end has used: none may come twice.

use std::collections::BTreeSet;

use super::ContextId;

/// The most that are remembered one by one.
const MAX_REMEMBERED: usize = 64;

/// The context IDs that were registered before. Beyond [`MAX_REMEMBERED`] of them all below count as used,
/// which only an end notices that counts backwards.
#[derive(Debug, Default)]
pub(super) struct UsedIds {
    all_up_to: Option<ContextId>,
    above: BTreeSet<ContextId>,
}

impl UsedIds {
    /// Whether it is used for the first time.
    pub(super) fn take(&mut self, id: ContextId) -> bool {
        let is_new = self.all_up_to.is_none_or(|low| low < id) && self.above.insert(id);
        if self.above.len() > MAX_REMEMBERED {
            self.all_up_to = self.above.pop_first();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_taken_twice_however_many_there_were() {
        let mut used = UsedIds::default();
        let id = |number| ContextId::new(number).unwrap();
        for number in (2..2000).step_by(2) {
            assert!(used.take(id(number)));
            assert!(!used.take(id(number)));
            assert!(!used.take(id(2)));
        }
        assert!(used.above.len() <= MAX_REMEMBERED);
        // In another order, too, where they are near each other.
        assert!(used.take(id(5000)) && used.take(id(4998)) && !used.take(id(4998)));
    }
}

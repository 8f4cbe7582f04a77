//! Which call a sealed box is for.

use std::collections::BTreeMap;

use securecall_contact::MatrixId;
use securecall_signaling::CallId;

use crate::call_handle::CallHandle;

/// The sealed calls by the ID on the wire. Peers choose that one, so it leads to a call only together with the account of the
/// peer whose call it is.
#[derive(Default)]
pub(super) struct SealedCalls {
    by_id: BTreeMap<CallId, (MatrixId, CallHandle)>,
}

/// What an ID on the wire means when this account says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This call with it.
    Call(CallHandle),
    /// A call with somebody else.
    OfSomebodyElse,
    Nothing,
}

impl SealedCalls {
    pub(super) fn find(&self, id: CallId, sender: &MatrixId) -> Found {
        match self.by_id.get(&id) {
            Some((peer, call)) if peer == sender => Found::Call(*call),
            Some(_) => Found::OfSomebodyElse,
            None => Found::Nothing,
        }
    }

    pub(super) fn contains(&self, id: CallId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// A new call, of an ID that no other has.
    pub(super) fn insert(&mut self, id: CallId, peer: MatrixId, call: CallHandle) {
        self.by_id.insert(id, (peer, call));
    }

    /// Forgets the calls that are not kept.
    pub(super) fn retain(&mut self, keep: impl Fn(CallHandle) -> bool) {
        self.by_id.retain(|_, (_, call)| keep(*call));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_handle::CallHandles;

    #[test]
    fn an_id_leads_to_a_call_only_from_the_account_that_the_call_is_with() {
        let (id, call) = (CallId::from_random([1; 16]), CallHandles::default().issue());
        let [ada, bob] = ["@ada:example.org", "@bob:example.org"].map(|it| it.parse().unwrap());
        let mut calls = SealedCalls::default();
        assert_eq!(calls.find(id, &ada), Found::Nothing);
        calls.insert(id, ada.clone(), call);
        assert_eq!(calls.find(id, &ada), Found::Call(call));
        assert_eq!(calls.find(id, &bob), Found::OfSomebodyElse);
        calls.retain(|_| false);
        assert_eq!(calls.find(id, &bob), Found::Nothing);
        assert!(calls.is_empty());
    }
}

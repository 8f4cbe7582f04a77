//! With whom each call is, and of which group call it is a leg.

use std::collections::BTreeMap;

use securecall_driver::{
    CallEvent, CallHandle, ConferenceEvent, NamedCall, NamedConference, Peer as CallPeer,
};

/// The calls that are not over.
#[derive(Debug, Default)]
pub(super) struct KnownCalls(BTreeMap<CallHandle, KnownCall>);

/// What is known of a call.
#[derive(Clone, Debug)]
pub(super) struct KnownCall {
    pub(super) call: NamedCall,
    pub(super) peer: CallPeer,
    /// The group call of which it is a leg. It stays so to the call's end, which may come after that of the group call: one
    /// that gave way to another lets its legs go afterwards.
    pub(super) conference: Option<NamedConference>,
}

impl KnownCalls {
    /// None.
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes in what happened, but for the end of a call, which is still about it.
    pub(super) fn follow(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Dialing { call, peer, .. }
            | CallEvent::Incoming { call, peer, .. }
            | CallEvent::Connected { call, peer, .. } => self.know(call, peer),
            CallEvent::Replaced { call, by } => self.replace(call.handle, by),
            CallEvent::Conference { conference, event } => match event {
                ConferenceEvent::Began { call: Some(call) } => self.is_leg_of(call, *conference),
                ConferenceEvent::Leg { call, peer } => {
                    self.know(call, peer);
                    self.is_leg_of(call, *conference);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The call is over, and nothing is to be said of it any more.
    pub(super) fn forget(&mut self, call: CallHandle) {
        self.0.remove(&call);
    }

    /// A call, if it is a leg of a group call, and of which.
    pub(super) fn leg(&self, call: CallHandle) -> Option<(&KnownCall, NamedConference)> {
        let known = self.0.get(&call)?;
        Some((known, known.conference?))
    }

    fn know(&mut self, call: &NamedCall, peer: &CallPeer) {
        let known = self.0.entry(call.handle).or_insert_with(|| KnownCall {
            call: call.clone(),
            peer: peer.clone(),
            conference: None,
        });
        known.peer.clone_from(peer);
    }

    fn is_leg_of(&mut self, call: &NamedCall, conference: NamedConference) {
        if let Some(known) = self.0.get_mut(&call.handle) {
            known.conference = Some(conference);
        }
    }

    fn replace(&mut self, call: CallHandle, by: &NamedCall) {
        if let Some(known) = self.0.remove(&call) {
            let call = by.clone();
            self.0.insert(by.handle, KnownCall { call, ..known });
        }
    }
}

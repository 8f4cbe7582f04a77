//! The 1:1 calls of our group call: one with each other device that is in it.

use std::collections::{BTreeMap, VecDeque};

use securecall_contact::{DeviceId, MatrixId};
use web_time::Instant;

use super::leg::{Heard, Leg, Stage};
use super::{EndCall, LegId, Participant};
use crate::WireCallId;
use crate::wire::group_room::GroupCallId;

/// The most devices that are called, or may call, in one group call.
pub const MAX_LEGS: usize = 32;

/// What a leg is found by: a device has one at a time.
pub(super) type Key = (MatrixId, DeviceId);

/// A leg that was taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub(super) leg: LegId,
    pub(super) why: EndCall,
    /// There is a 1:1 call, which is to be ended.
    pub(super) is_called: bool,
}

/// The 1:1 calls, and those that were.
#[derive(Clone, Debug, Default)]
pub(super) struct Legs {
    legs: BTreeMap<Key, Leg>,
    /// 1:1 calls that are being ended: their other side is still told so.
    ending: VecDeque<Leg>,
    last_id: u64,
}

impl Legs {
    /// A leg with a device that has none. `None`: it has one, or there is no room for it.
    pub(super) fn add(
        &mut self,
        group_call_id: GroupCallId,
        key: &Key,
        peer: Participant,
        we_call: bool,
    ) -> Option<LegId> {
        if self.legs.len() >= MAX_LEGS || self.legs.contains_key(key) {
            return None;
        }
        self.last_id += 1;
        let id = LegId(self.last_id);
        let mut leg = Leg::new(id, group_call_id, peer, we_call);
        if we_call {
            leg.call();
        }
        self.legs.insert(key.clone(), leg);
        Some(id)
    }

    /// The leg with a device.
    pub(super) fn of_device(&mut self, key: &Key) -> Option<&mut Leg> {
        self.legs.get_mut(key)
    }

    /// One, or one that is being ended.
    pub(super) fn find(&self, id: LegId) -> Option<&Leg> {
        let mut legs = self.legs.values().chain(&self.ending);
        legs.find(|it| it.id == id)
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        let mut legs = self.legs.values_mut().chain(&mut self.ending);
        legs.find(|it| it.id == id)
    }

    /// A 1:1 call is over, or could not be placed. Gives whether the device is not called again.
    pub(super) fn ended(&mut self, now: Instant, id: LegId, call_id: Option<&WireCallId>) -> bool {
        self.ending.retain(|it| it.id != id);
        let leg = self.legs.values_mut().find(|it| it.id == id);
        leg.is_some_and(|it| it.ended(now, call_id))
    }

    /// Takes out those with devices that are not among these any more, or have begun anew.
    pub(super) fn keep(&mut self, devices: &BTreeMap<Key, Participant>) -> Vec<Gone> {
        self.take_out(|key, leg| match devices.get(key) {
            None => Some(EndCall::Left),
            Some(it) if it.session_id != leg.peer.session_id => Some(EndCall::NewSession),
            Some(_) => None,
        })
    }

    /// The same with all of them.
    pub(super) fn clear(&mut self) -> Vec<Gone> {
        self.take_out(|_, _| Some(EndCall::WeLeft))
    }

    /// Goes on without what did not come in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<(LegId, Heard)> {
        let legs = self.legs.values_mut();
        legs.map(|leg| (leg.id, leg.handle_timeout(now))).collect()
    }

    /// Those that are called again now.
    pub(super) fn call_again(&mut self, now: Instant) -> Vec<LegId> {
        let is_due = |leg: &&mut Leg| matches!(leg.stage, Stage::Retrying { at } if at <= now);
        let due = self.legs.values_mut().filter(is_due);
        due.map(|leg| {
            leg.call();
            leg.id
        })
        .collect()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.legs.values().filter_map(Leg::next_timeout).min()
    }

    /// Whether there are none, and nobody is still to be told of one.
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.ending.is_empty()
    }

    fn take_out(&mut self, why: impl Fn(&Key, &Leg) -> Option<EndCall>) -> Vec<Gone> {
        let mut gone = Vec::new();
        for (key, leg) in std::mem::take(&mut self.legs) {
            match why(&key, &leg) {
                None => _ = self.legs.insert(key, leg),
                Some(why) => gone.push(Gone {
                    leg: leg.id,
                    why,
                    is_called: self.end(leg),
                }),
            }
        }
        gone
    }

    /// Gives whether there is a 1:1 call to be ended.
    fn end(&mut self, leg: Leg) -> bool {
        let is_called = matches!(leg.stage, Stage::Called { .. });
        if is_called {
            self.ending.push_back(leg);
            if self.ending.len() > MAX_LEGS {
                self.ending.pop_front();
            }
        }
        is_called
    }
}

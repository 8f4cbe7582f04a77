//! What people do in conferences, and what they see of them.

use std::collections::BTreeSet;

use securecall_crypto::SafetyWords;
use securecall_session::{
    CallHandle, CallOptions, Callee, ConferenceEvent, Event, GroupError, NamedConference, Peer,
};

use super::Universe;
use crate::indices::{DeviceId, UserId};

impl Universe {
    /// A device calls several users into a conference.
    ///
    /// # Errors
    /// As [`Endpoint::call_group`](securecall_session::Endpoint::call_group).
    pub fn call_group(
        &mut self,
        from: DeviceId,
        to: &[UserId],
    ) -> Result<NamedConference, GroupError> {
        self.call_group_with(from, to, &CallOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Endpoint::call_group`](securecall_session::Endpoint::call_group).
    pub fn call_group_with(
        &mut self,
        from: DeviceId,
        to: &[UserId],
        options: &CallOptions,
    ) -> Result<NamedConference, GroupError> {
        let callees = to.iter().map(|user| self.callee(*user)).collect();
        let wallclock = self.wallclock_ms(from);
        self.command(from, |endpoint, now, rng| {
            endpoint.call_group(now, wallclock, rng, callees, options)
        })
    }

    /// Somebody adds a user to the call that they are in.
    ///
    /// # Errors
    /// As [`Endpoint::add`](securecall_session::Endpoint::add).
    pub fn add(
        &mut self,
        device: DeviceId,
        call: CallHandle,
        user: UserId,
    ) -> Result<NamedConference, GroupError> {
        let callee = self.callee(user);
        let wallclock = self.wallclock_ms(device);
        let options = CallOptions::default();
        self.command(device, |endpoint, now, rng| {
            endpoint.add(now, wallclock, rng, call, &callee, &options)
        })
    }

    /// Somebody leaves the conference that they are in.
    ///
    /// # Panics
    ///
    /// If they are in none.
    pub fn leave(&mut self, device: DeviceId) {
        let conference = self.devices[device].endpoint.conference();
        let conference = conference.expect("a conference").handle;
        self.command(device, |endpoint, now, rng| {
            endpoint.leave(now, rng, conference)
        })
        .expect("it is the one");
    }

    /// All who are in a conference leave it.
    pub fn leave_all(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].endpoint.conference().is_some() {
                self.leave(device);
            }
        }
    }

    /// Somebody answers whatever rings.
    pub fn answer_what_rings(&mut self, device: DeviceId) {
        if let Some(call) = self.incoming(device) {
            self.answer(device, call);
        }
    }

    /// How often a device has rung.
    pub fn incoming_calls(&self, device: DeviceId) -> usize {
        let rings = |event: &&Event| matches!(event, Event::Incoming { .. });
        self.devices[device].events.iter().filter(rings).count()
    }

    /// How a user is called.
    pub fn callee(&self, user: UserId) -> Callee {
        Callee {
            identity: Some(self.users[user].identity),
            matrix_id: self.users[user].matrix_id.clone(),
        }
    }

    /// What a device was told of its conferences.
    pub fn conference_events(&self, device: DeviceId) -> impl Iterator<Item = &ConferenceEvent> {
        self.devices[device]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Conference { event, .. } => Some(event),
                _ => None,
            })
    }

    /// Who is in, as a device shows it, without its own user.
    pub fn members(&self, device: DeviceId) -> BTreeSet<UserId> {
        let mut members = BTreeSet::new();
        for event in self.conference_events(device) {
            match event {
                ConferenceEvent::Joined { peer, .. } => {
                    members.insert(self.user_of(peer));
                }
                ConferenceEvent::Left { peer, .. } => {
                    members.remove(&self.user_of(peer));
                }
                ConferenceEvent::Ended { .. } | ConferenceEvent::Replaced { .. } => members.clear(),
                _ => {}
            }
        }
        members
    }

    /// Who is in as others say, and has no leg with us, as a device shows it.
    pub fn missing(&self, device: DeviceId) -> BTreeSet<UserId> {
        let mut missing = BTreeSet::new();
        for event in self.conference_events(device) {
            match event {
                ConferenceEvent::NoPath { peer } => {
                    missing.insert(self.user_of(peer));
                }
                ConferenceEvent::Joined { peer, .. } | ConferenceEvent::Left { peer, .. } => {
                    missing.remove(&self.user_of(peer));
                }
                ConferenceEvent::Ended { .. } | ConferenceEvent::Replaced { .. } => missing.clear(),
                _ => {}
            }
        }
        missing
    }

    /// The words of the group, as a device shows them.
    pub fn group_words(&self, device: DeviceId) -> Option<SafetyWords> {
        self.conference_events(device)
            .filter_map(|event| match event {
                ConferenceEvent::Words(words) => Some(*words),
                _ => None,
            })
            .last()
    }

    /// The user that a peer is.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn user_of(&self, peer: &Peer) -> UserId {
        let id = peer.id.expect("a peer with a key");
        let is_theirs = |user: &super::User| user.identity == id.identity_key();
        let user = self.users.iter().position(is_theirs);
        user.expect("a user of this universe")
    }

    /// The calls of a device that are not over, with whom they are.
    pub fn legs(&self, device: DeviceId) -> Vec<(UserId, CallHandle)> {
        let mut legs = Vec::new();
        for event in &self.devices[device].events {
            match event {
                Event::Conference {
                    event: ConferenceEvent::Leg { call, peer },
                    ..
                } => legs.push((self.user_of(peer), call.handle)),
                Event::Ended { call, .. } | Event::Replaced { call, .. } => {
                    legs.retain(|(_, leg)| *leg != call.handle);
                }
                _ => {}
            }
        }
        legs
    }
}

//! The conversation of several that this device is in, of whatever kind: its legs, which share microphone and speaker, and what the user
//! orders for all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_core::CryptoRng;
use web_time::Instant;

use super::Endpoint;
use crate::call::{Call, Shares};
use crate::call_handle::CallHandle;
use crate::command::CommandError;
use crate::config::CallOptions;
use crate::event::Event;
use crate::group::{ConferenceEvent, ConferenceHandle, NamedConference};
use crate::output::Output;

/// The legs of a conversation of several.
pub(super) struct Legs {
    pub(super) name: NamedConference,
    /// What the user asked for when it began; holds for every leg.
    pub(super) options: CallOptions,
    /// Those that are not over.
    pub(super) calls: BTreeSet<CallHandle>,
    /// When the first was connected.
    pub(super) connected_at: Option<Instant>,
    /// Our microphone, in all of them.
    pub(super) muted: bool,
}

impl Legs {
    pub(super) const fn new(name: NamedConference, options: CallOptions) -> Self {
        Self {
            name,
            options,
            calls: BTreeSet::new(),
            connected_at: None,
            muted: false,
        }
    }

    /// Since the first was connected.
    pub(super) fn connected_for(&self, now: Instant) -> Option<Duration> {
        let at = self.connected_at?;
        Some(now.saturating_duration_since(at))
    }
}

impl Endpoint {
    /// The conference, or group call of a room, that this device is in, if it is in one.
    pub fn conference(&self) -> Option<NamedConference> {
        self.legs().map(|it| it.name)
    }

    /// Leaves a conference, or the group call of a room: ends all its legs.
    ///
    /// # Errors
    /// [`CommandError::NoSuchConference`] if this device is not in it.
    pub fn leave(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        conference: ConferenceHandle,
    ) -> Result<(), CommandError> {
        if self.conference().map(|it| it.handle) != Some(conference) {
            return Err(CommandError::NoSuchConference);
        }
        self.leave_conference(now, rng);
        Ok(())
    }

    pub(super) fn leave_conference(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        if self.room_call.is_some() {
            self.leave_group_room(now, rng);
        } else {
            self.leave_mesh();
        }
        self.settle(now, rng);
    }

    /// The legs of whatever conversation of several we are in.
    pub(super) fn legs(&self) -> Option<&Legs> {
        self.conference.as_ref().map(|it| &it.legs)
    }

    fn legs_mut(&mut self) -> Option<&mut Legs> {
        self.conference.as_mut().map(|it| &mut it.legs)
    }

    /// Whether this device is in a conversation of any kind, or one rings here.
    pub(super) fn is_occupied(&self) -> bool {
        self.current().is_some() || self.search.is_some() || self.legs().is_some()
    }

    /// Whether a call is a leg of the conversation that we are in.
    pub(super) fn is_leg(&self, call: CallHandle) -> bool {
        self.legs().is_some_and(|it| it.calls.contains(&call))
    }

    /// What a new leg has in common with those that are there.
    pub(super) fn shares(&self) -> Shares {
        let Some(legs) = self.legs() else {
            return Shares::default();
        };
        let is_live = |call: &&CallHandle| self.calls.get(call).is_some_and(Call::is_live);
        Shares {
            beside: legs.calls.iter().find(is_live).copied(),
            muted: legs.muted,
        }
    }

    /// Mutes or unmutes our microphone in all legs, and in those that come.
    pub(super) fn mute_conference(&mut self, now: Instant, rng: &mut dyn CryptoRng, muted: bool) {
        let Some(legs) = self.legs_mut() else {
            return;
        };
        legs.muted = muted;
        for leg in legs.calls.clone() {
            self.with_call(now, rng, leg, |it, io| it.set_muted(io, muted));
        }
    }

    /// Holds all legs that are connected, or resumes them. Returns whether there was one.
    pub(super) fn hold_conference(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        held: bool,
    ) -> bool {
        let Some(legs) = self.legs() else {
            return false;
        };
        let mut any = false;
        for leg in legs.calls.clone() {
            let done = self.with_call(now, rng, leg, |it, io| it.set_held(io, held));
            any |= done == Some(true);
        }
        any
    }

    pub(super) fn tell_conference(&mut self, event: ConferenceEvent) {
        if let Some(conference) = self.conference() {
            let event = Event::Conference { conference, event };
            self.outputs.push_back(Output::Event(event));
        }
    }
}

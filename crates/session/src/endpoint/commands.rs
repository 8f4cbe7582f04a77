//! What the user orders.

use rand_core::CryptoRng;
use securecall_contact::MatrixId;
use securecall_signaling::CallId;
use web_time::Instant;

use super::Endpoint;
use super::arrived::{Arrived, Intent};
use super::room_admission::RoomArrived;
use super::route::choose_route;
use crate::call::{Call, Dial};
use crate::call_handle::{CallHandle, NamedCall};
use crate::command::{CallError, Callee, CommandError};
use crate::config::{CallOptions, MAX_LIFETIME, Route};
use crate::group::{ConferenceEvent, ConferenceHandle};

impl Endpoint {
    /// Calls somebody. If the same identity is calling us right now and rings here, that call is answered instead, and returned.
    ///
    /// The call is of tier `matrix` if no key of theirs is known: then a room is looked for first.
    ///
    /// # Errors
    /// [`CallError`]; nothing has happened then.
    pub fn call(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut impl CryptoRng,
        callee: Callee,
        options: &CallOptions,
    ) -> Result<NamedCall, CallError> {
        let identity = self.contacts.identity_of(&callee, options.require)?;
        let Callee { matrix_id, .. } = callee;
        let Some(identity) = identity else {
            return self.call_account(now, rng, &matrix_id, options);
        };
        if identity == self.own.identity.public() {
            return Err(CallError::OwnIdentity);
        }
        let peer = self
            .contacts
            .identify(&identity, &matrix_id)
            .map_err(|_| CallError::IdentityMismatch)?;
        let route = choose_route(options.route, peer.name.is_some(), self.config.relays)?;
        if let Some(theirs) = self.meet(now, rng, route, |it| it.is_with(&identity))? {
            return Ok(theirs);
        }
        // Or be on its way to the disk.
        if let Some(arrived) = self
            .arrived
            .iter_mut()
            .find(|it| it.invite.identity == identity && it.invite.conference.is_none())
        {
            arrived.intent = Intent::Accept;
            arrived.route = route;
            return Ok(arrived.call.clone());
        }
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let id = CallId::from_random(bytes);
        let handle = self.handles.issue();
        let lifetime = options.lifetime.min(MAX_LIFETIME);
        let dial = Dial {
            handle,
            id,
            peer,
            identity,
            route,
            asked: options.route,
            sent_at: wallclock_ms,
            lifetime,
            leg: None,
        };
        let name = dial.name();
        self.begin_call(now, rng, |io| Call::place(io, dial));
        Ok(name)
    }

    /// Two who call each other are to meet in one call: theirs may ring here already, and is answered then. `None` if this device is in
    /// no call.
    pub(super) fn meet(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        route: Route,
        is_with_them: impl Fn(&Call) -> bool,
    ) -> Result<Option<NamedCall>, CallError> {
        if self.search.is_some() {
            return Err(CallError::InAnotherCall);
        }
        if self.legs().is_some() {
            return Err(CallError::InAnotherCall);
        }
        let Some(current) = self.current() else {
            return Ok(None);
        };
        // Who is asked into a conference by somebody, and calls them, wants to talk to them alone.
        let is_of_two = self.ringing.is_none();
        if !(is_of_two && current.is_ringing_here() && is_with_them(current)) {
            return Err(CallError::InAnotherCall);
        }
        let call = current.name.clone();
        self.with_call(now, rng, call.handle, |it, io| {
            // In this order: with `accept` the transport is made, for the route of that moment.
            it.route = route;
            it.accept(io)
        });
        Ok(Some(call))
    }

    /// Answers a call that rings here.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such call, or it does not ring.
    pub fn answer(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
    ) -> Result<(), CommandError> {
        let accepted = self
            .with_call(now, rng, call, Call::accept)
            .ok_or(CommandError::NoSuchCall)?;
        if accepted {
            self.answered_ringing_conference(now, rng, call);
        }
        accepted.then_some(()).ok_or(CommandError::NotRinging)
    }

    /// Declines a call that rings here, for all our devices.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such call, or it does not ring.
    pub fn reject(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
    ) -> Result<(), CommandError> {
        let rejected = self
            .with_call(now, rng, call, Call::reject)
            .ok_or(CommandError::NoSuchCall)?;
        rejected.then_some(()).ok_or(CommandError::NotRinging)
    }

    /// Hangs up, or gives up a call that is not connected yet. A call that rings here is declined. With a leg of a conference, the
    /// conference is left.
    ///
    /// # Errors
    /// [`CommandError::NoSuchCall`] if there is no such call, or it is over.
    pub fn hang_up(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
    ) -> Result<(), CommandError> {
        let promised = |it: &&mut Arrived| it.call.handle == call && it.is_promised();
        if let Some(arrived) = self.arrived.iter_mut().find(promised) {
            arrived.intent = Intent::Decline;
            return Ok(());
        }
        let promised = |it: &&mut RoomArrived| it.call.handle == call && it.is_promised();
        if let Some(arrived) = self.room_arrived.iter_mut().find(promised) {
            arrived.intent = Intent::Decline;
            return Ok(());
        }
        if self.give_search_up(call) {
            return Ok(());
        }
        let over = self.calls.get(&call).is_none_or(|it| it.is_over());
        if over {
            return Err(CommandError::NoSuchCall);
        }
        if self.is_leg(call) {
            self.leave_conference(now, rng);
            return Ok(());
        }
        self.with_call(now, rng, call, |it, io| {
            if !it.reject(io) {
                it.hang_up(io);
            }
        });
        Ok(())
    }

    /// Mutes or unmutes our microphone in a call, or in all legs of the conference that it is a leg of. Frames of the same size go on at the same pace.
    ///
    /// # Errors
    /// [`CommandError::NoSuchCall`] if there is no such call, or it is over.
    pub fn set_muted(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
        muted: bool,
    ) -> Result<(), CommandError> {
        if self.mute_search(call, muted) {
            return Ok(());
        }
        let over = self.calls.get(&call).is_none_or(|it| it.is_over());
        if over {
            return Err(CommandError::NoSuchCall);
        }
        if self.is_leg(call) {
            self.mute_conference(now, rng, muted);
        } else {
            self.with_call(now, rng, call, |it, io| it.set_muted(io, muted));
        }
        Ok(())
    }

    /// Mutes or unmutes our microphone in all legs of a conference, or of the group call of a room, and in those that come.
    ///
    /// # Errors
    /// [`CommandError::NoSuchConference`] if this device is not in it.
    pub fn set_conference_muted(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        conference: ConferenceHandle,
        muted: bool,
    ) -> Result<(), CommandError> {
        let legs = self.legs().filter(|it| it.name.handle == conference);
        let legs = legs.ok_or(CommandError::NoSuchConference)?;
        if legs.calls.is_empty() {
            self.tell_conference(ConferenceEvent::Muted { muted });
        }
        self.mute_conference(now, rng, muted);
        Ok(())
    }

    /// Holds a call, or all legs of the conference that it is a leg of, or resumes it.
    ///
    /// # Errors
    /// [`CommandError::NoSuchCall`] if there is no such call, or it is over; [`CommandError::NotConnected`] before it is connected.
    pub fn set_held(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
        held: bool,
    ) -> Result<(), CommandError> {
        let is_searched = self.is_search(call);
        let over = self.calls.get(&call).is_none_or(|it| it.is_over());
        if over && !is_searched {
            return Err(CommandError::NoSuchCall);
        }
        let done = if self.is_leg(call) {
            Some(self.hold_conference(now, rng, held))
        } else {
            self.with_call(now, rng, call, |it, io| it.set_held(io, held))
        };
        match done {
            Some(true) => Ok(()),
            _ => Err(CommandError::NotConnected),
        }
    }

    /// The Matrix ID this endpoint is reached at.
    pub fn matrix_id(&self) -> &MatrixId {
        &self.own.matrix_id
    }
}

//! What the user orders.

use rand_core::CryptoRng;
use securecall_signaling::group::InviteRefused;
use securecall_signaling::{ConferenceId, MAX_MEMBERS, Person};
use web_time::Instant;

use super::{Conference, RingingConference, person_of};
use crate::call::Call;
use crate::call_handle::CallHandle;
use crate::command::{CallError, Callee};
use crate::config::CallOptions;
use crate::endpoint::Endpoint;
use crate::endpoint::route::choose_route;
use crate::group::{ConferenceEvent, GroupError, NamedConference};

impl Endpoint {
    /// Calls several people into one conference.
    ///
    /// # Errors
    /// [`GroupError`]; nobody was called then.
    pub fn call_group(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut impl CryptoRng,
        callees: Vec<Callee>,
        options: &CallOptions,
    ) -> Result<NamedConference, GroupError> {
        self.tell_wallclock(now, wallclock_ms);
        if callees.is_empty() {
            return Err(GroupError::Nobody);
        }
        if callees.len() >= MAX_MEMBERS {
            return Err(GroupError::TooMany);
        }
        let mut people: Vec<Person> = Vec::new();
        for callee in callees {
            let person = self.callable(&callee, options)?;
            if people.iter().any(|it| it.id() == person.id()) {
                return Err(GroupError::Twice);
            }
            people.push(person);
        }
        if self.is_occupied() {
            return Err(CallError::InAnotherCall.into());
        }
        let name = self.begin_conference(rng, None, options);
        self.tell_conference(ConferenceEvent::Began { call: None });
        for person in people {
            self.ask_in(now, person)?;
        }
        self.settle(now, rng);
        Ok(name)
    }

    /// Calls somebody into a call that is connected: it becomes a conference, or is a leg of one.
    ///
    /// # Errors
    /// [`GroupError`]; nobody was called then.
    pub fn add(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut impl CryptoRng,
        in_call: CallHandle,
        callee: &Callee,
        options: &CallOptions,
    ) -> Result<NamedConference, GroupError> {
        self.tell_wallclock(now, wallclock_ms);
        let call = self.calls.get(&in_call).filter(|it| !it.is_over());
        let call = call.ok_or(GroupError::NoSuchCall)?;
        let first = person_of(&call.peer);
        let (is_connected, is_sealed) = (call.is_connected(), call.sealed_id().is_some());
        let person = self.callable(callee, options)?;
        if self.room_call.is_some() {
            return Err(GroupError::OfARoom);
        }
        if let Some(conference) = self.conference.as_ref().filter(|_| self.is_leg(in_call)) {
            let name = conference.legs.name;
            self.ask_in(now, person)?;
            self.settle(now, rng);
            return Ok(name);
        }
        let first = first.filter(|_| is_sealed).ok_or(GroupError::NotSealed)?;
        if !is_connected {
            return Err(GroupError::NotConnected);
        }
        if first.id() == person.id() {
            return Err(GroupError::Twice);
        }
        let name = self.begin_conference(rng, None, options);
        self.take_in_call(now, in_call, first);
        self.ask_in(now, person)?;
        self.settle(now, rng);
        Ok(name)
    }

    /// Begins a conference of this ID, or of a new one. There is none yet.
    pub(super) fn begin_conference(
        &mut self,
        rng: &mut dyn CryptoRng,
        id: Option<ConferenceId>,
        options: &CallOptions,
    ) -> NamedConference {
        let id = id.unwrap_or_else(|| {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            ConferenceId::from_random(bytes)
        });
        let name = NamedConference {
            handle: self.conference_handles.issue(),
            id,
        };
        self.begin_named(name, options);
        name
    }

    pub(super) fn begin_named(&mut self, name: NamedConference, options: &CallOptions) {
        let own = self.own_id();
        self.conference = Some(Conference::new(name, own, options.clone()));
    }

    /// A call between two becomes the first leg of the conference.
    pub(super) fn take_in_call(&mut self, now: Instant, call: CallHandle, person: Person) {
        let peer = self.peer_of(&person);
        let Some(it) = self.calls.get(&call) else {
            return;
        };
        let (name, muted) = (it.name.clone(), it.is_muted());
        self.tell_conference(ConferenceEvent::Began {
            call: Some(name.clone()),
        });
        self.tell_conference(ConferenceEvent::Leg {
            call: name,
            peer: peer.clone(),
        });
        if let Some(conference) = &mut self.conference {
            conference.legs.muted = muted;
            conference.began_in = Some(call);
            conference.legs.calls.insert(call);
            conference.people.insert(person.id(), peer);
            conference.mesh.leg_taken(now, person, call);
            conference.mesh.leg_connected(now, call);
            conference.legs.connected_at = Some(now);
        }
    }

    /// Asks somebody in.
    pub(super) fn ask_in(&mut self, now: Instant, person: Person) -> Result<(), GroupError> {
        let conference = self.conference.as_mut().ok_or(GroupError::NoSuchCall)?;
        let id = person.id();
        conference
            .mesh
            .invite(now, person)
            .map_err(|refused| match refused {
                InviteRefused::Full => GroupError::TooMany,
                InviteRefused::AlreadyIn => GroupError::Twice,
                InviteRefused::Oneself => CallError::OwnIdentity.into(),
                InviteRefused::Over => GroupError::NoSuchCall,
            })?;
        conference.asked.insert(id);
        Ok(())
    }

    /// Somebody who may be called into a conference by our rules.
    fn callable(&self, callee: &Callee, options: &CallOptions) -> Result<Person, GroupError> {
        let identity = self.contacts.identity_of(callee, options.require)?;
        let identity = identity.ok_or(GroupError::NotSealed)?;
        if identity == self.own.identity.public() {
            return Err(CallError::OwnIdentity.into());
        }
        let peer = self.contacts.identify(&identity, &callee.matrix_id);
        let peer = peer.map_err(|_| CallError::IdentityMismatch)?;
        choose_route(options.route, peer.name.is_some(), self.config.relays)?;
        Ok(person_of(&peer).ok_or(CallError::IdentityMismatch)?)
    }

    /// Answers the call with which somebody asks us into a conference: from now on we are in it.
    pub(in crate::endpoint) fn answered_ringing_conference(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
    ) {
        let Some(ringing) = self.ringing.take_if(|it| it.call == call) else {
            return;
        };
        self.enter(now, ringing);
        self.settle(now, rng);
    }

    /// What rang is a conference that we are in.
    pub(super) fn enter(&mut self, now: Instant, ringing: RingingConference) {
        let name = ringing.told.conference;
        let mut conference = Conference::new(name, self.own_id(), ringing.options);
        conference.mesh.introduce(&ringing.members);
        let inviter = ringing.inviter.id();
        let named = ringing.members.iter().map(|it| it.id()).collect();
        conference.introduced = Some((inviter, named));
        conference
            .mesh
            .leg_taken(now, ringing.inviter, ringing.call);
        conference.legs.calls.insert(ringing.call);
        let call = self.calls.get(&ringing.call);
        conference.legs.muted = call.is_some_and(Call::is_muted);
        let told = call.map(|it| (it.name.clone(), it.peer.clone()));
        if let Some((_, peer)) = &told {
            conference.people.insert(inviter, peer.clone());
        }
        self.conference = Some(conference);
        if let Some((call, peer)) = told {
            self.tell_conference(ConferenceEvent::Began {
                call: Some(call.clone()),
            });
            self.tell_conference(ConferenceEvent::Leg { call, peer });
        }
        self.again.extend(ringing.kept);
    }
}

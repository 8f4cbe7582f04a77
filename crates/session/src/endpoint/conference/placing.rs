//! Calls that the mesh wants placed.

use rand_core::CryptoRng;
use securecall_signaling::{CallId, ConferenceInvite, Person};
use std::time::Duration;
use web_time::Instant;

use crate::call::{Call, Dial, LegOrder};
use crate::config::MAX_LIFETIME;
use crate::endpoint::Endpoint;
use crate::endpoint::route::choose_route;
use crate::group::{ConferenceEvent, LeftReason};

/// How long a leg to somebody who is in already waits to be taken. Nobody has to answer it.
const LEG_LIFETIME: Duration = Duration::from_secs(20);

impl Endpoint {
    /// Places a leg. Whoever brought them: all rules about whom we call hold.
    pub(super) fn place_leg(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        person: &Person,
        rings: bool,
        members: Vec<Person>,
    ) {
        let identity = person.id().identity_key();
        let peer = self.peer_of(person);
        let Some(conference) = &self.conference else {
            return;
        };
        let (asked, id) = (&conference.legs.options, conference.mesh.conference());
        let is_theirs = self
            .contacts
            .identify(&identity, person.matrix_id())
            .is_ok();
        let route = choose_route(asked.route, peer.name.is_some(), self.config.relays);
        if self.is_blocked(person) {
            return self.never_call(now, person, LeftReason::Blocked);
        }
        let (Ok(route), true) = (route, is_theirs) else {
            return self.never_call(now, person, LeftReason::NotAllowed);
        };
        let lifetime = if rings {
            asked.lifetime.min(MAX_LIFETIME)
        } else {
            LEG_LIFETIME
        };
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let handle = self.handles.issue();
        let dial = Dial {
            handle,
            id: CallId::from_random(bytes),
            peer: peer.clone(),
            identity,
            route,
            asked: asked.route,
            sent_at: self.wallclock(now),
            lifetime,
            leg: Some(LegOrder {
                invite: ConferenceInvite {
                    conference_id: id,
                    rings,
                    members,
                },
                shares: self.shares(),
            }),
        };
        self.tell_conference(ConferenceEvent::Leg {
            call: dial.name(),
            peer,
        });
        if let Some(conference) = &mut self.conference {
            conference.legs.calls.insert(handle);
            conference.mesh.leg_placed(now, person.id(), handle);
        }
        self.begin_call(now, rng, |io| Call::place(io, dial));
    }

    /// Somebody is not called, whoever names them, and shown as such.
    pub(super) fn never_call(&mut self, now: Instant, person: &Person, why: LeftReason) {
        if let Some(conference) = &mut self.conference {
            conference.mesh.not_placed(now, person.id());
            let is_news = conference.refused.insert(person.id());
            let peer = self.peer_of(person);
            if is_news {
                self.tell_conference(ConferenceEvent::Left { peer, why });
            }
        }
    }
}

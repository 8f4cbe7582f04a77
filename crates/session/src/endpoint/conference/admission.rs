//! Invites that belong to a conference: those that ask us in ring, those of members are legs, and all others get no word.

use rand_core::CryptoRng;
use securecall_crypto::IdentityKey;
use securecall_signaling::group::{INTRODUCTION_PATIENCE, LegEnd, Verdict};
use securecall_signaling::{CallEnd, ConferenceInvite, Content, Person, Survivor};
use web_time::Instant;

use super::{Kept, MAX_KEPT, RingingConference, person_of};
use crate::Route;
use crate::call::{Call, Reception};
use crate::call_handle::CallHandle;
use crate::config::CallOptions;
use crate::endpoint::Endpoint;
use crate::endpoint::arrived::{Arrived, Intent};
use crate::endpoint::reports::Why;
use crate::endpoint::route::choose_route;
use crate::event::MissedReason;
use crate::group::{ConferenceEvent, IncomingConference, NamedConference};

/// How somebody asks us in.
pub(super) struct Ring {
    pub(super) name: NamedConference,
    pub(super) options: CallOptions,
    /// It is accepted already.
    pub(super) accept: bool,
}

impl Endpoint {
    /// Whether an invite is a leg of the conference that we are in.
    pub(in crate::endpoint) fn is_of_ours(&self, asked: Option<&ConferenceInvite>) -> bool {
        asked.is_some_and(|it| self.is_in(it.conference_id))
    }

    /// What the user has asked for, of the route of an inbound call.
    pub(in crate::endpoint) fn route_asked_for(
        &self,
        asked: Option<&ConferenceInvite>,
    ) -> Option<Route> {
        match &self.conference {
            Some(conference) if self.is_of_ours(asked) => conference.legs.options.route,
            _ => self.config.inbound.route,
        }
    }

    /// An invite that passed every rule, and names a conference.
    pub(in crate::endpoint) fn receive_in_conference(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        mut arrived: Arrived,
        asked: ConferenceInvite,
    ) {
        if self.is_in(asked.conference_id) {
            return self.offer_leg(now, rng, arrived);
        }
        // Whoever it is learns nothing of whether, and where, we are in a conference.
        if !asked.rings {
            tracing::debug!("a leg of a conference that we are not in");
            return;
        }
        let (call, identity) = (arrived.call.clone(), arrived.invite.identity);
        if let Some(why) = self.unwanted(&identity, &arrived.peer.matrix_id) {
            return self.report(now, call, arrived.peer, Why::Refused(why));
        }
        if arrived.rings_until <= now {
            let why = Why::Missed(MissedReason::NotAnswered);
            return self.report(now, call, arrived.peer, why);
        }
        // The user has declined the conference when somebody else's call rang.
        if arrived.intent == Intent::Decline {
            let (invite, peer) = (arrived.invite, arrived.peer);
            return self.turn_away(now, rng, call, invite, peer, &Content::Reject);
        }
        self.replace_ringing_call(now, rng, &arrived.invite);
        let same = |it: &&mut RingingConference| it.told.conference.id == asked.conference_id;
        if let Some(ringing) = self.ringing.as_mut().filter(same) {
            // It rings once, whoever else wants us in.
            if ringing.kept.len() < MAX_KEPT {
                ringing.kept.push(arrived);
            }
            return;
        }
        let glare = self.conference_glare(&identity);
        let accept = self.policy_accepts(&identity);
        if let Some(ours) = glare {
            let theirs_survives = self
                .conference()
                .is_some_and(|it| asked.conference_id < it.id);
            if !theirs_survives {
                return;
            }
            if self.has_company() {
                return self.turn_away_busy(now, rng, arrived);
            }
            let route = self.calls.get(&ours).map(|it| it.route);
            arrived.route = route.unwrap_or(arrived.route);
            return self.give_way_to_invite(now, rng, arrived, asked, ours);
        }
        if self.is_occupied() {
            return self.turn_away_busy(now, rng, arrived);
        }
        let ring = Ring {
            name: NamedConference {
                handle: self.conference_handles.issue(),
                id: asked.conference_id,
            },
            options: self.config.inbound.clone(),
            accept,
        };
        self.ring_conference(now, rng, arrived, asked, ring);
    }

    /// Nobody can call us out of a conference in which others are, though we have asked them in.
    fn has_company(&self) -> bool {
        let conference = self.conference.as_ref();
        conference.is_some_and(|it| it.mesh.people_connected().next().is_some())
    }

    fn turn_away_busy(&mut self, now: Instant, rng: &mut dyn CryptoRng, arrived: Arrived) {
        let (call, invite, peer) = (arrived.call, arrived.invite, arrived.peer);
        let why = Why::Missed(MissedReason::Busy);
        self.report(now, call.clone(), peer.clone(), why);
        self.turn_away(now, rng, call, invite, peer, &Content::Busy);
    }

    /// It rings, or is accepted already.
    pub(super) fn ring_conference(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: Arrived,
        asked: ConferenceInvite,
        ring: Ring,
    ) {
        let Some(inviter) = person_of(&arrived.peer) else {
            return;
        };
        let own = self.own_id();
        let others = |it: &&Person| it.id() != own && it.id() != inviter.id();
        let members = asked.members.iter().filter(others);
        let told = IncomingConference {
            conference: ring.name,
            members: members.map(|it| self.peer_of(it)).collect(),
        };
        let call = arrived.call.handle;
        self.ringing = Some(RingingConference {
            call,
            told: told.clone(),
            inviter,
            members: asked.members,
            options: ring.options,
            kept: Vec::new(),
        });
        let accept = ring.accept;
        let reception = Reception::Rings {
            accept,
            conference: Some(told),
        };
        self.receive(now, rng, arrived, reception);
        if accept {
            self.answered_ringing_conference(now, rng, call);
        }
    }

    fn receive(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: Arrived,
        reception: Reception,
    ) {
        let invited = arrived.into_invited();
        self.begin_call(now, rng, |io| Call::receive(io, invited, reception));
    }

    /// Somebody proven offers a leg of our conference.
    fn offer_leg(&mut self, now: Instant, rng: &mut dyn CryptoRng, mut arrived: Arrived) {
        let Some(person) = person_of(&arrived.peer) else {
            return;
        };
        if self.is_blocked(&person) || arrived.rings_until <= now {
            return;
        }
        let Some(conference) = &self.conference else {
            return;
        };
        let asked = conference.legs.options.route;
        let is_contact = arrived.peer.name.is_some();
        let Ok(route) = choose_route(asked, is_contact, self.config.relays) else {
            return;
        };
        self.shows_key_in_room(now, &person);
        let Some(conference) = &mut self.conference else {
            return;
        };
        match conference.mesh.leg_offered(now, &person) {
            Verdict::Take => {}
            Verdict::Wait if conference.kept.len() < MAX_KEPT => {
                // Once, however often it is looked at again.
                let until = arrived.rings_until.min(now + INTRODUCTION_PATIENCE);
                arrived.rings_until = until;
                conference.kept.push(Kept { until, arrived });
                return;
            }
            Verdict::Wait | Verdict::Refuse => {
                tracing::debug!(conference = %conference.legs.name, "a leg of somebody whom nobody has named");
                return;
            }
        }
        arrived.route = route;
        if self.gives_way_to_leg(now, rng, &arrived) {
            self.take_leg(now, rng, arrived, person);
        }
    }

    /// Whether a leg is to be taken where one of ours with the same person may be on its way: of two that cross, one survives.
    fn gives_way_to_leg(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: &Arrived,
    ) -> bool {
        let Some(ours) = self.unanswered_leg_with(&arrived.invite.identity) else {
            return true;
        };
        let id = self.calls.get(&ours).and_then(Call::sealed_id);
        match id.map(|id| Survivor::of(id, arrived.invite.call)) {
            Some(Survivor::Ours) => false,
            Some(Survivor::Theirs) | None => {
                if let Some(conference) = &mut self.conference {
                    conference.mesh.leg_ended(now, ours, LegEnd::Crossed);
                }
                let by = arrived.call.clone();
                self.with_call(now, rng, ours, |it, io| it.give_way(io, by));
                true
            }
        }
    }

    fn take_leg(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: Arrived,
        person: Person,
    ) {
        let call = arrived.call.clone();
        let shares = self.shares();
        self.tell_conference(ConferenceEvent::Leg {
            call: call.clone(),
            peer: arrived.peer.clone(),
        });
        if let Some(conference) = &mut self.conference {
            conference.legs.calls.insert(call.handle);
            conference.mesh.leg_taken(now, person, call.handle);
        }
        self.receive(now, rng, arrived, Reception::Leg(shares));
    }

    /// What waits is looked at anew: somebody may have been named meanwhile.
    pub(in crate::endpoint) fn offer_again(&mut self) {
        if let Some(conference) = &mut self.conference {
            let kept = conference.kept.drain(..);
            self.again.extend(kept.map(|it| it.arrived));
        }
    }

    /// Our call to somebody, as a leg, that nobody has answered yet.
    fn unanswered_leg_with(&self, identity: &IdentityKey) -> Option<CallHandle> {
        let calls = self.calls.values();
        let mut legs = calls.filter(|it| !it.is_over() && self.is_leg(it.handle()));
        let ours = legs.find(|it| it.is_with(identity) && it.is_unanswered_call_of_ours());
        ours.map(Call::handle)
    }

    /// The leg by which we ask in who asks us in. Nobody is asked into the call of a room.
    fn conference_glare(&self, identity: &IdentityKey) -> Option<CallHandle> {
        let leg = self.unanswered_leg_with(identity);
        leg.filter(|_| self.room_call.is_none())
    }

    /// The call that rang, and was to become a leg, is over. What others want goes on, or is declined with it.
    pub(super) fn ringing_is_over(&mut self, call: CallHandle, end: CallEnd) {
        let Some(ringing) = self.ringing.take_if(|it| it.call == call) else {
            return;
        };
        let kept = ringing.kept.into_iter().map(|mut it| {
            if end == CallEnd::Rejected {
                it.intent = Intent::Decline;
            }
            it
        });
        // Whoever answered it elsewhere is in there, and so are they.
        if end != CallEnd::AnsweredElsewhere {
            self.again.extend(kept);
        }
    }
}

//! Two conferences of the same people: the one of the lesser ID survives, at both ends.

use rand_core::CryptoRng;
use securecall_signaling::{ConferenceId, ConferenceInvite, Person, Roster};
use web_time::Instant;

use super::admission::Ring;
use super::person_of;
use crate::call::Call;
use crate::call_handle::CallHandle;
use crate::config::CallOptions;
use crate::endpoint::Endpoint;
use crate::endpoint::arrived::Arrived;
use crate::group::{ConferenceEvent, NamedConference};

impl Endpoint {
    /// The peer of a call between two says that it is a leg of a conference: from now on it is one here, too.
    pub(super) fn join_by_roster(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
        roster: Roster,
    ) {
        let it = self.calls.get(&call).filter(|it| it.is_connected());
        let Some(it) = it.filter(|_| self.legs().is_none() && self.search.is_none()) else {
            return;
        };
        let Some(person) = person_of(&it.peer) else {
            return;
        };
        let options = CallOptions {
            route: it.asked,
            ..self.config.inbound.clone()
        };
        self.begin_conference(rng, Some(roster.conference_id), &options);
        self.take_in_call(now, call, person);
        self.hear_roster(now, rng, call, roster);
    }

    /// A member names another conference. That is so when both ends of a call between two have added somebody at the same time,
    /// and it is listened to in no other case: nobody can call us out of a conference in which others are.
    pub(super) fn hear_other_conference(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
        roster: Roster,
    ) {
        let Some(conference) = &self.conference else {
            return;
        };
        let began_here = conference.began_in == Some(call);
        let is_alone = conference.mesh.people_connected().count() <= 1;
        if !(began_here && is_alone && roster.conference_id < conference.mesh.conference()) {
            tracing::debug!(conference = %conference.legs.name, "a roster of another conference");
            return;
        }
        let Some(person) = self.calls.get(&call).and_then(|it| person_of(&it.peer)) else {
            return;
        };
        let given_up = self.give_conference_up(now, rng, call, roster.conference_id);
        let Some(GivenUp {
            by,
            invited,
            options,
            muted: _,
        }) = given_up
        else {
            return;
        };
        self.begin_named(by, &options);
        self.take_in_call(now, call, person);
        self.hear_roster(now, rng, call, roster);
        self.ask_in_again(now, invited);
    }

    /// Two ask each other in: ours gives way to theirs, and whom we have asked in is asked into theirs.
    pub(super) fn give_way_to_invite(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: Arrived,
        asked: ConferenceInvite,
        ours: CallHandle,
    ) {
        let Some(person) = person_of(&arrived.peer) else {
            return;
        };
        let given_up = self.give_conference_up(now, rng, ours, asked.conference_id);
        let Some(GivenUp {
            by,
            mut invited,
            options,
            muted,
        }) = given_up
        else {
            return;
        };
        let call = arrived.call.clone();
        self.with_call(now, rng, ours, |it, io| it.give_way(io, call));
        let ring = Ring {
            name: by,
            options,
            accept: true,
        };
        self.ring_conference(now, rng, arrived, asked, ring);
        if muted {
            self.mute_conference(now, rng, true);
        }
        invited.retain(|it| it.id() != person.id());
        self.ask_in_again(now, invited);
        self.settle(now, rng);
    }

    /// Lets go of our conference for another: all its legs are over but for one.
    fn give_conference_up(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        keeps: CallHandle,
        by: ConferenceId,
    ) -> Option<GivenUp> {
        let by = NamedConference {
            handle: self.conference_handles.issue(),
            id: by,
        };
        self.tell_conference(ConferenceEvent::Replaced { by });
        // First, so that nothing that its legs have to say is taken for the end of it.
        let conference = self.conference.take()?;
        let given_up = GivenUp {
            by,
            invited: conference.mesh.people_invited(),
            options: conference.legs.options,
            muted: conference.legs.muted,
        };
        for leg in conference.legs.calls.into_iter().filter(|it| *it != keeps) {
            self.with_call(now, rng, leg, Call::hang_up);
        }
        Some(given_up)
    }

    fn ask_in_again(&mut self, now: Instant, people: Vec<Person>) {
        for person in people {
            // Who has been asked in by somebody else meanwhile is in.
            if let Err(refused) = self.ask_in(now, person) {
                tracing::debug!(%refused, "nobody else is asked in");
            }
        }
    }
}

/// What is left of a conference that gave way.
struct GivenUp {
    by: NamedConference,
    /// Whom we had asked in, and who was not in yet.
    invited: Vec<Person>,
    options: CallOptions,
    muted: bool,
}

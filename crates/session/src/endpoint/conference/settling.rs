//! What legs tell goes to the mesh, and what the mesh wants is done, until nothing is left of either.

use rand_core::CryptoRng;
use securecall_contact::SecureCallId;
use securecall_crypto::group_words;
use securecall_signaling::group::{EndWhy, LeftWhy, LegEnd, MeshOutput, OverWhy};
use securecall_signaling::{CallEnd, HangupReason, Person, Roster};
use web_time::Instant;

use super::Conference;
use crate::EndReason;
use crate::call::{Call, LegNews};
use crate::call_handle::CallHandle;
use crate::endpoint::Endpoint;
use crate::group::{ConferenceEvent, LeftReason};

impl Endpoint {
    /// Takes what a call tells of itself.
    pub(in crate::endpoint) fn take_news(&mut self, call: CallHandle) {
        let Some(it) = self.calls.get_mut(&call) else {
            return;
        };
        while let Some(news) = it.poll_leg_news() {
            self.news.push_back((call, news));
        }
    }

    /// Has everything follow from what was told. Nothing while it is being done: it goes on until there is nothing more.
    pub(in crate::endpoint) fn settle(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        if std::mem::replace(&mut self.settling, true) {
            return;
        }
        self.tell_group_rooms_of_contacts(now);
        loop {
            if let Some((call, news)) = self.news.pop_front() {
                self.hear_leg(now, rng, call, news);
            } else if let Some(output) = self.poll_mesh() {
                self.carry_out(now, rng, output);
            } else if let Some((room, output)) = self.poll_group_room(now) {
                self.carry_out_in_room(now, rng, &room, output);
            } else if self.tell_mesh_who_is_in(now) || self.has_moved(now, rng) {
            } else if let Some(arrived) = self.again.pop_front() {
                self.ring(now, rng, arrived);
            } else {
                break;
            }
        }
        self.settling = false;
    }

    /// The next thing that the mesh wants; when it wants to be woken is noted.
    fn poll_mesh(&mut self) -> Option<MeshOutput<CallHandle>> {
        let conference = self.conference.as_mut()?;
        match conference.mesh.poll_output() {
            MeshOutput::Timeout(at) => {
                conference.wake = at;
                None
            }
            output => Some(output),
        }
    }

    pub(in crate::endpoint) fn handle_conference_timeout(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
    ) {
        if let Some(conference) = &mut self.conference {
            conference.kept.retain(|it| it.until > now);
            if conference.wake.is_some_and(|at| at <= now) {
                conference.mesh.handle_timeout(now);
            }
        }
        self.settle(now, rng);
    }

    fn hear_leg(&mut self, now: Instant, rng: &mut dyn CryptoRng, call: CallHandle, news: LegNews) {
        if self.hear_room_leg(now, call, &news) {
            return;
        }
        if !self.is_leg(call) {
            return self.hear_other_call(now, rng, call, news);
        }
        let peer = self.calls.get(&call).and_then(|it| it.peer.id);
        let Some(conference) = &mut self.conference else {
            return;
        };
        match news {
            LegNews::Connected => {
                conference.legs.connected_at.get_or_insert(now);
                conference.mesh.leg_connected(now, call);
                self.offer_again();
            }
            LegNews::Silent { since } => conference.mesh.leg_silent(now, call, since),
            LegNews::Heard => conference.mesh.leg_heard(now, call),
            LegNews::Roster(roster) => self.hear_roster(now, rng, call, roster),
            LegNews::Ended { end, reason } => {
                conference.legs.calls.remove(&call);
                if let Some(peer) = peer {
                    conference.ends.insert(peer, reason);
                }
                conference.mesh.leg_ended(now, call, leg_end(end, reason));
            }
        }
    }

    /// A call that is no leg of our conference.
    fn hear_other_call(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
        news: LegNews,
    ) {
        match news {
            LegNews::Roster(roster) => self.join_by_roster(now, rng, call, roster),
            LegNews::Ended { end, .. } => self.ringing_is_over(call, end),
            LegNews::Connected | LegNews::Silent { .. } | LegNews::Heard => {}
        }
    }

    pub(super) fn hear_roster(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
        roster: Roster,
    ) {
        let Some(conference) = &mut self.conference else {
            return;
        };
        if roster.conference_id != conference.mesh.conference() {
            return self.hear_other_conference(now, rng, call, roster);
        }
        match conference.mesh.handle_roster(now, call, &roster) {
            Ok(()) => self.offer_again(),
            Err(refused) => {
                tracing::debug!(conference = %conference.legs.name, %refused, "refused a roster");
            }
        }
    }

    fn carry_out(&mut self, now: Instant, rng: &mut dyn CryptoRng, output: MeshOutput<CallHandle>) {
        match output {
            MeshOutput::Call {
                person,
                rings,
                members,
            } => self.place_leg(now, rng, &person, rings, members),
            MeshOutput::Tell { leg, roster } => {
                self.with_call(now, rng, leg, |it, io| it.tell_roster(io, roster));
            }
            MeshOutput::EndLeg { leg, why } => {
                self.with_call(now, rng, leg, |it, io| it.end_leg(io, hangup_reason(why)));
            }
            MeshOutput::Invited { person, by } => self.tell_invited(now, &person, by),
            MeshOutput::Joined {
                person,
                leg,
                brought_by,
            } => self.tell_joined(&person, leg, brought_by),
            MeshOutput::NoPath { person, by: _ } => {
                if !self.is_refused(&person) {
                    let peer = self.meet_person(&person);
                    self.tell_conference(ConferenceEvent::NoPath { peer });
                }
            }
            MeshOutput::Left { person, why } => self.tell_left(&person, why),
            MeshOutput::Words(people) => self.tell_words(people),
            MeshOutput::Over(why) => self.conference_is_over(now, rng, why),
            MeshOutput::Timeout(_) => {}
        }
    }

    fn tell_invited(&mut self, now: Instant, person: &Person, by: Option<SecureCallId>) {
        let peer = self.meet_person(person);
        let by = by.or_else(|| self.introducer_of(person));
        let conference = self.conference.as_ref();
        let is_asked = conference.is_some_and(|it| it.asked.contains(&person.id()));
        // Who has called us was asked in by nobody that we know.
        if (is_asked || by.is_some()) && !self.is_refused(person) {
            let by = by.and_then(|id| self.peer_with(id));
            self.tell_conference(ConferenceEvent::Invited { peer, by });
        }
        if self.is_blocked(person) {
            self.never_call(now, person, LeftReason::Blocked);
        }
    }

    fn tell_joined(&mut self, person: &Person, leg: CallHandle, brought_by: Option<SecureCallId>) {
        let peer = self.meet_person(person);
        let brought_by = brought_by
            .or_else(|| self.introducer_of(person))
            .and_then(|id| self.peer_with(id));
        if let Some(call) = self.calls.get(&leg).map(|it| it.name.clone()) {
            self.tell_conference(ConferenceEvent::Joined {
                call,
                peer,
                brought_by,
            });
        }
    }

    fn tell_left(&mut self, person: &Person, why: LeftWhy) {
        let peer = self.meet_person(person);
        let Some(conference) = &mut self.conference else {
            return;
        };
        conference.people.remove(&person.id());
        if conference.refused.contains(&person.id()) {
            return;
        }
        let end = conference.ends.remove(&person.id());
        let is_unreachable = matches!(end, Some(EndReason::Unreachable | EndReason::Unknown));
        let why = match why {
            LeftWhy::HungUp => LeftReason::HungUp,
            LeftWhy::Declined => LeftReason::Declined,
            LeftWhy::Busy => LeftReason::Busy,
            LeftWhy::NoAnswer if is_unreachable => LeftReason::Unreachable,
            LeftWhy::NoAnswer => LeftReason::NoAnswer,
            LeftWhy::Vanished => LeftReason::Vanished,
            LeftWhy::NotNamed => LeftReason::NotNamed,
        };
        self.tell_conference(ConferenceEvent::Left { peer, why });
    }

    fn tell_words(&mut self, mut people: Vec<SecureCallId>) {
        let Some(id) = self.conference.as_ref().map(|it| it.legs.name.id) else {
            return;
        };
        // With nobody there is nothing to compare; in the call of a room there are people who have no key.
        if people.is_empty() || self.room_call.is_some() {
            return;
        }
        people.push(self.own_id());
        people.sort();
        people.dedup();
        let keys = people.iter().map(|it| it.identity_key());
        let words = group_words(id.as_bytes(), keys);
        self.tell_conference(ConferenceEvent::Words(words));
    }

    fn conference_is_over(&mut self, now: Instant, rng: &mut dyn CryptoRng, why: OverWhy) {
        let Some(conference) = &self.conference else {
            return;
        };
        for leg in conference.legs.calls.clone() {
            self.with_call(now, rng, leg, Call::hang_up);
        }
        let Some(conference) = &self.conference else {
            return;
        };
        let (reason, connected_for) = (
            conference.end_reason(why),
            conference.legs.connected_for(now),
        );
        self.tell_conference(ConferenceEvent::Ended {
            reason,
            connected_for,
        });
        self.conference = None;
    }

    /// Who has named somebody when they asked us in, unless we have asked them ourselves.
    fn introducer_of(&self, person: &Person) -> Option<SecureCallId> {
        let conference = self.conference.as_ref()?;
        let (inviter, named) = conference.introduced.as_ref()?;
        let id = person.id();
        let is_named = id != *inviter && named.contains(&id) && !conference.asked.contains(&id);
        is_named.then_some(*inviter)
    }

    /// Somebody whom the user is told of.
    pub(super) fn meet_person(&mut self, person: &Person) -> crate::event::Peer {
        let peer = self.peer_of(person);
        if let Some(conference) = &mut self.conference {
            conference.people.insert(person.id(), peer.clone());
        }
        peer
    }

    /// Whether the user was told that somebody is neither called nor taken.
    fn is_refused(&self, person: &Person) -> bool {
        let conference = self.conference.as_ref();
        conference.is_some_and(|it| it.refused.contains(&person.id()))
    }

    /// Whether the user has blocked somebody: their key, or where they are called.
    pub(in crate::endpoint) fn is_blocked(&self, person: &Person) -> bool {
        let identity = person.id().identity_key();
        let decision = self.contacts.decision(Some(&identity), person.matrix_id());
        decision.blocked
    }
}

impl Conference {
    /// Why it is over, as for a call.
    fn end_reason(&self, why: OverWhy) -> EndReason {
        let was_connected = self.legs.connected_at.is_some();
        match why {
            OverWhy::Left if was_connected => EndReason::LocalHangup,
            OverWhy::Left => EndReason::Cancelled,
            OverWhy::AnsweredElsewhere => EndReason::AnsweredElsewhere,
            OverWhy::Alone(LeftWhy::HungUp | LeftWhy::NotNamed) => EndReason::RemoteHangup,
            OverWhy::Alone(LeftWhy::Declined) => EndReason::Declined,
            OverWhy::Alone(LeftWhy::Busy) => EndReason::Busy,
            OverWhy::Alone(LeftWhy::NoAnswer) => EndReason::NoAnswer,
            OverWhy::Alone(LeftWhy::Vanished) if was_connected => EndReason::IceTimeout,
            OverWhy::Alone(LeftWhy::Vanished) => EndReason::IceFailed,
        }
    }
}

/// What the peer is told of a leg that we end.
const fn hangup_reason(why: EndWhy) -> HangupReason {
    match why {
        EndWhy::Left => HangupReason::UserHangup,
        EndWhy::Replaced => HangupReason::AnsweredElsewhere,
        EndWhy::NoPath => HangupReason::IceTimeout,
        EndWhy::Crossed => HangupReason::UnknownError,
        EndWhy::Full => HangupReason::UserBusy,
    }
}

/// What the end of a call means for the conference.
const fn leg_end(end: CallEnd, reason: EndReason) -> LegEnd {
    match end {
        CallEnd::PeerHungUp(HangupReason::UserHangup) => LegEnd::Left,
        CallEnd::PeerHungUp(HangupReason::AnsweredElsewhere) | CallEnd::AnsweredElsewhere => {
            LegEnd::AnsweredElsewhere
        }
        CallEnd::PeerHungUp(HangupReason::IceFailed | HangupReason::IceTimeout)
        | CallEnd::ConnectTimeout => LegEnd::NoPath,
        CallEnd::HungUp(_) if matches!(reason, EndReason::IceFailed | EndReason::IceTimeout) => {
            LegEnd::NoPath
        }
        CallEnd::Declined => LegEnd::Declined,
        CallEnd::Busy => LegEnd::Busy,
        CallEnd::NoAnswer | CallEnd::Unreachable | CallEnd::ClocksDiffer => LegEnd::NoAnswer,
        CallEnd::PeerHungUp(_)
        | CallEnd::HungUp(_)
        | CallEnd::CallerCancelled
        | CallEnd::Rejected => LegEnd::Failed,
    }
}

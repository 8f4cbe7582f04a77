//! What is said in the room.

use std::time::Duration;

use securecall_signaling::wire::room::{Mid, RoomCandidate, RoomContent, RoomInvite};

use super::description::{LineName, stream_of, with_candidates};
use super::outbox::{ANSWER, INVITE};
use super::{Candidate, Content, Described, GATHER, Half, PartyId, Room, Situation, Timer};
use crate::io::Io;
use securecall_signaling::{Description, HangupReason};

/// For how long an offer within the call counts; the media engine answers one in less than a second.
const NEGOTIATE_LIFETIME: Duration = Duration::from_secs(30);

impl Room {
    /// Our offer (caller); the first one counts.
    pub(crate) fn take_offer(&mut self, sdp: String) {
        if matches!(self.half, Half::Caller { .. }) && self.stream.is_none() && !self.over {
            self.describe(sdp, true);
        }
    }

    /// Has a content said.
    pub(crate) fn say(&mut self, to: &PartyId, content: Content) {
        match content {
            Content::Answer { answer } => self.describe(answer.sdp, false),
            Content::SelectAnswer { selected_party_id } => {
                self.say_select_answer(selected_party_id);
            }
            // Not known to rooms, or said by `finish`, `offer_candidates` and `say_negotiate`.
            Content::Invite(_)
            | Content::Candidates { .. }
            | Content::Reject
            | Content::Hangup { .. }
            | Content::Negotiate { .. }
            | Content::Ringing
            | Content::Busy
            | Content::ClocksDiffer
            | Content::WordsNonce { .. }
            | Content::Rekey
            | Content::RestartPlease
            | Content::Roster(_) => {
                tracing::trace!(call = %self.id, to = %to, "not said in rooms");
            }
        }
    }

    /// Has a description within the call said in place of one that was not said yet.
    pub(crate) fn say_negotiate(&mut self, content: Content) {
        let Content::Negotiate { description, .. } = content else {
            return;
        };
        let content = RoomContent::Negotiate {
            description,
            lifetime: Some(NEGOTIATE_LIFETIME),
            streams: self.streams(),
        };
        let event = self.event(content);
        self.outbox.push_newest(event);
        self.muted_told = self.muted;
    }

    /// This device is in another call: declines for all of ours, for the peer would ring on otherwise.
    pub(crate) fn turn_away(&mut self, now: web_time::Instant) {
        let reason = HangupReason::UserBusy;
        let content = self.no_thanks(reason);
        let event = self.event(content);
        self.outbox.close(now, Some(event));
        self.over = true;
    }

    /// Makes events of what is to be said.
    pub(crate) fn speak(&mut self, io: &Io<'_>, situation: &Situation) {
        if self.over {
            return;
        }
        self.speak_description(io);
        self.speak_candidates(io);
        self.speak_muted(situation);
    }

    /// Sends the events whose time has come.
    pub(crate) fn transmit(&mut self, io: &mut Io<'_>) {
        self.outbox.transmit(io);
    }

    /// How the callee declines in the caller's version.
    pub(super) fn no_thanks(&self, reason: HangupReason) -> RoomContent {
        let Half::Callee { caller } = &self.half else {
            return RoomContent::Hangup {
                reason: reason.into(),
            };
        };
        if self.manner(caller).is_some_and(super::Manner::is_v1) {
            RoomContent::Reject {
                // matrix-js-sdk shows it to the caller; without it, it is the user who declines.
                reason: (reason == HangupReason::UserBusy).then(|| reason.into()),
            }
        } else {
            RoomContent::Hangup {
                reason: reason.into(),
            }
        }
    }

    fn describe(&mut self, sdp: String, is_offer: bool) {
        self.stream = stream_of(&sdp);
        self.line = LineName::of_own(&sdp);
        self.described = Some(Described { sdp, is_offer });
        self.gathers = false;
    }

    /// Once for all devices. One of version 0 knows no such event.
    fn say_select_answer(&mut self, selected: PartyId) {
        let is_v1 = self.manner(&selected).is_some_and(super::Manner::is_v1);
        let Half::Caller { select_said, .. } = &mut self.half else {
            return;
        };
        if is_v1 && !std::mem::replace(select_said, true) {
            let content = RoomContent::SelectAnswer {
                selected_party_id: selected,
            };
            let event = self.event(content);
            self.outbox.push(event);
        }
    }

    fn speak_description(&mut self, io: &Io<'_>) {
        if self.described.is_some() && !std::mem::replace(&mut self.gathers, true) {
            self.deadlines.set(Timer::Gather, io.now + GATHER);
        }
        let waits = self.deadlines.is_set(Timer::Gather) && !self.trickle.is_complete();
        let Some(described) = self.described.take_if(|_| !waits) else {
            return;
        };
        self.deadlines.clear(Timer::Gather);
        let (candidates, complete) = self.trickle.take_for_description();
        let sdp = with_candidates(&described.sdp, candidates, complete);
        self.muted_told = self.muted;
        let content = match (&self.half, described.is_offer) {
            (Half::Caller { lifetime, .. }, true) => RoomContent::Invite(RoomInvite {
                offer: Description::offer(sdp),
                lifetime: *lifetime,
                invitee: Some(self.peer.clone()),
                streams: self.streams(),
            }),
            _ => RoomContent::Answer {
                answer: Description::answer(sdp),
                streams: self.streams(),
            },
        };
        let event = self.event(content);
        self.outbox.push(event);
    }

    /// Not before the homeserver has the description: matrix-dart-sdk drops candidates of a call that it does not know, and
    /// matrix-js-sdk those that come before the answer.
    fn speak_candidates(&mut self, io: &Io<'_>) {
        let description = match self.half {
            Half::Caller { .. } => INVITE,
            Half::Callee { .. } => ANSWER,
        };
        if !self.outbox.has_taken(description) {
            return;
        }
        let at = self.line.clone();
        let Some((candidates, complete)) = self.trickle.take_due(io.now) else {
            return;
        };
        let lines = candidates.iter().map(|it| it.candidate.clone());
        let lines = lines.chain(complete.then(String::new));
        let candidates = lines.map(|line| of_line(line, at.clone())).collect();
        let event = self.event(RoomContent::Candidates { candidates });
        self.outbox.push(event);
    }

    /// Tells that we are muted, where the peer knows what that is.
    fn speak_muted(&mut self, situation: &Situation) {
        let selected = situation.selected.as_ref();
        let knows = selected.is_some_and(|it| self.may_negotiate_with(it));
        let is_described = self.described.is_none();
        if !knows || !is_described || self.muted == self.muted_told {
            return;
        }
        if let Some(streams) = self.streams() {
            let event = self.event(RoomContent::StreamMetadataChanged { streams });
            self.outbox.push_newest(event);
            self.muted_told = self.muted;
        }
    }
}

fn of_line(candidate: String, line: LineName) -> RoomCandidate {
    RoomCandidate {
        candidate,
        sdp_mid: line
            .mid
            .or_else(|| Mid::parse(&line.index.to_string()).ok()),
        sdp_m_line_index: Some(line.index),
    }
}

/// A candidate of the peer, as the call takes it.
pub(super) fn heard_candidate(candidate: RoomCandidate) -> Candidate {
    Candidate {
        candidate: candidate.candidate,
        sdp_mid: "0".to_owned(),
    }
}

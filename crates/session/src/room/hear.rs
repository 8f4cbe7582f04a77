//! What is heard in the room.

use std::time::Duration;

use securecall_signaling::wire::room::{
    RoomCandidate, RoomContent, RoomSignal, RoomVersion, StreamMetadata,
};
use securecall_signaling::{
    Candidate, Content, Description, HangupReason, MAX_CANDIDATE, MAX_CANDIDATES, MAX_PARTIES,
    PartyId,
};

use super::description::without_unnamed_audio;
use super::speak::heard_candidate;
use super::{Half, Manner, Room, Speaker, is_muted, party_of};
use crate::EndReason;
use crate::contract::{Heard, Situation};
use crate::signal_refused::SignalRefused;

impl Room {
    /// An event of this call, from the peer's account or from another device of ours.
    pub(crate) fn handle_signal(
        &mut self,
        situation: &Situation,
        speaker: Speaker,
        signal: RoomSignal,
        age: Duration,
    ) -> Result<(), SignalRefused> {
        if situation.over {
            return Err(SignalRefused::OutOfPlace);
        }
        match (speaker, &self.half) {
            (Speaker::Peer, Half::Caller { .. }) => self.hear_callee(situation, signal, age),
            (Speaker::Peer, Half::Callee { .. }) => self.hear_caller(situation, signal, age),
            (Speaker::OwnAccount, Half::Callee { .. }) => self.hear_ourselves(situation, &signal),
            // What our other devices say of a call that this one places ends nothing.
            (Speaker::OwnAccount, Half::Caller { .. }) => Err(SignalRefused::OutOfPlace),
        }
    }

    fn hear_callee(
        &mut self,
        situation: &Situation,
        signal: RoomSignal,
        age: Duration,
    ) -> Result<(), SignalRefused> {
        let from = party_of(&signal);
        let version = signal.version;
        match signal.content {
            RoomContent::Answer { answer, streams } => {
                self.meet(&from, version, streams.is_some())?;
                // The next one of it is another than the one that was taken, or of no use.
                let knows_streams = streams.is_some();
                self.hear(&from, Content::Answer { answer });
                if situation.selected.is_none() {
                    self.set_manner(&from, version, knows_streams);
                    self.hear_muted(streams.as_ref());
                }
            }
            RoomContent::Candidates { candidates } => {
                self.meet(&from, version, false)?;
                let candidates = usable(candidates);
                self.hear(&from, Content::Candidates { candidates });
            }
            RoomContent::Reject { reason } => {
                self.meet(&from, version, false)?;
                let is_busy = reason.is_some_and(|it| it.known() == HangupReason::UserBusy);
                let reason = if is_busy {
                    EndReason::Busy
                } else {
                    EndReason::Declined
                };
                self.turned_down(situation, from, reason);
            }
            RoomContent::Hangup { reason } => {
                self.meet(&from, version, false)?;
                self.hear_callee_hang_up(situation, from, version, reason.known());
            }
            within => return self.hear_within(situation, &from, within, age),
        }
        Ok(())
    }

    /// Before an answer, a hangup is how version 0 declines. In version 1 it says that one device rings no more; the others may.
    fn hear_callee_hang_up(
        &mut self,
        situation: &Situation,
        from: PartyId,
        version: RoomVersion,
        reason: HangupReason,
    ) {
        if situation.selected.is_some() {
            self.hear(&from, Content::Hangup { reason });
            return;
        }
        match (version, reason) {
            (_, HangupReason::UserBusy) => self.turned_down(situation, from, EndReason::Busy),
            // Nheko says so of an invite that it thinks is for somebody else.
            (RoomVersion::V1, HangupReason::InviteTimeout) => {}
            _ => self.turned_down(situation, from, EndReason::Declined),
        }
    }

    fn hear_caller(
        &mut self,
        situation: &Situation,
        signal: RoomSignal,
        age: Duration,
    ) -> Result<(), SignalRefused> {
        let from = party_of(&signal);
        if !self.manners.contains_key(&from) {
            return Err(SignalRefused::UnknownDevice);
        }
        match signal.content {
            RoomContent::Candidates { candidates } => {
                let candidates = usable(candidates);
                self.hear(&from, Content::Candidates { candidates });
            }
            RoomContent::SelectAnswer { selected_party_id } => {
                self.hear(&from, Content::SelectAnswer { selected_party_id });
            }
            RoomContent::Hangup { reason } => {
                let reason = reason.known();
                self.hear(&from, Content::Hangup { reason });
            }
            within => return self.hear_within(situation, &from, within, age),
        }
        Ok(())
    }

    /// While it rings here, another device of ours that answers or declines has the call.
    fn hear_ourselves(
        &mut self,
        situation: &Situation,
        signal: &RoomSignal,
    ) -> Result<(), SignalRefused> {
        let takes = matches!(
            signal.content,
            RoomContent::Answer { .. } | RoomContent::Reject { .. } | RoomContent::Hangup { .. }
        );
        let Half::Callee { caller } = &self.half else {
            return Err(SignalRefused::OutOfPlace);
        };
        if !takes || situation.selected.is_some() {
            return Err(SignalRefused::OutOfPlace);
        }
        let content = Content::SelectAnswer {
            selected_party_id: party_of(signal),
        };
        let from = caller.clone();
        self.hear(&from, content);
        Ok(())
    }

    /// What only the device says that the call is with.
    fn hear_within(
        &mut self,
        situation: &Situation,
        from: &PartyId,
        content: RoomContent,
        age: Duration,
    ) -> Result<(), SignalRefused> {
        if situation.selected.as_ref() != Some(from) {
            return Err(SignalRefused::UnknownDevice);
        }
        match content {
            RoomContent::Negotiate {
                mut description,
                lifetime,
                streams,
            } => {
                if lifetime.is_some_and(|lifetime| age >= lifetime) {
                    return Err(SignalRefused::Stale);
                }
                self.hear_muted(streams.as_ref());
                description.sdp = without_unnamed_audio(description.sdp, streams.as_ref());
                self.hear_description(from, description);
            }
            RoomContent::StreamMetadataChanged { streams } => self.hear_muted(Some(&streams)),
            _ => return Err(SignalRefused::OutOfPlace),
        }
        Ok(())
    }

    fn hear_description(&mut self, from: &PartyId, description: Description) {
        let content = Content::Negotiate {
            description,
            // In a room only the order says which offer an answer is to.
            negotiation: 0,
        };
        self.hear(from, content);
    }

    fn hear_muted(&mut self, streams: Option<&StreamMetadata>) {
        let muted = streams.and_then(is_muted);
        self.heard.extend(muted.map(Heard::PeerMuted));
    }

    fn hear(&mut self, from: &PartyId, content: Content) {
        let from = from.clone();
        self.heard.push_back(Heard::Content { from, content });
    }

    fn turned_down(&mut self, situation: &Situation, from: PartyId, reason: EndReason) {
        // An answer that came first counts.
        if situation.selected.is_none()
            && let Half::Caller { rejected_by, .. } = &mut self.half
        {
            *rejected_by = Some(from.clone());
            self.heard.push_back(Heard::TurnedDown { from, reason });
        }
    }

    /// A device of the peer says something for the first time.
    fn meet(
        &mut self,
        party: &PartyId,
        version: RoomVersion,
        knows_streams: bool,
    ) -> Result<(), SignalRefused> {
        if self.manners.contains_key(party) {
            return Ok(());
        }
        if self.manners.len() >= MAX_PARTIES {
            return Err(SignalRefused::UnknownDevice);
        }
        self.set_manner(party, version, knows_streams);
        self.heard.push_back(Heard::Party(party.clone()));
        Ok(())
    }

    fn set_manner(&mut self, party: &PartyId, version: RoomVersion, knows_streams: bool) {
        let manner = Manner {
            version,
            knows_streams,
        };
        self.manners.insert(party.clone(), manner);
    }
}

/// The peer's candidates, as far as the media engine takes them. A line more is not worth the others.
pub(crate) fn usable(candidates: Vec<RoomCandidate>) -> Vec<Candidate> {
    let usable =
        |it: &RoomCandidate| it.candidate.len() <= MAX_CANDIDATE && it.candidate.is_ascii();
    let candidates = candidates.into_iter().filter(usable);
    candidates
        .take(MAX_CANDIDATES)
        .map(heard_candidate)
        .collect()
}

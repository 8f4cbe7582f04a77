//! What the call screen shows, fed by the client's events.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent};
use securecall_contact::{MatrixId, SecureCallId};
use securecall_driver::{
    CallEvent, CallHandle, CallStats, DeviceWish, EndReason, Event, IncomingConference, Peer,
};
use securecall_matrix::ServerError;
use securecall_profile::Contact;

use super::main_screen::{Wish, name_of};
use crate::calling::Volume;
use crate::error::Failure;
use crate::output::{
    NO_SIGN_WORDS, inviting_words, reason_words, with_words, words_for_calls_of_others,
};

/// What a key asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Take the call.
    Answer,
    /// Decline the call.
    Reject,
    /// End the call.
    Hangup,
    /// Send silence, or the microphone again.
    SetMuted(bool),
    /// Put the call on hold, or go on with it.
    SetHeld(bool),
    /// The safety words are the same: mark the contact as verified.
    Verify,
    /// The same with one member of a group call.
    VerifyMember(SecureCallId),
    /// How loud a member of a group call is to be heard.
    SetVolume(CallHandle, Volume),
    /// Bring somebody into the call.
    Add(String),
    /// Look which microphones and speakers there are.
    LookForDevices,
    /// Go on with another microphone or speaker.
    Exchange(DeviceWish),
    /// What the main screen's keys ask for.
    Wish(Wish),
    /// End everything, as SIGINT does.
    Interrupt,
    /// Redraw: the terminal may have been disturbed.
    Redraw,
}

/// How far the call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is no call yet.
    Waiting,
    /// Our call is on its way.
    Dialing,
    /// It rings at the peer.
    RingingThere,
    /// It rings here.
    RingingHere,
    /// Accepted; the path is being set up.
    Connecting,
    /// Voice flows.
    Connected,
    /// Nothing heard for 3 s.
    Reconnecting,
    /// Over, and why.
    Ended(String),
}

/// The screen's state.
#[derive(Debug)]
pub(crate) struct CallScreen {
    pub(super) stage: Stage,
    pub(super) who: String,
    peer: Option<Peer>,
    pub(super) id: String,
    pub(super) stranger: bool,
    /// The peer's key was compared.
    pub(super) is_verified: bool,
    /// All keys that were compared.
    known_verified: BTreeSet<SecureCallId>,
    pub(super) tier: Option<&'static str>,
    pub(super) words: Option<[String; 4]>,
    pub(super) route: Option<&'static str>,
    /// Who runs the entry and the exit of GhostNet that carry the call.
    pub(super) relays: Option<[String; 2]>,
    pub(super) connected_at: Option<Instant>,
    pub(super) input_level: f32,
    pub(super) output_level: f32,
    pub(super) stats: Option<CallStats>,
    pub(super) muted: bool,
    pub(super) peer_muted: bool,
    /// This side holds the call.
    pub(super) held: bool,
    /// The peer does.
    pub(super) peer_holds: bool,
    /// What the call waits for, and what could be done.
    pub(super) hint: Option<String>,
    pub(super) notice: Option<String>,
}

impl CallScreen {
    /// Before anything happened.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Waiting,
            who: String::new(),
            peer: None,
            id: String::new(),
            stranger: false,
            is_verified: false,
            known_verified: BTreeSet::new(),
            tier: None,
            words: None,
            route: None,
            relays: None,
            connected_at: None,
            input_level: 0.0,
            output_level: 0.0,
            stats: None,
            muted: false,
            peer_muted: false,
            held: false,
            peer_holds: false,
            hint: None,
            notice: None,
        }
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Call(event) => self.handle_call(now, event),
            Event::Levels { input, output, .. } => {
                self.input_level = *input;
                self.output_level = *output;
            }
            Event::Carried { entry, exit, .. } => {
                self.relays = Some([entry.clone(), exit.clone()]);
            }
            Event::Stats { stats, .. } => self.stats = Some(*stats),
            Event::Device { fault, .. } => self.notice = Some(fault.to_string()),
            Event::DeviceRefused { error, .. } => self.notice = Some(error.to_string()),
            Event::Notice { text, .. } => self.notice = Some(text.clone()),
            Event::ReplayMemoryFailed(error) => self.notice = Some(error.to_string()),
            Event::Offline(error @ ServerError::Store { .. }) => {
                self.notice = Some(error.to_string());
            }
            Event::Offline(_) => {
                self.notice =
                    Some("the homeserver cannot be reached; a connected call goes on".to_owned());
            }
            Event::Online => self.notice = None,
            Event::PlainTextRefused => {
                self.notice = Some("a call in plain text was refused".to_owned());
            }
            Event::Ready
            | Event::AudioStarted { .. }
            | Event::Speaking { .. }
            | Event::SessionEnded
            | Event::NoRandomness(_) => {}
        }
    }

    fn handle_call(&mut self, now: Instant, event: &CallEvent) {
        match event {
            CallEvent::Dialing { peer, tier, .. } => {
                self.begin(peer);
                self.tier = Some(tier.as_str());
                self.stage = Stage::Dialing;
            }
            CallEvent::Incoming {
                peer,
                tier,
                accepted,
                conference,
                ..
            } => {
                self.begin(peer);
                self.hint = conference.as_ref().map(group_hint);
                self.tier = Some(tier.as_str());
                self.stage = if *accepted {
                    Stage::Connecting
                } else {
                    Stage::RingingHere
                };
            }
            CallEvent::Inviting { peer, .. } => self.hint = Some(inviting_words(&name_of(peer))),
            CallEvent::NoSignOfRinging { .. } => self.hint = Some(NO_SIGN_WORDS.to_owned()),
            CallEvent::Ringing { .. } => self.stage = Stage::RingingThere,
            CallEvent::Replaced { .. } => self.stage = Stage::Connecting,
            CallEvent::Connected {
                peer,
                tier,
                route,
                safety_words,
                ..
            } => {
                self.name(peer);
                self.stage = Stage::Connected;
                self.hint = None;
                self.tier = Some(tier.as_str());
                self.route = Some(route.as_str());
                self.words = safety_words.map(|it| it.words().map(str::to_owned));
                self.connected_at = Some(now);
            }
            CallEvent::Muted { local, muted, .. } => {
                if *local {
                    self.muted = *muted;
                } else {
                    self.peer_muted = *muted;
                }
            }
            CallEvent::Held { local, held, .. } => {
                if *local {
                    self.held = *held;
                } else {
                    self.peer_holds = *held;
                }
            }
            CallEvent::RouteChanged { route, .. } => self.route = Some(route.as_str()),
            CallEvent::Reconnecting { .. } => self.stage = Stage::Reconnecting,
            CallEvent::Reconnected { .. } => self.stage = Stage::Connected,
            CallEvent::AnsweredElsewhere { .. } => {
                self.notice = Some("answered on another device".to_owned());
            }
            CallEvent::Ended { reason, .. } => {
                self.hint = None;
                self.stage = Stage::Ended(self.reason_words(*reason).to_owned());
            }
            CallEvent::Missed { why, .. } => {
                self.notice = Some(format!("missed call: {}", why.as_str().replace('_', " ")));
            }
            CallEvent::Refused { why, .. } => {
                self.notice = Some(format!(
                    "a call was refused: {}",
                    why.as_str().replace('_', " ")
                ));
            }
            CallEvent::CallsOfOthers { calls } => {
                self.notice = Some(words_for_calls_of_others(*calls));
            }
            CallEvent::FirstAudio { .. } | CallEvent::Conference { .. } => {}
        }
    }

    /// The user took the call.
    pub(crate) fn accepted(&mut self) {
        if self.stage == Stage::RingingHere {
            self.stage = Stage::Connecting;
        }
    }

    /// These contacts are verified.
    pub(crate) fn know_verified(&mut self, verified: &BTreeSet<SecureCallId>) {
        self.known_verified.clone_from(verified);
        self.is_verified = self.id.parse().is_ok_and(|id| verified.contains(&id));
    }

    /// What was wanted did not work.
    pub(super) fn failed(&mut self, failure: &Failure) {
        self.notice = Some(failure.message.to_string());
    }

    /// Forgets the call, which is over.
    pub(super) fn reset(&mut self) {
        *self = Self {
            known_verified: std::mem::take(&mut self.known_verified),
            ..Self::new()
        };
    }

    /// Whether there is a call: one that rings, or is set up, or is connected.
    pub(super) fn is_going_on(&self) -> bool {
        !matches!(self.stage, Stage::Waiting | Stage::Ended(_))
    }

    /// What is to be said of the call that is over; `None` where it is a missed one, of which is told anyway.
    pub(super) fn epitaph(&self, now: Instant, reason: EndReason) -> Option<String> {
        let name = name_of(self.peer.as_ref()?);
        let why = self.reason_words(reason);
        let is_missed = self.stage == Stage::RingingHere
            && matches!(reason, EndReason::CallerCancelled | EndReason::NoAnswer);
        match self.duration(now) {
            Some(duration) => Some(format!(
                "call with {name} ended after {}: {why}",
                clock(duration)
            )),
            None if is_missed => None,
            None => Some(format!("call with {name} ended: {why}")),
        }
    }

    /// With whom we talked, if they are no contact.
    pub(super) fn stranger(&self) -> Option<(SecureCallId, MatrixId)> {
        self.connected_at?;
        let peer = self.peer.as_ref().filter(|peer| peer.name.is_none())?;
        Some((peer.id?, peer.matrix_id.clone()))
    }

    /// The person has verified a contact.
    pub(crate) fn verified(&mut self, contact: &Contact) {
        self.notice = Some(format!("{} is verified now", contact.name));
    }

    /// The other side, once it is known.
    pub(super) const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// All keys that were compared.
    pub(super) const fn known_verified(&self) -> &BTreeSet<SecureCallId> {
        &self.known_verified
    }

    /// Whether there is a voice, for which another microphone or speaker can be taken.
    pub(super) const fn has_sound(&self) -> bool {
        matches!(self.stage, Stage::Connected | Stage::Reconnecting)
    }

    /// Whether somebody can be brought into the call.
    pub(super) fn takes_others(&self) -> bool {
        self.has_sound() && self.tier == Some("securecall")
    }

    /// What a key means now; `None` where it means nothing.
    pub(crate) fn key(&self, key: KeyEvent) -> Option<Action> {
        match (key.code, &self.stage) {
            (KeyCode::Char('a') | KeyCode::Enter, Stage::RingingHere) => Some(Action::Answer),
            (KeyCode::Char('r') | KeyCode::Char('q') | KeyCode::Esc, Stage::RingingHere) => {
                Some(Action::Reject)
            }
            (KeyCode::Char('q') | KeyCode::Esc, _) => Some(Action::Hangup),
            (KeyCode::Char('v'), Stage::Connected | Stage::Reconnecting)
                if self.words.is_some() && !self.stranger && !self.is_verified =>
            {
                Some(Action::Verify)
            }
            (KeyCode::Char('h'), Stage::Connected | Stage::Reconnecting) => {
                Some(Action::SetHeld(!self.held))
            }
            (KeyCode::Char('m'), Stage::Connected | Stage::Reconnecting) => {
                Some(Action::SetMuted(!self.muted))
            }
            _ => None,
        }
    }

    /// How long the call is connected.
    pub(super) fn duration(&self, now: Instant) -> Option<Duration> {
        self.connected_at
            .map(|since| now.saturating_duration_since(since))
    }

    fn reason_words(&self, reason: EndReason) -> &'static str {
        reason_words(reason.as_str(), self.tier.unwrap_or_default())
    }

    fn begin(&mut self, peer: &Peer) {
        *self = Self {
            notice: self.notice.take(),
            known_verified: std::mem::take(&mut self.known_verified),
            ..Self::new()
        };
        self.name(peer);
    }

    fn name(&mut self, peer: &Peer) {
        // Of whom no key is known, the account says the most.
        self.id = peer
            .id
            .map_or_else(|| peer.matrix_id.to_string(), |id| id.to_string());
        self.is_verified = peer.id.is_some_and(|id| self.known_verified.contains(&id));
        self.peer = Some(peer.clone());
        self.stranger = peer.name.is_none();
        self.who = peer
            .name
            .clone()
            .unwrap_or_else(|| "Not in your contacts".to_owned());
        if peer.new_address {
            self.notice = Some("this contact calls from a new address".to_owned());
        }
    }
}

/// With whom the call is that rings, where it is to a group.
fn group_hint(asked: &IncomingConference) -> String {
    let members: Vec<String> = asked.members.iter().map(name_of).collect();
    with_words(&members)
}

/// How long something took.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_hours_only_where_there_are_any() {
        assert_eq!(clock(Duration::from_secs(65)), "01:05");
        assert_eq!(clock(Duration::from_secs(3600 + 61)), "1:01:01");
    }
}

//! What the screen of a group call shows: a row for each of its people, fed by events.

use std::collections::BTreeSet;
use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent};
use securecall_contact::SecureCallId;
use securecall_driver::{
    CallEvent, CallHandle, CallStats, ConferenceEvent, Event, Peer, RoomKeeps,
};
use securecall_profile::Contact;

use super::main_screen::name_of;
use super::state::{Action, CallScreen, clock};
use crate::calling::Volume;
use crate::error::Failure;
use crate::output::{
    ROOM_KEEPS_WORDS, left_reason_words, member_in_clear_words, sealed_instead_words,
};

mod draw;
#[cfg(test)]
mod tests;

/// How far we are with a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// Somebody else calls them.
    CalledBy(String),
    /// We do.
    Calling,
    /// It rings at them.
    Rings,
    /// The path between us is being set up.
    Connecting,
    /// We hear each other.
    Connected,
    /// Nothing heard for 3 s.
    Reconnecting,
    /// They are in the group call, and there is no path between us.
    NoPath,
}

/// One of the others.
#[derive(Debug)]
pub(super) struct Member {
    peer: Peer,
    /// The leg with them, if there is one.
    call: Option<CallHandle>,
    state: LegState,
    /// Who has named them to us.
    brought_by: Option<String>,
    is_verified: bool,
    level: f32,
    is_speaking: bool,
    is_muted: bool,
    volume: Volume,
    stats: Option<CallStats>,
    route: Option<&'static str>,
    /// What proves the leg with them.
    words: Option<[String; 4]>,
}

/// Whether what sets the calls of a room up may be in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InClear(bool);

/// The screen's state.
#[derive(Debug)]
pub(super) struct GroupScreen {
    members: Vec<Member>,
    /// Whose row is looked at.
    selected: usize,
    /// It is that of a room, and whether what sets its calls up may be in clear.
    room: Option<InClear>,
    /// The words of the group.
    words: Option<[String; 4]>,
    /// When the first leg was connected.
    connected_at: Option<Instant>,
    /// Over, and why.
    ended: Option<String>,
    input_level: f32,
    is_muted: bool,
    notice: Option<String>,
    /// All keys that were compared.
    known_verified: BTreeSet<SecureCallId>,
}

impl GroupScreen {
    /// Before anybody is called. `known_verified`: the keys that were compared.
    pub(super) fn new(known_verified: BTreeSet<SecureCallId>) -> Self {
        Self {
            members: Vec::new(),
            selected: 0,
            room: None,
            words: None,
            connected_at: None,
            ended: None,
            input_level: 0.0,
            is_muted: false,
            notice: None,
            known_verified,
        }
    }

    /// The call that was on the screen is a group call from now on.
    pub(super) fn of_call(call: CallHandle, screen: &CallScreen) -> Self {
        let mut group = Self::new(screen.known_verified().clone());
        group.is_muted = screen.muted;
        group.connected_at = screen.connected_at;
        if let Some(peer) = screen.peer() {
            let is_connected = screen.connected_at.is_some();
            let member = group.member(peer);
            member.call = Some(call);
            member.words = screen.words.clone();
            member.route = screen.route;
            member.is_muted = screen.peer_muted;
            member.state = match is_connected {
                true => LegState::Connected,
                false => LegState::Connecting,
            };
        }
        group
    }

    /// The group call of a room, with those who are in it.
    pub(super) fn of_room(known_verified: BTreeSet<SecureCallId>, room: &RoomKeeps) -> Self {
        Self {
            room: Some(InClear(room.in_clear)),
            notice: Some(ROOM_KEEPS_WORDS.to_owned()),
            ..Self::new(known_verified)
        }
    }

    /// Whether a call is a leg of it.
    pub(super) fn has_leg(&self, call: CallHandle) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.call == Some(call))
    }

    /// The group call to which this one gave way, and in which one of its legs goes on.
    pub(super) fn going_on_with(mut self, call: CallHandle) -> Self {
        self.members.retain(|member| member.call == Some(call));
        self.selected = 0;
        self.words = None;
        self
    }

    /// Somebody is being called, by us or by another member.
    fn invited(&mut self, peer: &Peer, by: Option<&Peer>) {
        let state = match by {
            Some(by) => LegState::CalledBy(name_of(by)),
            None => LegState::Calling,
        };
        let member = self.member(peer);
        if member.call.is_none() {
            member.state = state;
        }
    }

    /// From now on this is the call with them.
    fn leg(&mut self, call: CallHandle, peer: &Peer) {
        let member = self.member(peer);
        if member.call != Some(call) {
            // What was said of the leg before proves and means nothing of this one.
            member.words = None;
            member.route = None;
            member.stats = None;
            member.volume = Volume::AS_IT_CAME;
        }
        member.call = Some(call);
        // A leg that was not our invitation does not ring. One that is tried again is none until it works.
        if !matches!(member.state, LegState::Calling | LegState::NoPath) {
            member.state = LegState::Connecting;
        }
    }

    /// Somebody is proven and connected.
    fn joined(&mut self, now: Instant, call: CallHandle, peer: &Peer, brought_by: Option<&Peer>) {
        let name = name_of(peer);
        let member = self.member(peer);
        member.call = Some(call);
        member.state = LegState::Connected;
        member.brought_by = brought_by.map(name_of);
        self.notice = Some(match brought_by {
            Some(by) => format!("{name} is here, brought by {}", name_of(by)),
            None => format!("{name} is here"),
        });
        self.connected_at.get_or_insert(now);
    }

    /// Somebody is not here any more, or does not come.
    fn left(&mut self, peer: &Peer, why: &str) {
        let place = self.members.iter().position(|it| is_same(&it.peer, peer));
        if let Some(place) = place {
            self.members.remove(place);
            // The same row stays selected.
            if place < self.selected {
                self.selected -= 1;
            }
            self.selected = self.selected.min(self.members.len().saturating_sub(1));
        }
        let why = left_reason_words(why);
        self.notice = Some(format!("{} is not here: {why}", name_of(peer)));
    }

    /// There is no path between us.
    fn no_path(&mut self, peer: &Peer) {
        let member = self.member(peer);
        member.call = None;
        member.state = LegState::NoPath;
    }

    /// We are not in the group call any more.
    pub(super) fn ended(&mut self, why: &str) {
        self.ended = Some(why.to_owned());
    }

    /// Takes in what happened to the group.
    pub(super) fn handle_conference(&mut self, now: Instant, event: &ConferenceEvent) {
        match event {
            ConferenceEvent::Leg { call, peer } => self.leg(call.handle, peer),
            ConferenceEvent::Invited { peer, by } => self.invited(peer, by.as_ref()),
            ConferenceEvent::Joined {
                call,
                peer,
                brought_by,
            } => self.joined(now, call.handle, peer, brought_by.as_ref()),
            ConferenceEvent::Left { peer, why } => self.left(peer, why.as_str()),
            ConferenceEvent::NoPath { peer } => self.no_path(peer),
            ConferenceEvent::Words(words) => {
                self.words = Some(words.words().map(str::to_owned));
            }
            ConferenceEvent::Muted { muted } => self.is_muted = *muted,
            ConferenceEvent::SealedInstead { peer } => {
                self.notice = Some(sealed_instead_words(&name_of(peer)));
            }
            ConferenceEvent::InClearRefused { peer } => {
                self.notice = Some(member_in_clear_words(&name_of(peer)));
            }
            // The whole screen's.
            ConferenceEvent::Began { .. }
            | ConferenceEvent::Keeps(_)
            | ConferenceEvent::Replaced { .. }
            | ConferenceEvent::Ended { .. } => {}
        }
    }

    /// Takes in what happened to a leg, or to this machine.
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Call(event) => self.handle_leg(event),
            Event::Levels {
                call,
                input,
                output,
            } => {
                self.input_level = *input;
                self.with_leg(*call, |member| member.level = *output);
            }
            Event::Stats { call, stats } => {
                self.with_leg(call.handle, |member| member.stats = Some(*stats));
            }
            Event::Speaking { call, speaking } => {
                self.with_leg(*call, |member| member.is_speaking = *speaking);
            }
            Event::Device { fault, .. } => self.notice = Some(fault.to_string()),
            Event::DeviceRefused { error, .. } => self.notice = Some(error.to_string()),
            Event::Notice { text, .. } => self.notice = Some(text.clone()),
            Event::Offline(_) => {
                self.notice =
                    Some("the homeserver cannot be reached; nobody else can be called".to_owned());
            }
            Event::Online => self.notice = None,
            _ => {}
        }
    }

    /// Somebody is heard so loud from now on.
    pub(super) fn set_volume(&mut self, call: CallHandle, volume: Volume) {
        self.with_leg(call, |member| member.volume = volume);
    }

    /// These keys were compared.
    pub(super) fn know_verified(&mut self, verified: &BTreeSet<SecureCallId>) {
        self.known_verified.clone_from(verified);
        for member in &mut self.members {
            member.is_verified = member.peer.id.is_some_and(|id| verified.contains(&id));
        }
    }

    /// The person has verified a contact.
    pub(super) fn verified(&mut self, contact: &Contact) {
        self.notice = Some(format!("{} is verified now", contact.name));
    }

    /// What was wanted did not work.
    pub(super) fn failed(&mut self, failure: &Failure) {
        self.notice = Some(failure.message.to_string());
    }

    /// Whether it is that of a room.
    pub(super) const fn is_of_room(&self) -> bool {
        self.room.is_some()
    }

    /// Whether somebody can be brought in: into the group call of a room people come by themselves.
    pub(super) const fn takes_others(&self) -> bool {
        self.is_going_on() && self.room.is_none()
    }

    /// Whether it goes on.
    pub(super) const fn is_going_on(&self) -> bool {
        self.ended.is_none()
    }

    /// What is to be said of it when it is over.
    pub(super) fn epitaph(&self, now: Instant, why: &str) -> String {
        match self.connected_at {
            Some(since) => {
                let lasted = clock(now.saturating_duration_since(since));
                format!("group call ended after {lasted}: {why}")
            }
            None => format!("group call ended: {why}"),
        }
    }

    /// What a key means now; `None` where it means nothing to others.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Action> {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Some(Action::Hangup),
            KeyCode::Char('m') => Some(Action::SetMuted(!self.is_muted)),
            KeyCode::Up | KeyCode::Char('k') => {
                self.selected = self.selected.saturating_sub(1);
                None
            }
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(self.members.len().saturating_sub(1));
                None
            }
            KeyCode::Char('+' | '=') => self.louder(true),
            KeyCode::Char('-') => self.louder(false),
            KeyCode::Char('v') => {
                let member = self.selected().filter(|member| member.can_be_verified())?;
                Some(Action::VerifyMember(member.peer.id?))
            }
            _ => None,
        }
    }

    fn louder(&self, louder: bool) -> Option<Action> {
        let member = self.selected()?;
        Some(Action::SetVolume(
            member.call?,
            member.volume.stepped(louder),
        ))
    }

    fn selected(&self) -> Option<&Member> {
        self.members.get(self.selected)
    }

    fn handle_leg(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Ringing { call } => self.set_state(call.handle, LegState::Rings),
            CallEvent::Connected {
                call,
                route,
                safety_words,
                ..
            } => self.with_leg(call.handle, |member| {
                member.state = LegState::Connected;
                member.route = Some(route.as_str());
                member.words = safety_words.map(|it| it.words().map(str::to_owned));
            }),
            CallEvent::Replaced { call, by } => {
                self.with_leg(call.handle, |member| member.call = Some(by.handle));
            }
            CallEvent::Muted {
                local: true, muted, ..
            } => self.is_muted = *muted,
            CallEvent::Muted { call, muted, .. } => {
                self.with_leg(call.handle, |member| member.is_muted = *muted);
            }
            CallEvent::RouteChanged { call, route } => {
                self.with_leg(call.handle, |member| member.route = Some(route.as_str()));
            }
            CallEvent::Reconnecting { call } => {
                self.set_state(call.handle, LegState::Reconnecting);
            }
            CallEvent::Reconnected { call } => self.set_state(call.handle, LegState::Connected),
            // Who is gone for good is told apart; until then the other members say that they are here.
            CallEvent::Ended { call, .. } => self.with_leg(call.handle, |member| {
                member.call = None;
                member.level = 0.0;
                member.is_speaking = false;
            }),
            _ => {}
        }
    }

    fn set_state(&mut self, call: CallHandle, state: LegState) {
        self.with_leg(call, |member| member.state = state);
    }

    fn with_leg(&mut self, call: CallHandle, change: impl FnOnce(&mut Member)) {
        let mut members = self.members.iter_mut();
        if let Some(member) = members.find(|member| member.call == Some(call)) {
            change(member);
        }
    }

    /// The row of somebody, at the end if there is none yet.
    fn member(&mut self, peer: &Peer) -> &mut Member {
        let place = self.members.iter().position(|it| is_same(&it.peer, peer));
        let place = place.unwrap_or_else(|| {
            let is_verified = peer.id.is_some_and(|id| self.known_verified.contains(&id));
            self.members.push(Member::new(peer.clone(), is_verified));
            self.members.len() - 1
        });
        let member = &mut self.members[place];
        member.peer = peer.clone();
        member
    }
}

impl Member {
    const fn new(peer: Peer, is_verified: bool) -> Self {
        Self {
            peer,
            call: None,
            state: LegState::Connecting,
            brought_by: None,
            is_verified,
            level: 0.0,
            is_speaking: false,
            is_muted: false,
            volume: Volume::AS_IT_CAME,
            stats: None,
            route: None,
            words: None,
        }
    }

    /// Whether there are words to compare with a contact who is not verified.
    const fn can_be_verified(&self) -> bool {
        self.words.is_some() && !self.is_verified && self.peer.name.is_some()
    }
}

/// Whether it is the same person: the key says so where both have one. In a room each device is there by itself.
fn is_same(one: &Peer, other: &Peer) -> bool {
    match (one.id, other.id) {
        (Some(one), Some(other)) => one == other,
        _ => one.matrix_id == other.matrix_id && one.device_id == other.device_id,
    }
}

//! The state machine of one 1:1 call, over the devices ("parties") of one peer.
//!
//! ```text
//!  caller:  Inviting ──answer──▶ Connecting ──connected()──▶ Connected ──▶ Over
//!  callee:  Ringing ──accept()─▶ Connecting ──connected()──▶ Connected ──▶ Over
//! ```
//!
//! Inputs: [`CallMachine::handle_content`] (ringing, busy, answer, candidates, select_answer, reject, hangup), [`CallMachine::accept`],
//! [`CallMachine::answer`], [`CallMachine::reject`], [`CallMachine::hang_up`], [`CallMachine::connected`], [`CallMachine::drop_party`], [`CallMachine::handle_timeout`]. After each, poll
//! [`CallMachine::poll_output`] until `None`. [`CallMachine::end`] is the one gate to `Over`.

mod callee;
mod caller;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use web_time::Instant;

use crate::{Content, Deadlines, Description, HangupReason, MAX_CANDIDATES, PartyId};

/// The most devices of one peer that are called.
pub const MAX_PARTIES: usize = 32;
/// How long to wait for another device once one says that it is busy, or that the clocks differ.
pub const BUSY_GRACE: Duration = Duration::from_secs(3);
/// How long to look for a path once the call was answered.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Which end of the call this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Placed the call.
    Caller,
    /// Was called.
    Callee,
}

/// Why to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallTimer {
    /// When to stop ringing.
    InviteLifetime,
    /// When to believe that no other device of the peer will ring.
    BusyGrace,
    /// When to give up looking for a path.
    Connect,
}

/// Which side ended a call, and why; what the user is told is made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// This side hung up, or gave up before the call was answered.
    HungUp(HangupReason),
    /// The peer hung up a call that was answered.
    PeerHungUp(HangupReason),
    /// The caller gave up before the call was answered here.
    CallerCancelled,
    /// This side declined.
    Rejected,
    /// The peer declined, for all their devices.
    Declined,
    /// The peer's devices are busy.
    Busy,
    /// The clocks of the peer's devices and ours differ too much.
    ClocksDiffer,
    /// It rang until the lifetime was over.
    NoAnswer,
    /// No device ever said a word.
    Unreachable,
    /// Another device of the callee took or declined the call.
    AnsweredElsewhere,
    /// Answered, but no path was found.
    ConnectTimeout,
}

/// What the call wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutput {
    /// Send a content to a party.
    Send {
        /// The device that it is for.
        party: PartyId,
        /// What to tell it.
        content: Content,
    },
    /// The first device of the peer rings.
    Ringing,
    /// The first valid answer is taken; the other devices are told whose it was.
    Answered {
        /// The device that answered.
        party: PartyId,
        /// The SDP of its answer.
        sdp: String,
    },
    /// Addresses of the peer to try, each as in an `a=` line without the `a=`.
    Candidates(Vec<String>),
    /// The call is over.
    Ended(CallEnd),
}

/// Why a content was refused. The call is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentRefused {
    /// Not from a device that belongs to this call.
    #[error("the sender is no party of this call")]
    UnknownParty,
    /// This content cannot come in this state, or not from this side.
    #[error("the content does not fit the state of the call")]
    OutOfPlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Caller: waits for a device to answer.
    Inviting,
    /// Callee: waits for the user.
    Ringing,
    /// An answer was taken, or given; waits for the path.
    Connecting { party: PartyId },
    /// Both can talk.
    Connected { party: PartyId },
    /// Nothing more happens, except that late devices are told so.
    Over {
        selected: Option<PartyId>,
        reason: HangupReason,
    },
}

/// What is known of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing was heard from it.
    Invited,
    /// It rings (caller), or it is the one that calls (callee).
    Ringing,
    /// It is in another call.
    Busy,
    /// Its clock and ours differ too much.
    ClocksDiffer,
    /// It answered and was taken.
    Selected,
    /// It was told that it is over, or left by itself.
    Gone,
}

#[derive(Clone, Debug)]
struct Party {
    standing: Standing,
    /// Candidates that came before the answer.
    candidates: Vec<String>,
}

/// One 1:1 call.
#[derive(Clone, Debug)]
pub struct CallMachine {
    role: Role,
    own_party: PartyId,
    state: State,
    parties: BTreeMap<PartyId, Party>,
    deadlines: Deadlines<CallTimer>,
    outputs: VecDeque<CallOutput>,
}

impl CallMachine {
    /// A call this side places. Add its parties with [`CallMachine::invite`].
    pub fn caller(now: Instant, own_party: PartyId, lifetime: Duration) -> Self {
        Self::new(Role::Caller, own_party, State::Inviting, now + lifetime)
    }

    /// A call that rings here.
    pub fn callee(own_party: PartyId, caller: PartyId, rings_until: Instant) -> Self {
        let mut call = Self::new(Role::Callee, own_party, State::Ringing, rings_until);
        call.parties.insert(
            caller,
            Party {
                standing: Standing::Ringing,
                candidates: Vec::new(),
            },
        );
        call
    }

    /// A call that comes while this device is in another one: over before it rings, and nobody need be told so here.
    pub fn busy_callee(own_party: PartyId, caller: PartyId, now: Instant) -> Self {
        let mut call = Self::callee(own_party, caller, now);
        call.deadlines.clear_all();
        call.state = State::Over {
            selected: None,
            reason: HangupReason::UserBusy,
        };
        call
    }

    fn new(role: Role, own_party: PartyId, state: State, rings_until: Instant) -> Self {
        let mut deadlines = Deadlines::new();
        deadlines.set(CallTimer::InviteLifetime, rings_until);
        Self {
            role,
            own_party,
            state,
            parties: BTreeMap::new(),
            deadlines,
            outputs: VecDeque::new(),
        }
    }

    /// Adds a device of the peer that an invite goes to.
    pub fn invite(&mut self, party: PartyId) {
        self.parties.entry(party).or_insert(Party {
            standing: Standing::Invited,
            candidates: Vec::new(),
        });
    }

    /// Adds a device of the peer that could not be known when the invite went out to all: it has it, and may answer or decline.
    pub fn party_has_invite(&mut self, party: PartyId) {
        self.parties.entry(party).or_insert(Party {
            standing: Standing::Ringing,
            candidates: Vec::new(),
        });
    }

    /// A content from a party.
    ///
    /// # Errors
    /// [`ContentRefused`]; the call is as it was before.
    pub fn handle_content(
        &mut self,
        now: Instant,
        from: &PartyId,
        content: &Content,
    ) -> Result<(), ContentRefused> {
        if !self.parties.contains_key(from) {
            return Err(ContentRefused::UnknownParty);
        }
        match self.role {
            Role::Caller => self.handle_callee_content(now, from, content),
            Role::Callee => self.handle_caller_content(from, content),
        }
    }

    /// Hangs up, whatever the state.
    pub fn hang_up(&mut self, reason: HangupReason) {
        self.end(CallEnd::HungUp(reason));
    }

    /// Path and peer are there: the call is connected.
    pub fn connected(&mut self) {
        if let State::Connecting { party } = &self.state {
            self.state = State::Connected {
                party: party.clone(),
            };
            self.deadlines.clear_all();
        }
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.take_expired(now) {
            match timer {
                CallTimer::InviteLifetime => self.lifetime_is_over(),
                CallTimer::BusyGrace => self.busy_grace_is_over(),
                CallTimer::Connect => self.end(CallEnd::ConnectTimeout),
            }
        }
    }

    /// The next thing to do, or `None`.
    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`CallMachine::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether this side placed the call or was called.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether an answer was taken or given, so that there can be no glare any more.
    pub const fn is_answered(&self) -> bool {
        matches!(
            self.state,
            State::Connecting { .. } | State::Connected { .. }
        )
    }

    /// Whether the call waits for the user's answer.
    pub const fn is_ringing_here(&self) -> bool {
        matches!(self.state, State::Ringing)
    }

    /// Whether the call is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// The one peer device the call is with, once that is settled.
    pub fn selected(&self) -> Option<&PartyId> {
        match &self.state {
            State::Connecting { party } | State::Connected { party } => Some(party),
            State::Over { selected, .. } => selected.as_ref(),
            State::Inviting | State::Ringing => None,
        }
    }

    fn lifetime_is_over(&mut self) {
        match self.state {
            State::Inviting => self.invite_expired(),
            State::Ringing => self.end(CallEnd::NoAnswer),
            State::Connecting { .. } | State::Connected { .. } | State::Over { .. } => {}
        }
    }

    /// The one gate to `Over`: tells the parties that must know, forgets deadlines, says how it ended.
    fn end(&mut self, end: CallEnd) {
        let (selected, reason) = match &self.state {
            State::Over { .. } => return,
            State::Connecting { party } | State::Connected { party } => {
                (Some(party.clone()), end.hangup_reason())
            }
            State::Inviting | State::Ringing => (None, end.hangup_reason()),
        };
        if let Some(content) = end.parting_word() {
            for party in self.parties_to_tell(selected.as_ref()) {
                self.send(party, content.clone());
            }
        }
        self.state = State::Over { selected, reason };
        self.deadlines.clear_all();
        for party in self.parties.values_mut() {
            party.candidates = Vec::new();
        }
        self.outputs.push_back(CallOutput::Ended(end));
    }

    /// Who is told that the call is over: the other end of an answered call, else every device that rings.
    fn parties_to_tell(&mut self, selected: Option<&PartyId>) -> Vec<PartyId> {
        let to_tell = |(id, party): &(&PartyId, &Party)| match selected {
            Some(selected) => *id == selected,
            None => party.standing == Standing::Ringing,
        };
        let told: Vec<_> = self
            .parties
            .iter()
            .filter(to_tell)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &told {
            self.set_standing(id, Standing::Gone);
        }
        told
    }

    fn send(&mut self, party: PartyId, content: Content) {
        self.outputs.push_back(CallOutput::Send { party, content });
    }

    fn standing(&self, party: &PartyId) -> Standing {
        self.parties
            .get(party)
            .map_or(Standing::Gone, |party| party.standing)
    }

    fn set_standing(&mut self, party: &PartyId, standing: Standing) {
        if let Some(party) = self.parties.get_mut(party) {
            party.standing = standing;
        }
    }

    fn any(&self, standing: Standing) -> bool {
        self.parties
            .values()
            .any(|party| party.standing == standing)
    }

    /// Hands candidates on, or keeps them until the answer comes.
    fn take_candidates(&mut self, from: &PartyId, lines: Vec<String>) {
        let now = self.role == Role::Callee || self.selected() == Some(from);
        if now {
            self.outputs.push_back(CallOutput::Candidates(lines));
        } else if let Some(party) = self.parties.get_mut(from) {
            let room = MAX_CANDIDATES.saturating_sub(party.candidates.len());
            party.candidates.extend(lines.into_iter().take(room));
        }
    }
}

impl CallEnd {
    /// What a device that rings too late is told.
    const fn hangup_reason(self) -> HangupReason {
        match self {
            Self::HungUp(reason) => reason,
            Self::NoAnswer | Self::Unreachable => HangupReason::InviteTimeout,
            Self::ConnectTimeout => HangupReason::IceFailed,
            Self::PeerHungUp(_)
            | Self::CallerCancelled
            | Self::Rejected
            | Self::Declined
            | Self::Busy
            | Self::ClocksDiffer
            | Self::AnsweredElsewhere => HangupReason::UserHangup,
        }
    }

    /// What the other end is told when the call ends so; nothing if it knows.
    const fn parting_word(self) -> Option<Content> {
        match self {
            Self::HungUp(_)
            | Self::NoAnswer
            | Self::Unreachable
            | Self::Busy
            | Self::ClocksDiffer
            | Self::ConnectTimeout => Some(Content::Hangup {
                reason: self.hangup_reason(),
            }),
            Self::Rejected => Some(Content::Reject),
            Self::PeerHungUp(_)
            | Self::CallerCancelled
            | Self::Declined
            | Self::AnsweredElsewhere => None,
        }
    }
}

/// The lines of a candidates content: the end mark is left out.
fn lines_of(candidates: &[crate::Candidate]) -> Vec<String> {
    candidates
        .iter()
        .filter(|it| !it.candidate.is_empty())
        .map(|it| it.candidate.clone())
        .collect()
}

/// An answer as a content.
fn answer_content(sdp: String) -> Content {
    Content::Answer {
        answer: Description::answer(sdp),
    }
}

//! One call of this device: the signaling state machine, a handshake and ratchet per peer device, and orders for the media engine.
//!
//! Every input ends in [`Call::flush`]: outputs of the signaling machine become contents to be said, contents that are said at the same
//! time become one sealed message per device, and messages whose time has come become outputs.

pub(crate) mod end;
mod media;
mod path;

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_crypto::{IdentityKey, SafetyWords, WordsCommitment};
use securecall_signaling::{
    CallId, CallMachine, CallOutput, Candidate, Content, Deadlines, PartyId,
};
use web_time::Instant;

use crate::EndReason;
use crate::config::Route;
use crate::event::{Event, Peer};
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::{MediaCommand, Output, PeerDevice};
use crate::sealed::budget::Budget;
use crate::sealed::delivery::Ways;
use crate::sealed::party::Party;

/// How long candidates are collected before what waits for them is sent without (DESIGN 7).
pub(crate) const CANDIDATE_BATCH: Duration = Duration::from_millis(200);
/// The most candidates of the peer that are looked at in one call.
const MAX_REMOTE_CANDIDATES: usize = 64;

/// Messages of the peer on the data channel that are looked at in one go, and how long until one more is. All that may wait for its
/// acknowledgement fits in; in a call whose path is well there is one in several seconds.
const CONTROL_BURST: u32 = 64;
const CONTROL_INTERVAL: Duration = Duration::from_micros(31_250);

/// Why to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// When to send without the candidates that are still to come.
    CandidateBatch,
    /// When to make the next step of the DH ratchet (caller).
    Rekey,
    /// When to believe that the data channel is dead although the path is not.
    StepLate,
    /// When the keys have not changed for too long.
    RekeyTimeout,
    /// When to believe that the path is dead.
    PathDead,
    /// When to give a dead path up.
    PathLost,
    /// When to make another restart offer (caller).
    RestartAgain,
    /// When to ask the caller for a restart (callee).
    RestartPlease,
    /// When to close the transport of a call that is over.
    CloseTransport,
    /// When to forget a call that is over.
    Forget,
}

/// What only one end of a call has.
pub(crate) enum Side {
    Caller(CallerSide),
    Callee(CalleeSide),
}

impl Side {
    /// A call that is over needs neither end's description.
    pub(crate) fn forget_descriptions(&mut self) {
        match self {
            Self::Caller(caller) => caller.offer = None,
            Self::Callee(callee) => {
                callee.offer = String::new();
                callee.answering = None;
                callee.next_restart_offer = None;
            }
        }
    }
}

pub(crate) struct CallerSide {
    pub(crate) sent_at: u64,
    pub(crate) lifetime: Duration,
    pub(crate) offer: Option<String>,
    pub(crate) devices: Option<Vec<PeerDevice>>,
    /// Number of the restart offer that waits for its answer.
    pub(crate) negotiation: u32,
}

pub(crate) struct CalleeSide {
    /// By the caller's clock, in milliseconds since the Unix epoch.
    pub(crate) sent_at: u64,
    pub(crate) offer: String,
    pub(crate) commitment: WordsCommitment,
    /// Number of the newest restart offer taken.
    pub(crate) negotiation: u32,
    /// The restart offer that the media engine is answering, and since when.
    pub(crate) answering: Option<(u32, Instant)>,
    /// The next one, which waits until that is answered.
    pub(crate) next_restart_offer: Option<String>,
}

/// What is known of the network path.
#[derive(Default)]
pub(crate) struct Path {
    pub(crate) route: Option<crate::PathRoute>,
    pub(crate) frame_opened: bool,
    pub(crate) data_channel_open: bool,
    pub(crate) last_packet: Option<Instant>,
    /// Nothing was heard from the peer for 3 s.
    pub(crate) dead: bool,
    /// No DH step was finished for 30 s: the data channel is not trusted until it delivers again.
    pub(crate) control_dead: bool,
}

/// How far the media engine is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Untouched,
    Open,
    /// The user hears nothing any more; the transport lives for the last control messages.
    Draining,
    Closed,
}

/// One call.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) peer: Peer,
    pub(crate) identity: IdentityKey,
    pub(crate) machine: CallMachine,
    pub(crate) route: Route,
    pub(crate) parties: BTreeMap<PartyId, Party>,
    pub(crate) side: Side,
    pub(crate) started: Instant,
    pub(crate) deadlines: Deadlines<Timer>,
    pub(crate) words: Option<SafetyWords>,
    pub(crate) remote_fingerprint: Option<Fingerprint>,
    pub(crate) local_candidates: Vec<Candidate>,
    pub(crate) local_complete: bool,
    pub(crate) gathering: bool,
    pub(crate) remote_candidates: Vec<String>,
    pub(crate) candidates_taken: usize,
    pub(crate) control_budget: Budget,
    pub(crate) media: Media,
    pub(crate) answer_made: bool,
    pub(crate) path: Path,
    pub(crate) muted: bool,
    pub(crate) peer_muted: bool,
    pub(crate) connected_at: Option<Instant>,
    /// A reason that the signaling machine does not know of.
    pub(crate) cause: Option<EndReason>,
    pub(crate) replaced_by: Option<CallId>,
    pub(crate) peer_hung_up: bool,
    pub(crate) forgotten: bool,
    /// The homeserver has taken at least one message of this call.
    pub(crate) homeserver_took_some: bool,
    /// The caller was told why this device does not ring, and nothing else ever happened.
    pub(crate) was_turned_away: bool,
}

impl Call {
    pub(crate) fn new(
        id: CallId,
        peer: Peer,
        identity: IdentityKey,
        machine: CallMachine,
        route: Route,
        side: Side,
        now: Instant,
    ) -> Self {
        Self {
            id,
            peer,
            identity,
            machine,
            route,
            parties: BTreeMap::new(),
            side,
            started: now,
            deadlines: Deadlines::new(),
            words: None,
            remote_fingerprint: None,
            local_candidates: Vec::new(),
            local_complete: false,
            gathering: false,
            remote_candidates: Vec::new(),
            candidates_taken: 0,
            control_budget: Budget::new(CONTROL_BURST, CONTROL_INTERVAL),
            media: Media::Untouched,
            answer_made: false,
            path: Path::default(),
            muted: false,
            peer_muted: false,
            connected_at: None,
            cause: None,
            replaced_by: None,
            peer_hung_up: false,
            forgotten: false,
            homeserver_took_some: false,
            was_turned_away: false,
        }
    }

    /// Acts on every deadline that has passed.
    pub(crate) fn handle_timeout(&mut self, io: &mut Io<'_>) {
        self.machine.handle_timeout(io.now);
        while let Some(timer) = self.deadlines.take_expired(io.now) {
            tracing::trace!(call = %self.id, ?timer, "woke up");
            match timer {
                Timer::CandidateBatch => {}
                Timer::Rekey => self.rekey(io.now),
                Timer::StepLate => self.step_is_late(io),
                Timer::RekeyTimeout => self.end_because(EndReason::RekeyTimeout),
                Timer::PathDead => self.path_is_dead(io),
                Timer::PathLost => self.end_because(EndReason::IceTimeout),
                Timer::RestartAgain => self.restart_again(io),
                Timer::RestartPlease => self.ask_for_restart(),
                Timer::CloseTransport => self.close_media(io),
                Timer::Forget => self.forgotten = true,
            }
        }
        self.flush(io);
    }

    /// When to wake up.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let batch = self.deadlines.at(Timer::CandidateBatch);
        let parties = self.parties.iter().flat_map(|(id, party)| {
            let delivery = party.delivery.poll_timeout(self.ways(id));
            // An acknowledgement that travels with what waits for candidates waits as well.
            let waits_for = batch.filter(|_| party.waits_for_candidates());
            let acknowledge_at = party
                .acknowledge_at
                .map(|at| waits_for.map_or(at, |batch| at.max(batch)));
            delivery.into_iter().chain(acknowledge_at)
        });
        parties
            .chain(self.machine.poll_timeout())
            .chain(self.deadlines.next())
            .min()
    }

    /// Turns what happened into outputs. The last thing every input does.
    pub(crate) fn flush(&mut self, io: &mut Io<'_>) {
        self.drain_call(io);
        self.start_audio(io);
        self.check_connected(io);
        self.offer_candidates();
        self.speak(io);
        self.start_audio(io);
        self.transmit(io);
        self.let_go();
    }

    /// Nothing more will happen here, so nothing need be kept.
    pub(crate) fn is_finished(&self) -> bool {
        let may_still_speak = || self.parties.values().any(Party::may_still_speak);
        self.machine.is_over() && (self.forgotten || (self.is_quiet() && !may_still_speak()))
    }

    /// Our call, that nobody has answered yet: it may have to give way (glare).
    pub(crate) const fn is_unanswered_call_of_ours(&self) -> bool {
        matches!(self.side, Side::Caller(_)) && !self.machine.is_answered()
    }

    /// It rings here, this device of the peer is the one that calls, and it began to before `sent_at` by its own clock.
    pub(crate) fn rings_here_from(&self, olm_key: &[u8; 32], sent_at: u64) -> bool {
        let older = matches!(&self.side, Side::Callee(callee) if callee.sent_at <= sent_at);
        let same_device = || self.parties.values().any(|it| it.olm_key == *olm_key);
        self.machine.is_ringing_here() && older && same_device()
    }

    /// There is a transport that must be closed.
    pub(crate) const fn has_media(&self) -> bool {
        matches!(self.media, Media::Open | Media::Draining)
    }

    /// The call is over and everybody who can be told was told.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut parties = self.parties.iter();
        self.is_silent() && parties.all(|(id, party)| self.knows_the_end(id, party))
    }

    /// The call is over, and so is its transport.
    pub(crate) fn is_silent(&self) -> bool {
        self.machine.is_over() && matches!(self.media, Media::Untouched | Media::Closed)
    }

    /// Whether there is nothing more to be said to a device of a call that is over.
    pub(crate) fn knows_the_end(&self, id: &str, party: &Party) -> bool {
        !party.delivery.is_busy(self.ways(id))
            && party.pending.is_empty()
            && party.acknowledge_at.is_none()
    }

    /// Mutes or unmutes our microphone. The frames tell the peer: a message would be seen on the network.
    pub(crate) fn set_muted(&mut self, io: &mut Io<'_>, muted: bool) {
        if self.muted == muted || self.machine.is_over() {
            return;
        }
        self.muted = muted;
        if self.media == Media::Open {
            self.order(io, MediaCommand::SetMuted(muted));
        }
        io.event(Event::Muted {
            call: self.id,
            local: true,
            muted,
        });
        self.flush(io);
    }

    pub(crate) fn drain_call(&mut self, io: &mut Io<'_>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                CallOutput::Send { party, content } => self.say(&party, content),
                CallOutput::Ringing => io.event(Event::Ringing { call: self.id }),
                CallOutput::Answered { party, sdp } => self.take_answer(io, &party, sdp),
                CallOutput::Candidates(lines) => self.take_candidates(io, lines),
                CallOutput::Ended(end) => self.finish(io, end),
            }
        }
    }

    pub(crate) fn say(&mut self, to: &str, content: Content) {
        let Some(party) = self.parties.get_mut(to) else {
            return;
        };
        match &content {
            Content::Hangup { .. } | Content::Reject => party.candidates_wanted = false,
            Content::SelectAnswer { selected_party_id } => {
                party.candidates_wanted &= selected_party_id == to;
            }
            _ => {}
        }
        party.pending.push(content);
    }

    /// Candidates of the peer: for the media engine, or kept until there is one.
    pub(crate) fn take_candidates(&mut self, io: &mut Io<'_>, mut lines: Vec<String>) {
        lines.truncate(MAX_REMOTE_CANDIDATES.saturating_sub(self.candidates_taken));
        self.candidates_taken += lines.len();
        if lines.is_empty() {
            return;
        }
        if self.media == Media::Open {
            self.order(io, MediaCommand::AddRemoteCandidates(lines));
        } else {
            self.remote_candidates.extend(lines);
        }
    }

    pub(crate) fn order(&self, io: &mut Io<'_>, command: MediaCommand) {
        io.outputs.push_back(Output::Media(self.id, command));
    }

    /// The device the call is with, once that is settled.
    pub(crate) fn selected_party(&mut self) -> Option<&mut Party> {
        let selected = self.machine.selected()?;
        self.parties.get_mut(selected)
    }

    /// Which ways a message to a device may take now.
    pub(crate) fn ways(&self, party: &str) -> Ways {
        let transport = matches!(self.media, Media::Open | Media::Draining);
        let data_channel =
            transport && self.path.data_channel_open && self.machine.selected() == Some(party);
        Ways {
            matrix: !data_channel || self.path.dead || self.path.control_dead,
            data_channel,
        }
    }
}

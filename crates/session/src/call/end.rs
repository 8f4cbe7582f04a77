//! The end of a call: the user is told, the peer is told, keys go.

use std::time::Duration;

use securecall_signaling::{CallEnd, CallId, Content, HangupReason, PartyId, Role};
use web_time::Instant;

use super::{Call, Media, Timer};
use crate::EndReason;
use crate::event::{Event, MissedReason};
use crate::io::Io;
use crate::output::MediaCommand;
use crate::requests::MessageName;
use crate::sealed::party::{Link, Party};

/// How long a call that is over waits for the acknowledgement of its last words.
pub(crate) const FORGET: Duration = Duration::from_secs(30);
/// How long a caller can still answer the `ringing` of a device that gets the invite late: 5 minutes in which it is taken, and a little for
/// the way of message 2.
const FORGET_HANDSHAKES: Duration = Duration::from_secs(6 * 60);
/// How long the side that hangs up keeps the transport for the acknowledgement.
const CLOSE_AFTER_HANGUP: Duration = Duration::from_millis(1500);
/// How long the other side keeps it, to acknowledge repetitions.
const CLOSE_AFTER_PEER_HANGUP: Duration = Duration::from_secs(1);

impl Call {
    /// The user hangs up.
    pub(crate) fn hang_up(&mut self, io: &mut Io<'_>) {
        self.machine.hang_up(HangupReason::UserHangup);
        self.flush(io);
    }

    /// Gives way to the peer's call, of a lesser ID (glare).
    pub(crate) fn give_way(&mut self, io: &mut Io<'_>, to: CallId) {
        self.replaced_by = Some(to);
        self.hang_up(io);
    }

    /// Ends the call for a reason that the signaling machine does not know of.
    pub(crate) fn end_because(&mut self, reason: EndReason) {
        if self.machine.is_over() {
            return;
        }
        self.cause = Some(reason);
        self.machine.hang_up(match reason {
            EndReason::IceFailed => HangupReason::IceFailed,
            EndReason::IceTimeout => HangupReason::IceTimeout,
            EndReason::MediaFailed => HangupReason::UserMediaFailed,
            _ => HangupReason::UnknownError,
        });
    }

    /// The call is over: the one place that says so.
    pub(crate) fn finish(&mut self, io: &mut Io<'_>, end: CallEnd) {
        let reason = self.cause.unwrap_or_else(|| self.reason_of(end));
        let connected_for = self
            .connected_at
            .map(|at| io.now.saturating_duration_since(at));
        self.report(io, end, reason, connected_for);
        self.deadlines.clear_all();
        self.drop_what_is_pointless(io.now);
        let talks = self.connected_at.is_some() || self.path.data_channel_open;
        match end {
            CallEnd::HungUp(_) if talks => self.drain_media(io, CLOSE_AFTER_HANGUP),
            CallEnd::PeerHungUp(_) if talks => self.drain_media(io, CLOSE_AFTER_PEER_HANGUP),
            _ => self.close_media(io),
        }
        let awaits = self
            .parties
            .values()
            .any(|party| matches!(party.link, Link::AwaitingMessage2(_)));
        let forget = if awaits {
            self.started + FORGET_HANDSHAKES.max(FORGET)
        } else {
            io.now + FORGET
        };
        self.deadlines
            .set(Timer::Forget, forget.max(io.now + FORGET));
        tracing::debug!(call = %self.id, %reason, "the call is over");
    }

    /// Lets go of all that a call that is over needs no more, above all of the keys of every device that knows that it is. A call may be kept long after
    /// that, for a device that has not said a word: of that one the open handshake stays, to read its `ringing` and tell it.
    pub(crate) fn let_go(&mut self) {
        if !self.is_silent() {
            return;
        }
        let is_done = |(id, party): &(&PartyId, &Party)| {
            !party.may_still_speak() && self.knows_the_end(id, party)
        };
        let done = self.parties.iter().filter(is_done);
        let done: Vec<_> = done.map(|(id, _)| id.clone()).collect();
        for id in done {
            if let Some(party) = self.parties.get_mut(&id) {
                party.let_go();
            }
        }
        self.words = None;
        self.remote_fingerprint = None;
        self.side.forget_descriptions();
    }

    /// Closes the transport of a call whose last words were acknowledged.
    pub(crate) fn close_if_drained(&mut self, io: &mut Io<'_>) {
        let told = |party: &Party| party.delivery.len() == 0 && party.pending.is_empty();
        let hung_up_here = self.deadlines.is_set(Timer::CloseTransport) && !self.peer_hung_up;
        if self.media == Media::Draining
            && hung_up_here
            && self.selected_party().is_none_or(|party| told(party))
        {
            self.close_media(io);
        }
    }

    pub(crate) fn close_media(&mut self, io: &mut Io<'_>) {
        self.deadlines.clear(Timer::CloseTransport);
        if matches!(self.media, Media::Open | Media::Draining) {
            self.order(io, MediaCommand::Close);
        }
        self.media = Media::Closed;
    }

    pub(crate) fn drain_media(&mut self, io: &mut Io<'_>, time: Duration) {
        self.order(io, MediaCommand::StopAudio);
        self.media = Media::Draining;
        self.deadlines.set(Timer::CloseTransport, io.now + time);
    }

    pub(crate) fn report(
        &mut self,
        io: &mut Io<'_>,
        end: CallEnd,
        reason: EndReason,
        connected_for: Option<Duration>,
    ) {
        let call = self.id;
        if let Some(by) = self.replaced_by {
            io.event(Event::Replaced { call, by });
            return;
        }
        if end == CallEnd::AnsweredElsewhere {
            io.event(Event::AnsweredElsewhere { call });
        }
        io.event(Event::Ended {
            call,
            reason,
            connected_for,
        });
        let missed = match end {
            CallEnd::CallerCancelled => Some(MissedReason::CallerCancelled),
            CallEnd::NoAnswer if self.machine.role() == Role::Callee => {
                Some(MissedReason::NotAnswered)
            }
            _ => None,
        };
        if let Some(why) = missed {
            io.event(Event::Missed {
                call,
                peer: self.peer.clone(),
                why,
                calls: 1,
            });
        }
    }

    /// What was still to be delivered means nothing any more, but for message 2 (without it the peer cannot read a reject) and the last words.
    pub(crate) fn drop_what_is_pointless(&mut self, now: Instant) {
        for party in self.parties.values_mut() {
            party.delivery.keep_only(MessageName::Message2);
            party.early.clear();
            party.acknowledge_at = party.acknowledge_at.map(|at| at.min(now));
            party.candidates_wanted = false;
            party.pending.retain(|content| {
                matches!(
                    content,
                    Content::Hangup { .. }
                        | Content::Reject
                        | Content::SelectAnswer { .. }
                        | Content::Ringing
                        | Content::Busy
                )
            });
            if matches!(party.link, Link::Received(_)) && party.pending.is_empty() {
                party.let_go();
            }
        }
        self.remote_candidates.clear();
        self.local_candidates.clear();
    }

    pub(crate) fn reason_of(&mut self, end: CallEnd) -> EndReason {
        let connected = self.connected_at.is_some();
        match end {
            CallEnd::HungUp(_) if connected => EndReason::LocalHangup,
            CallEnd::HungUp(_) => EndReason::Cancelled,
            CallEnd::PeerHungUp(reason) => {
                self.peer_hung_up = true;
                match (reason, connected, self.machine.role()) {
                    (HangupReason::IceFailed, ..) => EndReason::IceFailed,
                    (HangupReason::IceTimeout, ..) => EndReason::IceTimeout,
                    (HangupReason::UserMediaFailed, ..) => EndReason::PeerMediaFailed,
                    (_, true, _) => EndReason::RemoteHangup,
                    (_, false, Role::Callee) => EndReason::CallerCancelled,
                    (_, false, Role::Caller) => EndReason::Declined,
                }
            }
            CallEnd::CallerCancelled => EndReason::CallerCancelled,
            CallEnd::Rejected => EndReason::LocalReject,
            CallEnd::Declined => EndReason::Declined,
            CallEnd::Busy => EndReason::Busy,
            CallEnd::ClocksDiffer => EndReason::ClocksDiffer,
            CallEnd::NoAnswer => EndReason::NoAnswer,
            // Nothing can be said of the peer whom nothing could reach.
            CallEnd::Unreachable if !self.homeserver_took_some => EndReason::HomeserverRefused,
            CallEnd::Unreachable => EndReason::Unreachable,
            CallEnd::AnsweredElsewhere => EndReason::AnsweredElsewhere,
            CallEnd::ConnectTimeout => EndReason::IceFailed,
        }
    }
}

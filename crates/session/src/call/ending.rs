//! The end of a call: the user is told, the peer is told, keys go.

use std::time::Duration;

use securecall_signaling::{CallEnd, HangupReason, Role};

use super::Call;
use super::LegNews;
use super::media::Transport;
use super::timer::Timer;
use crate::EndReason;
use crate::call_handle::NamedCall;
use crate::event::{Event, MissedReason};
use crate::io::Io;
use crate::output::MediaCommand;

/// How long a call that is over waits for the acknowledgement of its last words.
pub(super) const FORGET: Duration = Duration::from_secs(30);
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
    pub(crate) fn give_way(&mut self, io: &mut Io<'_>, to: NamedCall) {
        self.end.replaced_by = Some(to);
        self.hang_up(io);
    }

    /// Ends the call for a reason that the signaling machine does not know of.
    pub(super) fn end_because(&mut self, reason: EndReason) {
        if self.machine.is_over() {
            return;
        }
        self.end.cause = Some(reason);
        self.machine.hang_up(match reason {
            EndReason::IceFailed => HangupReason::IceFailed,
            EndReason::IceTimeout => HangupReason::IceTimeout,
            EndReason::MediaFailed => HangupReason::UserMediaFailed,
            _ => HangupReason::UnknownError,
        });
    }

    /// The call is over: the one place that says so.
    pub(super) fn finish(&mut self, io: &mut Io<'_>, end: CallEnd) {
        // Read before anything is cleared: the reason and the report speak of the call as it was.
        let reason = self.end.cause.unwrap_or_else(|| self.reason_of(end));
        self.end.peer_hung_up = matches!(end, CallEnd::PeerHungUp(_));
        self.end.hung_up_here = matches!(end, CallEnd::HungUp(_));
        self.report(io, end, reason);
        self.leg.tell(LegNews::Ended { end, reason });
        // Before the deadlines that the end has, which are set below.
        self.deadlines.clear_all();
        self.carrier.finish(io.now, end);
        self.media.finish();
        let talks = self.carrier.ends_on_data_channel()
            && (self.connection.is_connected() || self.connection.has_data_channel());
        match end {
            CallEnd::HungUp(_) if talks => self.drain_media(io, CLOSE_AFTER_HANGUP),
            CallEnd::PeerHungUp(_) if talks => self.drain_media(io, CLOSE_AFTER_PEER_HANGUP),
            _ => self.close_media(io),
        }
        let mut forget = io.now + self.carrier.lingers();
        if self.carrier.awaits_first_word() {
            forget = forget.max(self.connection.began() + FORGET_HANDSHAKES);
        }
        self.deadlines.set(Timer::Forget, forget);
        tracing::debug!(call = %self.name, %reason, "the call is over");
    }

    /// Lets go of all that a call that is over needs no more, above all of the keys of every device that knows that it is. A call may be kept long after
    /// that, for a device that has not said a word: of that one the open handshake stays, to read its `ringing` and tell it.
    pub(super) fn let_go(&mut self) {
        if !self.is_silent() {
            return;
        }
        let situation = self.situation();
        self.carrier.let_go(&situation);
        self.media.forget_offer();
        self.restarts.let_go();
    }

    /// Closes the transport of a call whose last words were acknowledged.
    pub(super) fn close_if_drained(&mut self, io: &mut Io<'_>) {
        let hung_up_here = self.deadlines.is_set(Timer::CloseTransport) && !self.end.peer_hung_up;
        let is_told = || {
            let selected = self.machine.selected();
            selected.is_none_or(|party| self.carrier.is_told(party))
        };
        if self.media.transport == Transport::Draining && hung_up_here && is_told() {
            self.close_media(io);
        }
    }

    pub(super) fn close_media(&mut self, io: &mut Io<'_>) {
        self.deadlines.clear(Timer::CloseTransport);
        if self.media.has_transport() {
            self.order(io, MediaCommand::Close);
        }
        self.media.transport = Transport::Closed;
    }

    fn drain_media(&mut self, io: &mut Io<'_>, time: Duration) {
        self.order(io, MediaCommand::StopAudio);
        self.media.transport = Transport::Draining;
        self.deadlines.set(Timer::CloseTransport, io.now + time);
    }

    fn report(&self, io: &mut Io<'_>, end: CallEnd, reason: EndReason) {
        let call = self.name.clone();
        // For the user it is still one call with the same person, the peer's now: nothing has ended,
        // and nothing was missed.
        if let Some(by) = self.end.replaced_by.clone() {
            io.event(Event::Replaced { call, by });
            return;
        }
        if end == CallEnd::AnsweredElsewhere {
            io.event(Event::AnsweredElsewhere { call: call.clone() });
        }
        io.event(Event::Ended {
            call: call.clone(),
            reason,
            connected_for: self.connection.connected_for(io.now),
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

    fn reason_of(&self, end: CallEnd) -> EndReason {
        let connected = self.connection.is_connected();
        match end {
            CallEnd::HungUp(_) if connected => EndReason::LocalHangup,
            CallEnd::HungUp(_) => EndReason::Cancelled,
            CallEnd::PeerHungUp(reason) => match (reason, connected, self.machine.role()) {
                (HangupReason::IceFailed, ..) => EndReason::IceFailed,
                (HangupReason::IceTimeout, ..) => EndReason::IceTimeout,
                (HangupReason::UserMediaFailed, ..) => EndReason::PeerMediaFailed,
                (HangupReason::AnsweredElsewhere, true, _) => EndReason::AnsweredElsewhere,
                (_, true, _) => EndReason::RemoteHangup,
                (_, false, Role::Callee) => EndReason::CallerCancelled,
                (_, false, Role::Caller) => EndReason::Declined,
            },
            CallEnd::CallerCancelled => EndReason::CallerCancelled,
            CallEnd::Rejected => EndReason::LocalReject,
            CallEnd::Declined => EndReason::Declined,
            CallEnd::Busy => EndReason::Busy,
            CallEnd::ClocksDiffer => EndReason::ClocksDiffer,
            CallEnd::NoAnswer => EndReason::NoAnswer,
            // Nothing can be said of the peer whom nothing could reach.
            CallEnd::Unreachable if !self.carrier.homeserver_took_some() => {
                EndReason::HomeserverRefused
            }
            CallEnd::Unreachable => self.carrier.silence_means(),
            CallEnd::AnsweredElsewhere => EndReason::AnsweredElsewhere,
            CallEnd::ConnectTimeout => EndReason::IceFailed,
        }
    }
}

//! What a call is as the leg of a conference: what it tells of itself, and the rosters that it carries.

use std::collections::VecDeque;

use securecall_signaling::{CallEnd, ConferenceInvite, Content, HangupReason, Roster};
use web_time::Instant;

use super::Call;
use crate::EndReason;
use crate::call_handle::CallHandle;
use crate::io::Io;

/// How a leg begins: what its invite says, and what it has in common with the legs that are there.
pub(crate) struct LegOrder {
    pub(crate) invite: ConferenceInvite,
    pub(crate) shares: Shares,
}

/// What a leg has in common with those that are there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shares {
    /// A live leg, whose microphone and speaker it uses.
    pub(crate) beside: Option<CallHandle>,
    /// The microphone is muted.
    pub(crate) muted: bool,
}

/// What a conference wants to know of its legs.
#[derive(Debug)]
pub(crate) enum LegNews {
    /// The peer is proven, and heard.
    Connected,
    /// Nothing is heard of the peer any more.
    Silent {
        /// When something was heard last.
        since: Instant,
    },
    /// The peer is heard again.
    Heard,
    /// The peer says who is in. It is proven, and the call connected.
    Roster(Roster),
    /// The call is over.
    Ended { end: CallEnd, reason: EndReason },
}

/// What waits to be taken by a conference.
#[derive(Default)]
pub(super) struct LegSide {
    news: VecDeque<LegNews>,
    /// The newest of the peer that came before the call was connected at this end.
    early: Option<Roster>,
}

impl LegSide {
    pub(super) fn tell(&mut self, news: LegNews) {
        self.news.push_back(news);
    }

    /// The peer is proven from now on, and what it said meanwhile counts.
    pub(super) fn connected(&mut self) {
        self.tell(LegNews::Connected);
        if let Some(roster) = self.early.take() {
            self.tell(LegNews::Roster(roster));
        }
    }

    fn keep_early(&mut self, roster: Roster) {
        let is_newer = |kept: &Roster| kept.number < roster.number;
        if self.early.as_ref().is_none_or(is_newer) {
            self.early = Some(roster);
        }
    }
}

impl Call {
    /// The next thing that a conference wants to know; poll until `None` after everything that was done.
    pub(crate) fn poll_leg_news(&mut self) -> Option<LegNews> {
        self.leg.news.pop_front()
    }

    /// A roster of the device that the call is with. It counts once the call is connected: before that the peer is not proven.
    pub(super) fn take_roster(&mut self, roster: &Roster) {
        if self.connection.is_connected() {
            self.leg.tell(LegNews::Roster(roster.clone()));
        } else {
            self.leg.keep_early(roster.clone());
        }
    }

    /// Tells the peer who is in, in place of what it was not told yet. Nobody is told who is not proven.
    pub(crate) fn tell_roster(&mut self, io: &mut Io<'_>, roster: Roster) {
        if self.machine.is_over() || !self.connection.is_connected() {
            return;
        }
        if let Some(party) = self.machine.selected() {
            self.carrier.say_roster(party, Content::Roster(roster));
        }
        self.flush(io);
    }

    /// The conference wants no leg any more, or not this one.
    pub(crate) fn end_leg(&mut self, io: &mut Io<'_>, why: HangupReason) {
        self.machine.hang_up(why);
        self.flush(io);
    }

    /// Whether its transport is there, and the call not over: another leg may use its microphone and speaker.
    pub(crate) const fn is_live(&self) -> bool {
        self.media.is_open() && !self.machine.is_over()
    }

    /// Whether the peer is proven, and was heard.
    pub(crate) const fn is_connected(&self) -> bool {
        self.connection.is_connected() && !self.machine.is_over()
    }

    /// Whether our microphone is muted in it.
    pub(crate) const fn is_muted(&self) -> bool {
        self.media.is_muted()
    }
}

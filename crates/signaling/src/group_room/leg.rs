//! One device that is in our call, and the 1:1 call with it.

use std::time::Duration;

use web_time::Instant;

use super::stream::Stream;
use super::{LegId, Participant};
use crate::WireCallId;
use crate::wire::group_room::GroupCallId;
use crate::wire::room::{RoomContent, RoomSignal};

/// How often a device is called again that could not be reached (MSC3401).
pub const MAX_RETRIES: u8 = 3;
/// How long after that; matrix-js-sdk does it every 5 s.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);
/// What has been connected for so long may fail as often again. Less would let a device that hangs up at once be called for ever.
pub const STEADY_AFTER: Duration = Duration::from_secs(30);

/// The 1:1 call with a device, and what is still to be done for it.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) group_call_id: GroupCallId,
    pub(super) peer: Participant,
    /// Of the two the one that calls, by their IDs.
    pub(super) we_call: bool,
    pub(super) stage: Stage,
    retries: u8,
    /// What is said of the call that there is.
    current: Option<Stream>,
    /// What is said of one that has not begun: its invite may be late.
    coming: Option<Stream>,
    /// The call before, of which nothing more is heard.
    over: Option<WireCallId>,
}

/// How far the 1:1 call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody calls yet: it is for the other side.
    Waiting,
    /// There is a call, or one is being made; connected since then.
    Called { connected_at: Option<Instant> },
    /// It failed, and is tried again then.
    Retrying { at: Instant },
    /// It failed too often.
    GivenUp,
}

/// What comes of an event of the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// It begins another call, in the place of one that there was.
    pub(super) replaces: bool,
    /// Those whose turn is now.
    pub(super) signals: Vec<RoomSignal>,
}

impl Leg {
    pub(super) const fn new(
        id: LegId,
        group_call_id: GroupCallId,
        peer: Participant,
        we_call: bool,
    ) -> Self {
        Self {
            id,
            group_call_id,
            peer,
            we_call,
            stage: Stage::Waiting,
            retries: 0,
            current: None,
            coming: None,
            over: None,
        }
    }

    /// A call is to be placed now.
    pub(super) fn call(&mut self) {
        self.stage = Stage::Called { connected_at: None };
    }

    /// A call of ours has its ID.
    pub(super) fn placed(&mut self, call_id: WireCallId) {
        self.begin(Stream::new(call_id));
    }

    pub(super) fn connected(&mut self, now: Instant) {
        if let Stage::Called { connected_at } = &mut self.stage {
            connected_at.get_or_insert(now);
        }
    }

    /// A call is over, or could not be placed. Gives whether that was the last one.
    pub(super) fn ended(&mut self, now: Instant, call_id: Option<&WireCallId>) -> bool {
        let Stage::Called { connected_at } = self.stage else {
            return false;
        };
        // Of a call that another one has replaced this is no news.
        if self.current.as_ref().map(Stream::call_id) != call_id {
            return false;
        }
        self.over = self.current.take().map(|stream| stream.call_id().clone());
        if connected_at.is_some_and(|at| now.saturating_duration_since(at) >= STEADY_AFTER) {
            self.retries = 0;
        }
        self.stage = match (self.we_call, self.retries < MAX_RETRIES) {
            (false, _) => Stage::Waiting,
            (true, true) => Stage::Retrying {
                at: now + RETRY_AFTER,
            },
            (true, false) => Stage::GivenUp,
        };
        self.retries = self.retries.saturating_add(1);
        self.stage == Stage::GivenUp
    }

    /// Whether an invite of the other side is for us to take. It is for the lesser of the two to call, unless it gave up.
    pub(super) fn takes_invites(&self) -> bool {
        !self.we_call || self.stage == Stage::GivenUp
    }

    pub(super) fn is_over(&self, call_id: &WireCallId) -> bool {
        self.over.as_ref() == Some(call_id)
    }

    /// Whether it is said of the call that there is, and not of one that would be new.
    pub(super) fn is_current(&self, call_id: &WireCallId) -> bool {
        self.current
            .as_ref()
            .is_some_and(|it| it.call_id() == call_id)
    }

    /// Takes an event; gives what comes of it.
    pub(super) fn hear(&mut self, now: Instant, number: Option<u32>, signal: RoomSignal) -> Heard {
        if let Some(current) = &mut self.current
            && *current.call_id() == signal.call_id
        {
            return Heard::of(current.take(now, number, signal));
        }
        let mut coming = match self.coming.take() {
            Some(stream) if *stream.call_id() == signal.call_id => stream,
            _ => Stream::new(signal.call_id.clone()),
        };
        let ready = coming.take(now, number, signal);
        self.come(coming, ready)
    }

    /// Goes on without what did not come in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Heard {
        let is_due = |stream: &Stream| stream.gap_until().is_some_and(|at| at <= now);
        if let Some(mut coming) = self.coming.take_if(|it| is_due(it)) {
            let ready = coming.skip(now);
            return self.come(coming, ready);
        }
        let due = self.current.as_mut().filter(|it| is_due(it));
        Heard::of(due.map_or_else(Vec::new, |current| current.skip(now)))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let retry = match self.stage {
            Stage::Retrying { at } => Some(at),
            Stage::Waiting | Stage::Called { .. } | Stage::GivenUp => None,
        };
        let gap = |stream: &Option<Stream>| stream.as_ref().and_then(Stream::gap_until);
        let all = [retry, gap(&self.current), gap(&self.coming)];
        all.into_iter().flatten().min()
    }

    /// A call whose first word is an invite is the one that there is from now on; what has no invite is none.
    fn come(&mut self, stream: Stream, ready: Vec<RoomSignal>) -> Heard {
        let Some(first) = ready.first() else {
            self.coming = Some(stream);
            return Heard::default();
        };
        if !matches!(first.content, RoomContent::Invite(_)) || !self.takes_invites() {
            return Heard::default();
        }
        let replaces = self.begin(stream);
        self.call();
        Heard {
            replaces,
            signals: ready,
        }
    }

    /// Gives whether there was another call.
    fn begin(&mut self, stream: Stream) -> bool {
        self.coming = None;
        let before = self.current.replace(stream);
        let is_another = before.is_some();
        if let Some(stream) = before {
            self.over = Some(stream.call_id().clone());
        }
        is_another
    }
}

impl Heard {
    const fn of(signals: Vec<RoomSignal>) -> Self {
        Self {
            replaces: false,
            signals,
        }
    }
}

//! Our own member event: written when we join, renewed in time, and never left behind.
//!
//! One event holds all devices of a user ([MSC3401]), so each write begins with a read, changes our entry alone, and is looked at again when it
//! comes back: what another device of ours wrote in between is put back, and so is our entry if another device wrote over it.
//!
//! If this device goes away without a word, its entry must not stay. Where the homeserver has delayed events ([MSC4140]) it holds one that takes the
//! entry out, and holds it back as long as we ask it to; else the entry lasts for minutes only, and is renewed. A delayed event is whole too, so there is
//! none while another device of ours is in the call: it would take that one out as well.
//!
//! [MSC3401]: https://github.com/matrix-org/matrix-spec-proposals/pull/3401
//! [MSC4140]: https://github.com/matrix-org/matrix-spec-proposals/pull/4140

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use web_time::Instant;

use super::clock::RoomClock;
use super::requests::{DelayId, Failure, Request, RequestId, Response};
use super::{Own, WhyOut};
use crate::Deadlines;
use crate::wire::group_room::{GroupCallId, MemberDevice, OwnEntry, OwnMemberContent};

/// How long an entry lasts, and when it is written again, while nothing takes it out after us. A ghost of ours is called for no longer, and
/// each write stays in the room for ever: 20 in an hour.
pub const SHORT_EXPIRY: Duration = Duration::from_secs(5 * 60);
const SHORT_RENEWAL: Duration = Duration::from_secs(3 * 60);
/// The same while the homeserver holds an event that takes it out; as long as matrix-js-sdk's.
pub const LONG_EXPIRY: Duration = Duration::from_secs(60 * 60);
const LONG_RENEWAL: Duration = Duration::from_secs(45 * 60);
/// How long after our last word the homeserver takes us out, and how often it gets one.
pub const LEAVE_DELAY: Duration = Duration::from_secs(30);
const LEAVE_RESTART: Duration = Duration::from_secs(10);
/// How soon an event is written again that another device of ours wrote over: two that do it for ever must not flood the room.
const REWRITE_AFTER: Duration = Duration::from_secs(5);
/// How long after a request that failed it is made again: doubled each time, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(32);
/// How often leaving is tried; after that the entry ends by itself.
const LEAVE_TRIES: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// When to write the event again, before the entry ends, or after something failed.
    Write,
    /// When to have the homeserver hold the leave back again, or at all.
    RestartLeave,
}

/// What is being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Read,
    Write {
        content: OwnMemberContent,
        /// What it puts back.
        lost: Vec<Value>,
    },
    ScheduleLeave,
    RestartLeave,
    CancelLeave,
}

/// Whether the homeserver takes us out when we are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leave {
    /// Not asked yet, or no more.
    None,
    /// Asked for.
    Asked,
    Scheduled(DelayId),
    /// It cannot.
    Unsupported,
}

/// Where this device stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Out,
    In(GroupCallId),
    /// Not to be in any more, until that is written.
    Leaving(GroupCallId),
}

/// Our own member event, as it is and as it should be.
#[derive(Clone, Debug)]
pub(super) struct OwnMembership {
    own: Own,
    wish: Wish,
    leave: Leave,
    /// What came last from the homeserver.
    seen: OwnMemberContent,
    /// What we wrote last, until it comes back.
    written: Option<OwnMemberContent>,
    written_at: Option<Instant>,
    /// What the event held, while the write waits until the homeserver holds what takes us out.
    held: Option<OwnMemberContent>,
    /// Entries of other devices of ours that our last write took away.
    lost: Vec<Value>,
    failures: u32,
    deadlines: Deadlines<Timer>,
    last_id: u64,
    asked: BTreeMap<RequestId, Purpose>,
    requests: VecDeque<(RequestId, Request)>,
}

impl OwnMembership {
    pub(super) fn new(own: Own) -> Self {
        Self {
            own,
            wish: Wish::Out,
            leave: Leave::None,
            seen: OwnMemberContent::default(),
            written: None,
            written_at: None,
            held: None,
            lost: Vec::new(),
            failures: 0,
            deadlines: Deadlines::new(),
            last_id: 0,
            asked: BTreeMap::new(),
            requests: VecDeque::new(),
        }
    }

    pub(super) fn join(&mut self, call: GroupCallId) {
        self.wish = Wish::In(call);
        self.failures = 0;
        self.begin_write();
    }

    /// Not in the call any more; the entry goes as soon as the homeserver can be reached.
    pub(super) fn leave(&mut self) {
        if let Wish::In(call) = &self.wish {
            self.wish = Wish::Leaving(call.clone());
            self.failures = 0;
            self.begin_write();
        }
    }

    /// Our own member event came, whoever of our devices wrote it.
    pub(super) fn handle_event(&mut self, now: Instant, clock: &RoomClock, content: &[u8]) {
        let before = std::mem::replace(&mut self.seen, OwnMemberContent::read(content));
        let now_ms = clock.now_ms(now);
        let Some(call) = self.call().cloned() else {
            return self.clean_up(now, now_ms);
        };
        let own = &self.own.device_id;
        let has_come = |it: &mut OwnMemberContent| {
            *it == self.seen
                || it
                    .entry(&call, own)
                    .is_some_and(|ours| self.seen.entry(&call, own) == Some(ours))
        };
        // Ours has come back, or what another device has built on it.
        if let Some(written) = self.written.take_if(has_come)
            && written == self.seen
        {
            // What was there before it, and is not any more, ours did not know of. Who has left said so itself, and is not in `before`.
            let others = before.others(&call, &self.own.device_id, now_ms);
            let is_lost = |entry: &Value| {
                self.seen
                    .restored(&call, std::slice::from_ref(entry), now_ms)
                    != self.seen
            };
            self.lost = others.into_iter().filter(is_lost).collect();
        }
        if matches!(self.wish, Wish::In(_)) {
            // It may be an event from before ours, which the read before the write will tell.
            if !self.lost.is_empty() || !self.seen.has(&call, &self.own.device_id) {
                self.rewrite_soon(now);
            }
            self.do_without_leave(now, &call, now_ms);
        } else if !self.lost.is_empty() {
            self.rewrite_soon(now);
        }
    }

    /// We are in no call, but the event says so: a run before this one left that behind, or another device of ours wrote while we left.
    fn clean_up(&mut self, now: Instant, now_ms: u64) {
        let state = self.seen.state();
        let is_ours =
            |it: &MemberDevice| it.device_id == self.own.device_id && it.expires_ms > now_ms;
        let mut calls = state.calls();
        if let Some((call, _)) = calls.find(|(_, devices)| devices.iter().any(is_ours)) {
            self.wish = Wish::Leaving(call.clone());
            self.failures = 0;
            self.rewrite_soon(now);
        }
    }

    /// The answer to a request. Gives why we are not in the call after all.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        clock: &RoomClock,
        id: RequestId,
        result: Result<Response, Failure>,
    ) -> Option<WhyOut> {
        let purpose = self.asked.remove(&id)?;
        match (purpose, result) {
            (Purpose::Read, Ok(Response::Content(content))) => {
                self.write_guarded(now, clock, OwnMemberContent::read(&content));
            }
            // There is no such event yet.
            (Purpose::Read, Err(Failure::NotFound)) => {
                self.write_guarded(now, clock, OwnMemberContent::default());
            }
            (Purpose::Read, Err(failure)) => return self.write_failed(now, failure),
            (Purpose::Write { lost, .. }, Err(failure)) => {
                self.lost.extend(lost);
                return self.write_failed(now, failure);
            }
            (Purpose::Write { content, .. }, Ok(_)) => self.wrote(now, &content),
            (Purpose::ScheduleLeave, result) => self.leave_scheduled(now, clock, result),
            (Purpose::RestartLeave, Err(failure)) => self.leave_not_restarted(now, failure),
            (Purpose::Read, Ok(_)) | (Purpose::RestartLeave | Purpose::CancelLeave, _) => {}
        }
        None
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.take_expired(now) {
            match timer {
                Timer::Write => self.begin_write(),
                Timer::RestartLeave => self.restart_leave(now),
            }
        }
    }

    pub(super) fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        self.requests.pop_front()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether there is nothing left to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.wish == Wish::Out && self.asked.is_empty() && self.deadlines.next().is_none()
    }

    const fn call(&self) -> Option<&GroupCallId> {
        match &self.wish {
            Wish::In(call) | Wish::Leaving(call) => Some(call),
            Wish::Out => None,
        }
    }

    /// One at a time: whoever wants another while one is on its way gets it after that.
    fn begin_write(&mut self) {
        let is_busy = |purpose: &Purpose| matches!(purpose, Purpose::Read | Purpose::Write { .. });
        let is_free = self.held.is_none() && !self.asked.values().any(is_busy);
        if self.wish != Wish::Out && is_free {
            self.ask(Purpose::Read, Request::ReadMember);
        }
    }

    /// Writes; but first the homeserver is to hold what takes us out, so that there is no moment at which our entry would stay.
    fn write_guarded(&mut self, now: Instant, clock: &RoomClock, base: OwnMemberContent) {
        if self.schedule_leave(&base, clock.now_ms(now)) {
            self.held = Some(base);
        } else {
            self.write(now, clock, &base);
        }
    }

    fn write(&mut self, now: Instant, clock: &RoomClock, base: &OwnMemberContent) {
        let now_ms = clock.now_ms(now);
        let content = match &self.wish {
            Wish::Out => return,
            Wish::In(call) => {
                if let Some(in_time) = self.is_fresh(base, call, now_ms) {
                    self.deadlines.set(Timer::Write, now + in_time);
                    return;
                }
                let expiry = self.times().0;
                let entry = OwnEntry {
                    call_id: call.clone(),
                    device_id: self.own.device_id.clone(),
                    session_id: self.own.session_id.clone(),
                    expires_ms: now_ms.saturating_add(milliseconds(expiry)),
                };
                base.restored(call, &self.lost, now_ms).with(&entry, now_ms)
            }
            Wish::Leaving(call) => {
                let restored = base.restored(call, &self.lost, now_ms);
                if restored == *base && !base.has(call, &self.own.device_id) {
                    return self.out();
                }
                restored.without(call, &self.own.device_id, now_ms)
            }
        };
        // It may come back before the answer does.
        self.written = Some(content.clone());
        let request = Request::WriteMember {
            content: content.to_value(),
        };
        let lost = std::mem::take(&mut self.lost);
        self.ask(Purpose::Write { content, lost }, request);
    }

    /// Nothing need be written, and when it need be: what comes late made us look.
    fn is_fresh(
        &self,
        base: &OwnMemberContent,
        call: &GroupCallId,
        now_ms: u64,
    ) -> Option<Duration> {
        let (expiry, renewal) = self.times();
        let ours = base.entry(call, &self.own.device_id)?;
        let left = Duration::from_millis(ours.expires_ms.saturating_sub(now_ms));
        let in_time = left.checked_sub(expiry - renewal)?;
        let is_ours = ours.session_id == self.own.session_id && left <= expiry;
        let nothing_lost = base.restored(call, &self.lost, now_ms) == *base;
        (is_ours && nothing_lost && in_time >= REWRITE_AFTER).then_some(in_time)
    }

    fn wrote(&mut self, now: Instant, content: &OwnMemberContent) {
        self.failures = 0;
        self.written_at = Some(now);
        let has_us = |call: &GroupCallId| content.has(call, &self.own.device_id);
        match self.wish.clone() {
            Wish::Out => {}
            // It was written before we wanted to be in, or out.
            Wish::In(call) if !has_us(&call) => self.begin_write(),
            Wish::Leaving(call) if has_us(&call) => self.begin_write(),
            // It came back before this answer, and had taken something away, or another device has written over it since.
            Wish::In(call) | Wish::Leaving(call)
                if !self.lost.is_empty() || self.is_written_over(&call) =>
            {
                self.rewrite_soon(now);
            }
            Wish::In(_) => {
                let renewal = self.times().1;
                self.deadlines.set(Timer::Write, now + renewal);
            }
            Wish::Leaving(_) => self.out(),
        }
    }

    /// Whether what we wrote last has come back, and what came after it says otherwise.
    fn is_written_over(&self, call: &GroupCallId) -> bool {
        let is_in = matches!(self.wish, Wish::In(_));
        self.written.is_none() && self.seen.has(call, &self.own.device_id) != is_in
    }

    fn write_failed(&mut self, now: Instant, failure: Failure) -> Option<WhyOut> {
        let is_in = matches!(self.wish, Wish::In(_));
        self.failures = self.failures.saturating_add(1);
        self.written = None;
        if failure == Failure::Forbidden || (!is_in && self.failures >= LEAVE_TRIES) {
            self.out();
            return is_in.then_some(WhyOut::NotAllowed);
        }
        let doubled = FIRST_RETRY * 2u32.saturating_pow(self.failures.saturating_sub(1).min(5));
        let wait = match failure {
            Failure::Later(wait) => wait.clamp(FIRST_RETRY, LONGEST_RETRY * 2),
            Failure::Forbidden | Failure::Unsupported | Failure::NotFound => doubled,
        };
        self.deadlines
            .set(Timer::Write, now + wait.max(doubled.min(LONGEST_RETRY)));
        None
    }

    /// Nothing of ours is in the room.
    fn out(&mut self) {
        self.wish = Wish::Out;
        self.written = None;
        self.lost = Vec::new();
        self.deadlines.clear_all();
        self.cancel_leave();
        self.leave = Leave::None;
    }

    fn rewrite_soon(&mut self, now: Instant) {
        let earliest = self.written_at.map_or(now, |at| at + REWRITE_AFTER);
        let at = earliest.max(now);
        if self.deadlines.at(Timer::Write).is_none_or(|set| set > at) {
            self.deadlines.set(Timer::Write, at);
        }
    }

    /// How long the entry lasts, and when it is renewed.
    const fn times(&self) -> (Duration, Duration) {
        match self.leave {
            Leave::Scheduled(_) => (LONG_EXPIRY, LONG_RENEWAL),
            Leave::None | Leave::Asked | Leave::Unsupported => (SHORT_EXPIRY, SHORT_RENEWAL),
        }
    }

    /// Whether the homeserver was asked to take us out when it hears nothing of us, and the write has to wait for its answer.
    fn schedule_leave(&mut self, base: &OwnMemberContent, now_ms: u64) -> bool {
        let Wish::In(call) = &self.wish else {
            return false;
        };
        let own = &self.own.device_id;
        let base = base.restored(call, &self.lost, now_ms);
        if self.leave != Leave::None || !base.others(call, own, now_ms).is_empty() {
            return false;
        }
        let request = Request::ScheduleMember {
            content: base.without(call, own, now_ms).to_value(),
            delay: LEAVE_DELAY,
        };
        self.leave = Leave::Asked;
        self.ask(Purpose::ScheduleLeave, request);
        true
    }

    fn leave_scheduled(
        &mut self,
        now: Instant,
        clock: &RoomClock,
        result: Result<Response, Failure>,
    ) {
        let held = self.held.take();
        if self.leave != Leave::Asked {
            // It is not wanted any more, and what the event held may be old.
            if let Ok(Response::Delayed(delay_id)) = result {
                self.ask(Purpose::CancelLeave, Request::CancelDelayed { delay_id });
            }
            return self.begin_write();
        }
        let (leave, then) = match result {
            Ok(Response::Delayed(delay_id)) => (Leave::Scheduled(delay_id), Some(LEAVE_RESTART)),
            // It is asked again; until then the entry is a short one.
            Err(Failure::Later(wait)) => {
                let wait = wait.clamp(LEAVE_RESTART, LONGEST_RETRY * 2);
                (Leave::None, Some(wait))
            }
            Ok(_) | Err(_) => (Leave::Unsupported, None),
        };
        self.leave = leave;
        if let Some(then) = then {
            self.deadlines.set(Timer::RestartLeave, now + then);
        }
        if let Some(base) = held {
            self.write(now, clock, &base);
        }
    }

    /// Whoever is leaving lets it be sent: it says the same.
    fn restart_leave(&mut self, now: Instant) {
        if !matches!(self.wish, Wish::In(_)) {
            return;
        }
        let Leave::Scheduled(delay_id) = self.leave.clone() else {
            // It could not be asked for the last time. What is asked for goes before a write.
            return self.begin_write();
        };
        self.deadlines.set(Timer::RestartLeave, now + LEAVE_RESTART);
        // One at a time: a homeserver may be slow to answer.
        if !self.asked.values().any(|it| *it == Purpose::RestartLeave) {
            self.ask(Purpose::RestartLeave, Request::RestartDelayed { delay_id });
        }
    }

    /// It was sent, perhaps, and we are out: the event that says so comes too, but may be late.
    fn leave_not_restarted(&mut self, now: Instant, failure: Failure) {
        if !matches!(failure, Failure::Later(_)) && matches!(self.leave, Leave::Scheduled(_)) {
            self.leave = Leave::None;
            self.deadlines.clear(Timer::RestartLeave);
            self.rewrite_soon(now);
        }
    }

    /// Another device of ours is in the call: what the homeserver holds would take it out with us.
    fn do_without_leave(&mut self, now: Instant, call: &GroupCallId, now_ms: u64) {
        let is_alone = self
            .seen
            .others(call, &self.own.device_id, now_ms)
            .is_empty();
        if !is_alone && matches!(self.leave, Leave::Asked | Leave::Scheduled(_)) {
            self.cancel_leave();
            self.leave = Leave::None;
            self.rewrite_soon(now);
        }
    }

    fn cancel_leave(&mut self) {
        self.deadlines.clear(Timer::RestartLeave);
        if let Leave::Scheduled(delay_id) = self.leave.clone() {
            self.ask(Purpose::CancelLeave, Request::CancelDelayed { delay_id });
        }
    }

    fn ask(&mut self, purpose: Purpose, request: Request) {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.asked.insert(id, purpose);
        self.requests.push_back((id, request));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

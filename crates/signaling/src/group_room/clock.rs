//! What time it is for others: until when somebody is in a call.

use std::time::Duration;

use web_time::Instant;

/// The longest that an entry counts after it was written, whatever it says itself. matrix-js-sdk writes one hour, and again after
/// 45 minutes; half an hour more is for clocks. Who wrote "for ever" is a ghost no longer than this.
pub const MAX_MEMBERSHIP: Duration = Duration::from_secs(90 * 60);

/// Two clocks at one moment, in Unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// This machine's.
    pub wallclock_ms: u64,
    /// The homeserver's, if it is known.
    pub homeserver_ms: Option<u64>,
}

/// When a state event was sent, as the homeserver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `origin_server_ts`: the clock of the sender's homeserver.
    pub at_ms: u64,
    /// `unsigned.age`, if it was there: how long ago that was for our homeserver.
    pub age_ms: Option<i64>,
}

/// The clocks of a room's calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoomClock {
    seen: Instant,
    clocks: Clocks,
}

impl RoomClock {
    pub(super) const fn new(now: Instant, clocks: Clocks) -> Self {
        Self { seen: now, clocks }
    }

    /// What is written to the room: the homeserver's time, which is the one that most others have.
    pub(super) fn now_ms(&self, now: Instant) -> u64 {
        let homeserver_ms = self.clocks.homeserver_ms;
        self.later(now, homeserver_ms.unwrap_or(self.clocks.wallclock_ms))
    }

    /// Until when an entry counts; `None`: it does not. An entry holds a time of the device's clock, and any of the three clocks may be days
    /// away from the others: it counts if ours or the homeserver's says so, and no longer than [`MAX_MEMBERSHIP`]. Who is not
    /// there after all costs a few invites; who is there and not called would not be heard.
    pub(super) fn until(&self, now: Instant, sent: Sent, expires_ms: u64) -> Option<Instant> {
        let clocks = [Some(self.clocks.wallclock_ms), self.clocks.homeserver_ms];
        let left = clocks.into_iter().flatten().map(|ms| {
            let left_ms = expires_ms.saturating_sub(self.later(now, ms));
            Duration::from_millis(left_ms)
        });
        let longest = MAX_MEMBERSHIP.saturating_sub(self.age(now, sent));
        let left = left.max().unwrap_or_default().min(longest);
        (!left.is_zero()).then(|| now + left)
    }

    /// How old an event is. Homeservers need not say; then their clock does, if it is known.
    fn age(&self, now: Instant, sent: Sent) -> Duration {
        let by_clock = || {
            let homeserver_ms = self.clocks.homeserver_ms?;
            Some(self.later(now, homeserver_ms).saturating_sub(sent.at_ms))
        };
        let said = sent.age_ms.map(|age| age.max(0).unsigned_abs());
        Duration::from_millis(said.or_else(by_clock).unwrap_or(0))
    }

    fn later(&self, now: Instant, ms: u64) -> u64 {
        let passed = now.saturating_duration_since(self.seen).as_millis();
        ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

//! The connection of a call: when there is one, when its path is dead, when it is given up
//! (`docs/protocol/signaling.md`).

use std::time::Duration;

use securecall_signaling::{Deadlines, Role};
use web_time::Instant;

use super::timer::Timer;
use crate::budget::Budget;
use crate::media_event::PathRoute;

/// How long nothing may be heard from the peer before the path counts as dead.
const PATH_DEAD: Duration = Duration::from_secs(3);
/// The same of a peer that need not send a frame while nobody speaks: browsers check the path every 2.5 to 6 s (RFC 7675), and one
/// check may get lost.
const QUIET_PATH_DEAD: Duration = Duration::from_secs(10);
/// How long nothing may be heard from the peer before the call ends: somebody who changes trains has a network again by then.
const PATH_LOST: Duration = Duration::from_secs(30);
/// How long a callee waits for the caller to restart by itself.
const RESTART_PLEASE: Duration = Duration::from_secs(1);
/// How long a restart may take before the next is tried. Twice as long after one whose offer is not answered by then, and so on: an
/// answer counts for the newest offer alone, so a homeserver that needs longer than this for both would never bring one that does.
const RESTART_AGAIN: Duration = Duration::from_secs(5);
/// Restarts that the peer may ask for in one go, and how long until it may ask for one more: it cannot have us make one after the
/// other. Where both move at once, the first offer is often answered from an address that is gone when the answer comes.
const RESTARTS_WANTED: u32 = 4;
const RESTART_APART: Duration = Duration::from_secs(1);

/// What is known of the connection. A call is connected once, on a path on which the peer was heard, and from then on the
/// path is watched.
pub(super) struct Connection {
    /// Dialed (caller), rang and then accepted (callee).
    began: Instant,
    connected_at: Option<Instant>,
    /// How long nothing may be heard from the peer before the path counts as dead.
    path_dead: Duration,
    /// What kind of path it is, once it is up.
    route: Option<PathRoute>,
    /// A frame of the peer opened: only who took part in the handshake can seal one.
    frame_opened: bool,
    data_channel_open: bool,
    last_packet: Option<Instant>,
    /// Nothing was heard from the peer for 3 s, or the path is known to be dead.
    dead: bool,
    /// What we send leads nowhere, as the media engine knows.
    lost: bool,
    /// The peer is silent for longer than it should be, and that may be all there is to it.
    silent: bool,
    /// How many restarts the peer may still ask for.
    restarts_wanted: Budget,
    /// The peer has asked for another, and the last has only just begun.
    restart_is_due: bool,
    /// How long the next restart may take.
    restart_time: Duration,
}

impl Connection {
    /// Of a call that is dialed, or begins to ring.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            began: now,
            connected_at: None,
            path_dead: PATH_DEAD,
            route: None,
            frame_opened: false,
            data_channel_open: false,
            last_packet: None,
            dead: false,
            lost: false,
            silent: false,
            restarts_wanted: Budget::new(RESTARTS_WANTED, RESTART_APART),
            restart_is_due: false,
            restart_time: RESTART_AGAIN,
        }
    }

    /// With a peer that may be silent.
    pub(super) const fn to_quiet_peer(now: Instant) -> Self {
        let mut connection = Self::new(now);
        connection.path_dead = QUIET_PATH_DEAD;
        connection
    }

    /// The user accepts: how long it rang does not count.
    pub(super) const fn accepted(&mut self, now: Instant) {
        self.began = now;
    }

    pub(super) fn comes_up(&mut self, route: PathRoute) {
        self.route.get_or_insert(route);
    }

    /// The path goes another way. Returns whether that is of another kind.
    pub(super) fn takes_route(&mut self, route: PathRoute) -> bool {
        self.route.replace(route) != Some(route)
    }

    pub(super) const fn frame_opened(&mut self) {
        self.frame_opened = true;
    }

    pub(super) const fn set_data_channel_open(&mut self, open: bool) {
        self.data_channel_open = open;
    }

    /// The peer is proven by all but the path. If that is up and the peer was heard on it, the call is connected now: returns the
    /// kind of path and how long it took, once.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        deadlines: &mut Deadlines<Timer>,
    ) -> Option<(PathRoute, Duration)> {
        let route = self.route.filter(|_| self.frame_opened)?;
        if self.is_connected() {
            return None;
        }
        self.connected_at = Some(now);
        self.last_packet = Some(now);
        deadlines.set(Timer::PathDead, now + self.path_dead);
        Some((route, self.setup(now)))
    }

    /// A packet of the peer was authenticated. It counts before the call is connected, too: who connects later begins with it.
    pub(super) const fn packet_came(&mut self, now: Instant) {
        self.last_packet = Some(now);
        self.silent = false;
    }

    /// When something of the peer was authenticated last.
    pub(super) const fn last_heard(&self) -> Option<Instant> {
        self.last_packet
    }

    /// The media engine knows that the path is dead.
    pub(super) const fn is_lost_now(&mut self) {
        self.lost = true;
    }

    /// The media engine hears the peer, and knows no reason why the peer should not hear us.
    pub(super) const fn is_found(&mut self) {
        self.lost = false;
    }

    /// Whether what comes in says nothing of what goes out.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// The peer is silent for longer than it should be.
    pub(super) const fn falls_silent(&mut self) {
        self.silent = self.is_connected();
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// A packet came in a call that goes on. Returns whether the path was dead and is not any more.
    pub(super) fn lives(&mut self, now: Instant, deadlines: &mut Deadlines<Timer>) -> bool {
        if !self.is_connected() {
            return false;
        }
        deadlines.set(Timer::PathDead, now + self.path_dead);
        if !std::mem::take(&mut self.dead) {
            return false;
        }
        deadlines.clear(Timer::PathLost);
        deadlines.clear(Timer::RestartAgain);
        deadlines.clear(Timer::RestartPlease);
        self.restart_time = RESTART_AGAIN;
        true
    }

    /// Nothing came for so long that the path counts as dead, or it is known to be.
    pub(super) fn dies(&mut self, now: Instant, role: Role, deadlines: &mut Deadlines<Timer>) {
        self.dead = true;
        deadlines.clear(Timer::PathDead);
        // From the last packet on, however soon it was noticed that the path is dead.
        let last_packet = self.last_packet.unwrap_or(now);
        deadlines.set(Timer::PathLost, last_packet + PATH_LOST);
        if role == Role::Callee {
            // Only the caller makes offers, and it most likely hears as little as we do.
            deadlines.set(Timer::RestartPlease, now + RESTART_PLEASE);
        }
    }

    /// Whether a restart offer may be made now, and none is under way; then this one is.
    pub(super) fn begins_restart(
        &mut self,
        now: Instant,
        deadlines: &mut Deadlines<Timer>,
    ) -> bool {
        let begins = self.is_connected() && !deadlines.is_set(Timer::RestartAgain);
        if begins {
            if std::mem::take(&mut self.restart_is_due) {
                // The one that was waited for.
                self.restarts_wanted.take(now);
            }
            deadlines.set(Timer::RestartAgain, now + self.restart_time);
        }
        begins
    }

    /// The offer of the restart under way is not answered in its time: the next has more.
    pub(super) fn restart_is_late(&mut self) {
        self.restart_time *= 2;
    }

    /// The restart that is under way comes to nothing: the next does not wait for it.
    pub(super) fn restart_is_void(&mut self, deadlines: &mut Deadlines<Timer>) {
        deadlines.clear(Timer::RestartAgain);
        self.restart_time = RESTART_AGAIN;
    }

    /// The peer asks for another restart than the one before, which is through. It begins now, or a moment later.
    pub(super) fn restart_is_wanted(&mut self, now: Instant, deadlines: &mut Deadlines<Timer>) {
        if self.restarts_wanted.take(now) {
            deadlines.clear(Timer::RestartAgain);
        } else if !self.restart_is_due {
            self.restart_is_due = true;
            deadlines.set(Timer::RestartAgain, now + RESTART_APART);
        }
    }

    /// Whether another restart is to begin when its time has come.
    pub(super) const fn needs_restart(&self) -> bool {
        self.dead || self.restart_is_due
    }

    /// It is, or was when the call ended.
    pub(super) const fn is_connected(&self) -> bool {
        self.connected_at.is_some()
    }

    /// Since it was connected; `None` if it never was.
    pub(super) fn connected_for(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.connected_at?))
    }

    /// Since when it is waited for.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// How long it has been waited for.
    pub(super) fn setup(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) const fn has_data_channel(&self) -> bool {
        self.data_channel_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_connected_once_and_only_when_the_peer_was_heard_on_a_path() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let (later, mut deadlines) = (now + Duration::from_secs(2), Deadlines::new());
        let mut connection = Connection::new(now);
        assert_eq!(connection.connect(later, &mut deadlines), None);
        connection.frame_opened();
        assert_eq!(connection.connect(later, &mut deadlines), None);
        assert!(!connection.begins_restart(later, &mut deadlines));
        assert!(!connection.lives(later, &mut deadlines));
        assert_eq!(deadlines.next(), None, "nobody watches");

        connection.comes_up(PathRoute::Direct);
        let setup = Duration::from_secs(2);
        assert_eq!(
            connection.connect(later, &mut deadlines),
            Some((PathRoute::Direct, setup))
        );
        assert_eq!(connection.connect(later, &mut deadlines), None);
        assert_eq!(deadlines.at(Timer::PathDead), Some(later + PATH_DEAD));
        assert_eq!(connection.connected_for(later + setup), Some(setup));
    }

    #[test]
    fn one_restart_is_under_way_at_a_time_and_a_path_that_lives_needs_none() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut deadlines = Deadlines::new();
        let mut connection = Connection::new(now);
        connection.comes_up(PathRoute::Direct);
        connection.frame_opened();
        connection.connect(now, &mut deadlines).unwrap();
        connection.dies(now, Role::Caller, &mut deadlines);
        assert!(connection.begins_restart(now, &mut deadlines));
        assert!(!connection.begins_restart(now, &mut deadlines));
        assert!(connection.lives(now, &mut deadlines) && !connection.is_dead());
        assert!(!connection.lives(now, &mut deadlines), "once");
        assert!(!deadlines.is_set(Timer::RestartAgain) && !deadlines.is_set(Timer::PathLost));
    }

    #[test]
    fn only_a_path_of_another_kind_is_another_route() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let mut connection = Connection::new(Instant::now());
        connection.comes_up(PathRoute::Relay);
        assert!(!connection.takes_route(PathRoute::Relay));
        assert!(connection.takes_route(PathRoute::Direct));
        assert!(!connection.takes_route(PathRoute::Direct));
    }
}

//! The network path of a call: when it is up, when it is dead, when it is given up
//! (`docs/protocol/signaling.md`).

use std::time::Duration;

use securecall_signaling::{Deadlines, Role};
use web_time::Instant;

use super::timer::Timer;
use crate::media_event::PathRoute;

/// How long nothing may be heard from the peer before the path counts as dead.
const PATH_DEAD: Duration = Duration::from_secs(3);
/// How long nothing may be heard from the peer before the call ends.
const PATH_LOST: Duration = Duration::from_secs(15);
/// How long a callee waits for the caller to restart by itself.
const RESTART_PLEASE: Duration = Duration::from_secs(1);

/// What is known of the network path.
#[derive(Default)]
pub(super) struct Path {
    /// What kind it is, once it is up.
    route: Option<PathRoute>,
    /// A frame of the peer opened: only who took part in the handshake can seal one.
    frame_opened: bool,
    data_channel_open: bool,
    last_packet: Option<Instant>,
    /// Nothing was heard from the peer for 3 s.
    dead: bool,
}

impl Path {
    pub(super) fn is_up(&mut self, route: PathRoute) {
        self.route.get_or_insert(route);
    }

    pub(super) const fn frame_opened(&mut self) {
        self.frame_opened = true;
    }

    pub(super) const fn set_data_channel_open(&mut self, open: bool) {
        self.data_channel_open = open;
    }

    /// The call is connected: from now on the path is watched.
    pub(super) fn watch(&mut self, now: Instant, deadlines: &mut Deadlines<Timer>) {
        self.last_packet = Some(now);
        deadlines.set(Timer::PathDead, now + PATH_DEAD);
    }

    /// A packet of the peer was authenticated. It counts for a path that nobody watches yet, too: who connects later begins with it.
    pub(super) const fn packet_came(&mut self, now: Instant) {
        self.last_packet = Some(now);
    }

    /// A packet came on a path that is watched. Returns whether the path was dead and is not any more.
    pub(super) fn lives(&mut self, now: Instant, deadlines: &mut Deadlines<Timer>) -> bool {
        deadlines.set(Timer::PathDead, now + PATH_DEAD);
        if !std::mem::take(&mut self.dead) {
            return false;
        }
        deadlines.clear(Timer::PathLost);
        deadlines.clear(Timer::RestartAgain);
        deadlines.clear(Timer::RestartPlease);
        true
    }

    /// Nothing came for so long that the path counts as dead.
    pub(super) fn dies(&mut self, now: Instant, role: Role, deadlines: &mut Deadlines<Timer>) {
        self.dead = true;
        let last_packet = self.last_packet.unwrap_or(now);
        deadlines.set(Timer::PathLost, last_packet + PATH_LOST);
        if role == Role::Callee {
            // Only the caller makes offers, and it most likely hears as little as we do.
            deadlines.set(Timer::RestartPlease, now + RESTART_PLEASE);
        }
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) const fn has_data_channel(&self) -> bool {
        self.data_channel_open
    }

    /// The kind of path, if it is one on which the peer has been heard.
    pub(super) fn proven_route(&self) -> Option<PathRoute> {
        self.route.filter(|_| self.frame_opened)
    }
}

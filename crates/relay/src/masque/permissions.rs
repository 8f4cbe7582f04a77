//! Whose packets an exit lets in (as RFC 8656 section 9).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use web_time::Instant;

/// How long a host may send after the client has (RFC 8656 section 9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// The most hosts at a time: as many as a peer may name candidates, twice.
pub(super) const MAX_PERMISSIONS: usize = 64;
/// For one more the host goes to which the client has sent least recently, but not if that was so recently: no flow
/// reaches more than seven new hosts a second, however it asks.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// The hosts that a client has sent to, and when it last has. What is out of date is found when it is looked at, so
/// that a flow needs no timer.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    sent_at: BTreeMap<IpAddr, Instant>,
}

impl Permissions {
    /// The client sends to a host. `false` if there is no room for one more.
    pub(super) fn refresh(&mut self, now: Instant, ip: IpAddr) -> bool {
        if let Some(sent_at) = self.sent_at.get_mut(&ip) {
            *sent_at = now;
            return true;
        }
        if self.sent_at.len() >= MAX_PERMISSIONS && !self.make_room(now) {
            return false;
        }
        self.sent_at.insert(ip, now);
        true
    }

    fn make_room(&mut self, now: Instant) -> bool {
        let oldest = self.sent_at.iter().min_by_key(|(_, sent_at)| **sent_at);
        let oldest = oldest.filter(|(_, sent_at)| **sent_at + KEPT_FOR <= now);
        let Some((ip, _)) = oldest else {
            return false;
        };
        let ip = *ip;
        self.sent_at.remove(&ip);
        true
    }

    /// Whether a host may send to the client.
    pub(super) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        let sent_at = self.sent_at.get(&ip);
        sent_at.is_some_and(|sent_at| now < *sent_at + PERMISSION_LIFETIME)
    }
}

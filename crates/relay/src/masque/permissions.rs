//! Whose packets an exit lets in (as RFC 8656 section 9).

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
    /// In order. Most flows have one or two, which take a third of what a tree of them would.
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    ip: IpAddr,
    sent_at: Instant,
}

impl Permissions {
    /// The client sends to a host. `false` if there is no room for one more.
    pub(super) fn refresh(&mut self, now: Instant, ip: IpAddr) -> bool {
        if let Ok(place) = self.place(ip) {
            self.hosts[place].sent_at = now;
            return true;
        }
        if self.hosts.len() >= MAX_PERMISSIONS && !self.make_room(now) {
            return false;
        }
        // Where it goes may have changed.
        let (Ok(place) | Err(place)) = self.place(ip);
        self.hosts.insert(place, Host { ip, sent_at: now });
        true
    }

    fn make_room(&mut self, now: Instant) -> bool {
        let oldest = self.hosts.iter().enumerate();
        let oldest = oldest.min_by_key(|(_, host)| host.sent_at);
        match oldest {
            Some((place, host)) if host.sent_at + KEPT_FOR <= now => {
                self.hosts.remove(place);
                true
            }
            _ => false,
        }
    }

    /// Whether a host may send to the client.
    pub(super) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        let host = self.place(ip).ok().map(|place| &self.hosts[place]);
        host.is_some_and(|host| now < host.sent_at + PERMISSION_LIFETIME)
    }

    /// Where a host is, or would be.
    fn place(&self, ip: IpAddr) -> Result<usize, usize> {
        self.hosts.binary_search_by_key(&ip, |host| host.ip)
    }
}

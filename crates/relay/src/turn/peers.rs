//! Which peers the server lets through, and by which numbers it knows them (RFC 8656 sections 9 and 12).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use web_time::Instant;

/// A permission is good for five minutes (RFC 8656 section 9); it is renewed a minute before.
const PERMISSION_REFRESH: Duration = Duration::from_secs(240);
/// A channel is good for ten minutes (RFC 8656 section 12), the permission in it for five.
const CHANNEL_REFRESH: Duration = Duration::from_secs(240);
/// The most hosts that are let through at a time: as many as a peer may name candidates, twice. For one more the least recently
/// used is let go of: not renewed, and what it sends is dropped. A peer that has moved often has named many.
pub(super) const MAX_PERMISSIONS: usize = 64;
/// But not one that was used so recently: a peer that names others without end has its relay asked for seven hosts a second at
/// most. A path that is being looked for is used each second.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// The most channels: a call uses one, and another when its path changes.
pub(super) const MAX_CHANNELS: usize = 8;
/// The first number of a channel (RFC 8656 section 12).
const FIRST_CHANNEL: u16 = 0x4000;

/// What the server said of a host or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing yet.
    Asked,
    /// Granted; to be renewed then.
    Granted { renew_at: Instant },
    /// Refused for good: it would be again.
    Refused,
}

/// A host, and whether it is let through.
#[derive(Clone, Copy, Debug)]
struct Permission {
    standing: Standing,
    /// When it was asked for, or a packet went to it.
    used_at: Instant,
}

/// What the server lets through.
#[derive(Debug, Default)]
pub(super) struct Peers {
    permissions: BTreeMap<IpAddr, Permission>,
    channels: BTreeMap<SocketAddr, (u16, Standing)>,
}

impl Peers {
    /// Whether the server is to be asked about a host that was not there before. Where there is room for no more, the least
    /// recently used goes.
    pub(super) fn add_permission(&mut self, now: Instant, ip: IpAddr) -> bool {
        if let Some(permission) = self.permissions.get_mut(&ip) {
            permission.used_at = now;
            return false;
        }
        if self.permissions.len() >= MAX_PERMISSIONS && !self.make_room(now) {
            return false;
        }
        let standing = Standing::Asked;
        let used_at = now;
        self.permissions
            .insert(ip, Permission { standing, used_at });
        true
    }

    fn make_room(&mut self, now: Instant) -> bool {
        let all = self.permissions.iter();
        let oldest = all.min_by_key(|(_, permission)| permission.used_at);
        let oldest = oldest.map(|(ip, permission)| (*ip, permission.used_at));
        let Some((ip, _)) = oldest.filter(|(_, used)| *used + KEPT_FOR <= now) else {
            return false;
        };
        self.permissions.remove(&ip);
        true
    }

    /// Whether packets may go to and come from a host: the server lets it through, or has not said so yet.
    pub(super) fn is_asked_for(&self, ip: IpAddr) -> bool {
        let standing = self.standing(ip);
        standing.is_some_and(|standing| standing != Standing::Refused)
    }

    /// Whether the server lets a host through.
    pub(super) fn is_permitted(&self, ip: IpAddr) -> bool {
        matches!(self.standing(ip), Some(Standing::Granted { .. }))
    }

    /// What the server said of a host; `None` while it has said nothing.
    pub(super) fn permits(&self, ip: IpAddr) -> Option<bool> {
        match self.standing(ip)? {
            Standing::Asked => None,
            Standing::Granted { .. } => Some(true),
            Standing::Refused => Some(false),
        }
    }

    pub(super) fn permission_granted(&mut self, now: Instant, ip: IpAddr) {
        let renew_at = now + PERMISSION_REFRESH;
        self.set(ip, Standing::Granted { renew_at });
    }

    pub(super) fn permission_refused(&mut self, ip: IpAddr) {
        self.set(ip, Standing::Refused);
    }

    /// The server did not answer: whoever sends there asks again.
    pub(super) fn permission_unanswered(&mut self, ip: IpAddr) {
        self.permissions.remove(&ip);
    }

    fn standing(&self, ip: IpAddr) -> Option<Standing> {
        self.permissions
            .get(&ip)
            .map(|permission| permission.standing)
    }

    /// Of one that was let go of meanwhile nothing is kept.
    fn set(&mut self, ip: IpAddr, standing: Standing) {
        if let Some(permission) = self.permissions.get_mut(&ip) {
            permission.standing = standing;
        }
    }

    /// Whether the server is to be asked for a number for a peer that had none.
    pub(super) fn add_channel(&mut self, peer: SocketAddr) -> bool {
        if self.channels.contains_key(&peer) || self.channels.len() >= MAX_CHANNELS {
            return false;
        }
        // A number that was once bound is not given to another peer before five more minutes (RFC 8656
        // section 12), so none is used twice.
        let number = FIRST_CHANNEL + self.channels.len() as u16;
        self.channels.insert(peer, (number, Standing::Asked));
        true
    }

    /// The number that is asked for, or has been granted.
    pub(super) fn channel_number(&self, peer: SocketAddr) -> Option<u16> {
        self.channels.get(&peer).map(|(number, _)| *number)
    }

    /// The number that stands for a peer, once the server has said so.
    pub(super) fn bound_number(&self, peer: SocketAddr) -> Option<u16> {
        match self.channels.get(&peer)? {
            (number, Standing::Granted { .. }) => Some(*number),
            (_, Standing::Asked | Standing::Refused) => None,
        }
    }

    /// For whom a number stands. The server may use it before its own answer has come.
    pub(super) fn peer_of(&self, number: u16) -> Option<SocketAddr> {
        let mut channels = self.channels.iter();
        channels
            .find(|(_, (bound, standing))| *bound == number && *standing != Standing::Refused)
            .map(|(peer, _)| *peer)
    }

    pub(super) fn channel_granted(&mut self, now: Instant, peer: SocketAddr) {
        if let Some((_, standing)) = self.channels.get_mut(&peer) {
            let renew_at = now + CHANNEL_REFRESH;
            *standing = Standing::Granted { renew_at };
            // Binding a channel permits its host, too (RFC 8656 section 12.2).
            self.permission_granted(now, peer.ip());
        }
    }

    /// Refused, or not answered: packets go the longer way.
    pub(super) fn channel_refused(&mut self, peer: SocketAddr) {
        if let Some((_, standing)) = self.channels.get_mut(&peer) {
            *standing = Standing::Refused;
        }
    }

    /// When [`due`](Self::due) has something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let permissions = self.permissions.values();
        let permissions = permissions.map(|permission| &permission.standing);
        let channels = self.channels.values().map(|(_, standing)| standing);
        permissions
            .chain(channels)
            .filter_map(|standing| match standing {
                Standing::Granted { renew_at } => Some(*renew_at),
                Standing::Asked | Standing::Refused => None,
            })
            .min()
    }

    /// The hosts and peers to be asked for again. They count as granted on, for the next while.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<IpAddr>, Vec<SocketAddr>) {
        let is_due = |standing: &mut Standing| match standing {
            Standing::Granted { renew_at } if *renew_at <= now => {
                *renew_at = now + PERMISSION_REFRESH;
                true
            }
            Standing::Granted { .. } | Standing::Asked | Standing::Refused => false,
        };
        let permissions = self.permissions.iter_mut();
        let ips = permissions
            .filter_map(|(ip, permission)| is_due(&mut permission.standing).then_some(*ip))
            .collect();
        let channels = self.channels.iter_mut();
        let peers = channels
            .filter_map(|(peer, (_, standing))| is_due(standing).then_some(*peer))
            .collect();
        (ips, peers)
    }
}

//! What devices say of which no member event told yet: state and device events take different ways.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId};
use web_time::Instant;

use super::Participant;
use crate::wire::group_room::{GroupSignal, SessionId};

/// How long it is kept. Whoever calls has joined before, so its member event is on its way.
pub const EARLY_PATIENCE: Duration = Duration::from_secs(15);
/// The most devices whose events are kept. Anybody on any server can send some.
pub const MAX_EARLY_DEVICES: usize = 16;
/// The most events of one of them.
pub const MAX_EARLY_SIGNALS: usize = 16;

type Key = (MatrixId, DeviceId, Option<SessionId>);

/// Events of devices that are not known to be in the call.
#[derive(Clone, Debug, Default)]
pub(super) struct Early(BTreeMap<Key, (Instant, Vec<GroupSignal>)>);

impl Early {
    /// Keeps one; gives whether there was room.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        (user, device): (&MatrixId, &DeviceId),
        signal: GroupSignal,
    ) -> bool {
        let key = (
            user.clone(),
            device.clone(),
            signal.route.from_session.clone(),
        );
        if self.0.len() >= MAX_EARLY_DEVICES && !self.0.contains_key(&key) {
            return false;
        }
        let (_, signals) = self
            .0
            .entry(key)
            .or_insert((now + EARLY_PATIENCE, Vec::new()));
        let has_room = signals.len() < MAX_EARLY_SIGNALS;
        if has_room {
            signals.push(signal);
        }
        has_room
    }

    /// What a device said that is known now.
    pub(super) fn take(&mut self, peer: &Participant) -> Vec<GroupSignal> {
        let sessions = [Some(peer.session_id.clone()), None];
        let keys = sessions.map(|session| (peer.user.clone(), peer.device_id.clone(), session));
        let taken = keys.iter().filter_map(|key| self.0.remove(key));
        taken.flat_map(|(_, signals)| signals).collect()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.0.retain(|_, (until, _)| *until > now);
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.0.values().map(|(until, _)| *until).min()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

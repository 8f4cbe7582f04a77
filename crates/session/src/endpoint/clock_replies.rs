//! Who was told that our clock and theirs differ: contacts only, and each rarely.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_crypto::IdentityKey;
use web_time::Instant;

/// How long a caller is not told again. Whoever has kept an old invite of a contact can find out that often whether this device is
/// on line, which its homeserver knows anyhow.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The most contacts remembered; beyond them nobody is told.
const CAPACITY: usize = 256;

#[derive(Default)]
pub(super) struct ClockReplies {
    told_at: BTreeMap<[u8; 32], Instant>,
}

impl ClockReplies {
    /// Whether a contact may be told now; then it counts as told.
    pub(super) fn may_tell(&mut self, now: Instant, contact: &IdentityKey) -> bool {
        self.told_at
            .retain(|_, at| now.saturating_duration_since(*at) < INTERVAL);
        let may = self.told_at.len() < CAPACITY && !self.told_at.contains_key(contact.as_bytes());
        if may {
            self.told_at.insert(*contact.as_bytes(), now);
        }
        may
    }
}

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

#[cfg(test)]
mod tests {
    use securecall_crypto::{IdentityKeyPair, IdentitySeed};

    use super::*;

    fn contact(number: usize) -> IdentityKey {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        IdentityKeyPair::from_seed(&IdentitySeed::from_bytes(seed)).public()
    }

    #[test]
    fn each_contact_is_told_once_in_ten_minutes_and_no_more_than_there_is_room_for() {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an origin, and any will do"
        )]
        let start = Instant::now();
        let mut replies = ClockReplies::default();
        for number in 0..CAPACITY {
            assert!(replies.may_tell(start, &contact(number)));
        }
        assert!(!replies.may_tell(start, &contact(CAPACITY)));
        let almost = start + INTERVAL - Duration::from_millis(1);
        assert!(!replies.may_tell(almost, &contact(0)));
        assert!(replies.may_tell(start + INTERVAL, &contact(0)));
        assert!(!replies.may_tell(start + INTERVAL, &contact(0)));
    }
}

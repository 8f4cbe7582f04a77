//! The invites that were taken: no invite rings twice, not even after a restart (DESIGN 4, freshness).

use std::collections::BTreeMap;
use std::time::Duration;

/// How far an invite's time may be from our clock.
pub(crate) const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5 * 60);
/// How long after its time an invite is remembered: longer than it could be taken.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// The most invites remembered: 160 KiB on disk at worst, and one every 150 ms for 10 minutes.
pub(crate) const CAPACITY: usize = 4096;
/// The most of them before strangers are refused; the rest is for contacts.
pub(crate) const STRANGER_CAPACITY: usize = 3072;

const VERSION: u8 = 1;
const ENTRY: usize = 32 + 8;

/// The ephemeral keys of the invites that were taken, until they are too old to be taken anyhow.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayMemory {
    /// Ephemeral key → when to forget it, in milliseconds since the Unix epoch.
    until: BTreeMap<[u8; 32], u64>,
}

/// Why an invite is not remembered, and so not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRemembered {
    /// It was taken before.
    Replayed,
    /// There is no room for it.
    Full,
}

/// Why stored bytes are not a replay memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayMemoryError {
    /// Written by a newer version.
    #[error("the replay memory is of version {0}, this is version {VERSION}")]
    Version(u8),
    /// Not whole.
    #[error("the replay memory is damaged")]
    Damaged,
}

impl ReplayMemory {
    /// Restores what [`ReplayMemory::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ReplayMemoryError> {
        let (version, entries) = bytes.split_first().ok_or(ReplayMemoryError::Damaged)?;
        if *version != VERSION {
            return Err(ReplayMemoryError::Version(*version));
        }
        if !entries.len().is_multiple_of(ENTRY) || entries.len() > CAPACITY * ENTRY {
            return Err(ReplayMemoryError::Damaged);
        }
        let entry = |entry: &[u8]| {
            let (key, until) = entry.split_first_chunk::<32>()?;
            Some((*key, u64::from_be_bytes(until.try_into().ok()?)))
        };
        let until = entries.chunks_exact(ENTRY).filter_map(entry).collect();
        Ok(Self { until })
    }

    /// Everything, to be stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.until.len() * ENTRY);
        bytes.push(VERSION);
        for (key, until) in &self.until {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&until.to_be_bytes());
        }
        bytes
    }

    /// Remembers an invite that is about to be taken.
    pub(crate) fn remember(
        &mut self,
        wallclock_ms: u64,
        ephemeral: [u8; 32],
        sent_at: u64,
        stranger: bool,
    ) -> Result<(), NotRemembered> {
        self.until.retain(|_, until| *until > wallclock_ms);
        if self.until.contains_key(&ephemeral) {
            return Err(NotRemembered::Replayed);
        }
        let capacity = if stranger {
            STRANGER_CAPACITY
        } else {
            CAPACITY
        };
        if self.until.len() >= capacity {
            return Err(NotRemembered::Full);
        }
        self.until
            .insert(ephemeral, sent_at.saturating_add(millis(REMEMBERED)));
        Ok(())
    }
}

/// Whether an invite's time is near enough to ours.
pub(crate) fn is_fresh(wallclock_ms: u64, sent_at: u64) -> bool {
    wallclock_ms.abs_diff(sent_at) <= millis(MAX_CLOCK_DIFFERENCE)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn an_invite_is_taken_once_and_forgotten_only_when_it_is_too_old_to_be_taken() {
        let mut memory = ReplayMemory::default();
        let latest_time = NOW + millis(MAX_CLOCK_DIFFERENCE);
        assert_eq!(memory.remember(NOW, key(1), latest_time, false), Ok(()));
        assert_eq!(
            memory.remember(NOW, key(1), latest_time, false),
            Err(NotRemembered::Replayed)
        );
        let forgotten = latest_time + millis(REMEMBERED);
        assert_eq!(
            memory.remember(forgotten - 1, key(1), latest_time, false),
            Err(NotRemembered::Replayed)
        );
        assert!(!is_fresh(forgotten, latest_time));
        assert_eq!(memory.remember(forgotten, key(2), forgotten, false), Ok(()));
        assert_eq!(memory.until.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_strangers_first_and_then_everybody() {
        let mut memory = ReplayMemory::default();
        for number in 0..STRANGER_CAPACITY {
            assert_eq!(memory.remember(NOW, key(number), NOW, true), Ok(()));
        }
        assert_eq!(
            memory.remember(NOW, key(9000), NOW, true),
            Err(NotRemembered::Full)
        );
        for number in STRANGER_CAPACITY..CAPACITY {
            assert_eq!(memory.remember(NOW, key(number), NOW, false), Ok(()));
        }
        assert_eq!(
            memory.remember(NOW, key(9000), NOW, false),
            Err(NotRemembered::Full)
        );
    }

    #[test]
    fn it_survives_a_restart() {
        let mut memory = ReplayMemory::default();
        memory.remember(NOW, key(1), NOW, false).unwrap();
        let mut restored = ReplayMemory::from_bytes(&memory.to_bytes()).unwrap();
        assert_eq!(
            restored.remember(NOW, key(1), NOW, false),
            Err(NotRemembered::Replayed)
        );
        assert_eq!(
            ReplayMemory::from_bytes(&[]).err(),
            Some(ReplayMemoryError::Damaged)
        );
        assert_eq!(
            ReplayMemory::from_bytes(&[2]).err(),
            Some(ReplayMemoryError::Version(2))
        );
        assert_eq!(
            ReplayMemory::from_bytes(&[1, 0]).err(),
            Some(ReplayMemoryError::Damaged)
        );
    }
}

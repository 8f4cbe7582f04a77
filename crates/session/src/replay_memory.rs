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
/// The most of one identity: nobody else's calls are lost because one person calls without end.
pub(crate) const CAPACITY_OF_ONE: usize = 64;

const VERSION: u8 = 1;
const ENTRY: usize = 32 + 8;

/// The ephemeral keys of the invites that were taken, until they are too old to be taken anyhow.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayMemory {
    taken: BTreeMap<[u8; 32], Taken>,
}

/// An invite that was taken; by its ephemeral key.
#[derive(Clone, Debug)]
struct Taken {
    /// When to forget it, in milliseconds since the Unix epoch.
    until: u64,
    /// Who sent it. Not stored: the file must not say who called.
    identity: Option<[u8; 32]>,
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
        match *version {
            VERSION => {}
            0 => return Err(ReplayMemoryError::Damaged),
            newer => return Err(ReplayMemoryError::Version(newer)),
        }
        if !entries.len().is_multiple_of(ENTRY) || entries.len() > CAPACITY * ENTRY {
            return Err(ReplayMemoryError::Damaged);
        }
        let entry = |entry: &[u8]| {
            let (key, until) = entry.split_first_chunk::<32>()?;
            let until = u64::from_be_bytes(until.try_into().ok()?);
            let identity = None;
            Some((*key, Taken { until, identity }))
        };
        let taken = entries.chunks_exact(ENTRY).filter_map(entry).collect();
        Ok(Self { taken })
    }

    /// Everything, to be stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.taken.len() * ENTRY);
        bytes.push(VERSION);
        for (key, taken) in &self.taken {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&taken.until.to_be_bytes());
        }
        bytes
    }

    /// Remembers an invite that is about to be taken.
    pub(crate) fn remember(
        &mut self,
        wallclock_ms: u64,
        ephemeral: [u8; 32],
        sent_at: u64,
        identity: &[u8; 32],
        stranger: bool,
    ) -> Result<(), NotRemembered> {
        self.taken.retain(|_, taken| taken.until > wallclock_ms);
        if self.taken.contains_key(&ephemeral) {
            return Err(NotRemembered::Replayed);
        }
        let capacity = if stranger {
            STRANGER_CAPACITY
        } else {
            CAPACITY
        };
        let same = |taken: &&Taken| taken.identity.as_ref() == Some(identity);
        if self.taken.len() >= capacity
            || self.taken.values().filter(same).count() >= CAPACITY_OF_ONE
        {
            return Err(NotRemembered::Full);
        }
        let until = sent_at.saturating_add(millis(REMEMBERED));
        let identity = Some(*identity);
        self.taken.insert(ephemeral, Taken { until, identity });
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
        assert_eq!(
            memory.remember(NOW, key(1), latest_time, &key(9000), false),
            Ok(())
        );
        assert_eq!(
            memory.remember(NOW, key(1), latest_time, &key(9000), false),
            Err(NotRemembered::Replayed)
        );
        let forgotten = latest_time + millis(REMEMBERED);
        assert_eq!(
            memory.remember(forgotten - 1, key(1), latest_time, &key(9000), false),
            Err(NotRemembered::Replayed)
        );
        assert!(!is_fresh(forgotten, latest_time));
        assert_eq!(
            memory.remember(forgotten, key(2), forgotten, &key(9000), false),
            Ok(())
        );
        assert_eq!(memory.taken.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_strangers_first_and_then_everybody() {
        let mut memory = ReplayMemory::default();
        for number in 0..STRANGER_CAPACITY {
            assert_eq!(
                memory.remember(NOW, key(number), NOW, &key(number / 64), true),
                Ok(())
            );
        }
        assert_eq!(
            memory.remember(NOW, key(9000), NOW, &key(9000), true),
            Err(NotRemembered::Full)
        );
        for number in STRANGER_CAPACITY..CAPACITY {
            assert_eq!(
                memory.remember(NOW, key(number), NOW, &key(number / 64), false),
                Ok(())
            );
        }
        assert_eq!(
            memory.remember(NOW, key(9000), NOW, &key(9000), false),
            Err(NotRemembered::Full)
        );
    }

    #[test]
    fn one_identity_fills_no_more_than_its_share() {
        let mut memory = ReplayMemory::default();
        let (one, other) = (key(1), key(2));
        for number in 0..CAPACITY_OF_ONE {
            let taken = memory.remember(NOW, key(number), NOW, &one, false);
            assert_eq!(taken, Ok(()));
        }
        assert_eq!(
            memory.remember(NOW, key(900), NOW, &one, false),
            Err(NotRemembered::Full)
        );
        assert_eq!(memory.remember(NOW, key(900), NOW, &other, true), Ok(()));
    }

    #[test]
    fn it_survives_a_restart() {
        let mut memory = ReplayMemory::default();
        memory
            .remember(NOW, key(1), NOW, &key(9000), false)
            .unwrap();
        let mut restored = ReplayMemory::from_bytes(&memory.to_bytes()).unwrap();
        assert_eq!(
            restored.remember(NOW, key(1), NOW, &key(9000), false),
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
            ReplayMemory::from_bytes(&[0]).err(),
            Some(ReplayMemoryError::Damaged)
        );
        assert_eq!(
            ReplayMemory::from_bytes(&[1, 0]).err(),
            Some(ReplayMemoryError::Damaged)
        );
    }
}

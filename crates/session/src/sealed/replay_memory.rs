//! The invites that were taken: no invite rings twice, not even after a restart (`docs/protocol/signaling.md`).

use std::collections::BTreeMap;
use std::time::Duration;

use web_time::Instant;

/// How far an invite's time may be from our clock.
pub(crate) const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5 * 60);
/// How long after its time an invite is remembered, and how long after it was taken: longer than it could be taken. Both must be over, the one by
/// the clock of the wall, the other by the clock that only goes forward: a wall clock that jumps ahead and back makes nothing forgotten.
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
    /// When the wall clock says to forget it, in milliseconds since the Unix epoch.
    until: u64,
    /// When it was taken, or was first looked at after it was read from disk.
    since: Option<Instant>,
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
            let taken = Taken {
                until,
                since: None,
                identity: None,
            };
            Some((*key, taken))
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
        now: Instant,
        wallclock_ms: u64,
        ephemeral: [u8; 32],
        sent_at: u64,
        identity: &[u8; 32],
        stranger: bool,
    ) -> Result<(), NotRemembered> {
        // First, so that nobody is refused for want of room that is free.
        self.forget(now, |taken| taken.until <= wallclock_ms);
        if self.taken.contains_key(&ephemeral) {
            return Err(NotRemembered::Replayed);
        }
        let capacity = if stranger {
            STRANGER_CAPACITY
        } else {
            CAPACITY
        };
        if self.taken.len() >= capacity {
            // Taken while the wall clock was far ahead. By today's clock nobody could send them again, and they must not be in the way for years.
            self.forget(now, |taken| !could_be_taken(wallclock_ms, taken));
        }
        let same = |taken: &&Taken| taken.identity.as_ref() == Some(identity);
        if self.taken.len() >= capacity
            || self.taken.values().filter(same).count() >= CAPACITY_OF_ONE
        {
            return Err(NotRemembered::Full);
        }
        let until = sent_at.saturating_add(millis(REMEMBERED));
        let taken = Taken {
            until,
            since: Some(now),
            identity: Some(*identity),
        };
        self.taken.insert(ephemeral, taken);
        Ok(())
    }

    /// Forgets what has been here for long, of that which `is_past` says so of.
    fn forget(&mut self, now: Instant, is_past: impl Fn(&Taken) -> bool) {
        self.taken.retain(|_, taken| {
            let since = *taken.since.get_or_insert(now);
            now.saturating_duration_since(since) <= REMEMBERED || !is_past(taken)
        });
    }
}

/// Whether an invite of which we have not forgotten that it is past could come again, as far as the wall clock knows.
fn could_be_taken(wallclock_ms: u64, taken: &Taken) -> bool {
    let sent_at = taken.until.saturating_sub(millis(REMEMBERED));
    sent_at <= wallclock_ms.saturating_add(millis(MAX_CLOCK_DIFFERENCE))
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
    const YEAR: u64 = 365 * 24 * 3600 * 1000;

    /// A replay memory and the two clocks of its machine.
    struct Machine {
        memory: ReplayMemory,
        now: Instant,
        wallclock_ms: u64,
    }

    impl Machine {
        fn new() -> Self {
            #[expect(
                clippy::disallowed_methods,
                reason = "virtual time needs an origin, and any will do"
            )]
            let now = Instant::now();
            Self {
                memory: ReplayMemory::default(),
                now,
                wallclock_ms: NOW,
            }
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
            self.wallclock_ms += millis(time);
        }

        fn restart(&mut self) {
            self.memory = ReplayMemory::from_bytes(&self.memory.to_bytes()).unwrap();
        }

        /// A contact's invite of now.
        fn take(&mut self, invite: usize) -> Result<(), NotRemembered> {
            self.take_sent_at(invite, self.wallclock_ms)
        }

        fn take_sent_at(&mut self, invite: usize, sent_at: u64) -> Result<(), NotRemembered> {
            self.take_from(invite, sent_at, &key(9000 + invite / 64), false)
        }

        fn take_from(
            &mut self,
            invite: usize,
            sent_at: u64,
            identity: &[u8; 32],
            stranger: bool,
        ) -> Result<(), NotRemembered> {
            let (now, wallclock_ms) = (self.now, self.wallclock_ms);
            self.memory
                .remember(now, wallclock_ms, key(invite), sent_at, identity, stranger)
        }
    }

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn an_invite_is_taken_once_and_forgotten_only_when_it_is_too_old_to_be_taken() {
        let mut machine = Machine::new();
        let latest_time = NOW + millis(MAX_CLOCK_DIFFERENCE);
        assert_eq!(machine.take_sent_at(1, latest_time), Ok(()));
        let replayed = Err(NotRemembered::Replayed);
        assert_eq!(machine.take_sent_at(1, latest_time), replayed);
        machine.pass(MAX_CLOCK_DIFFERENCE + REMEMBERED - Duration::from_millis(1));
        assert_eq!(machine.take_sent_at(1, latest_time), replayed);
        machine.pass(Duration::from_millis(1));
        assert!(!is_fresh(machine.wallclock_ms, latest_time));
        assert_eq!(machine.take(2), Ok(()));
        assert_eq!(machine.memory.taken.len(), 1);
    }

    #[test]
    fn a_wall_clock_that_jumps_ahead_and_back_makes_nothing_forgotten() {
        for restarts in [false, true] {
            let mut machine = Machine::new();
            assert_eq!(machine.take(1), Ok(()));
            machine.pass(Duration::from_secs(60));
            if restarts {
                machine.restart();
            }
            machine.wallclock_ms += YEAR;
            assert_eq!(machine.take(2), Ok(()));
            if restarts {
                machine.restart();
            }
            machine.wallclock_ms -= YEAR;
            machine.pass(Duration::from_secs(60));
            assert!(is_fresh(machine.wallclock_ms, NOW));
            let again = machine.take_sent_at(1, NOW);
            assert_eq!(again, Err(NotRemembered::Replayed), "restarts: {restarts}");
        }
    }

    #[test]
    fn time_that_passes_while_the_wall_clock_stands_makes_nothing_forgotten() {
        let mut machine = Machine::new();
        assert_eq!(machine.take(1), Ok(()));
        machine.now += 3 * REMEMBERED;
        assert!(is_fresh(machine.wallclock_ms, NOW));
        assert_eq!(machine.take(1), Err(NotRemembered::Replayed));
    }

    #[test]
    fn what_was_taken_under_a_clock_far_ahead_is_kept_until_there_is_need_of_room() {
        let mut machine = Machine::new();
        machine.wallclock_ms += YEAR;
        for invite in 0..CAPACITY {
            assert_eq!(machine.take(invite), Ok(()));
        }
        machine.wallclock_ms -= YEAR;
        assert_eq!(machine.take(9000), Err(NotRemembered::Full));
        machine.pass(REMEMBERED + Duration::from_millis(1));
        assert_eq!(machine.take(9000), Ok(()));
        assert_eq!(machine.memory.taken.len(), 1);
    }

    #[test]
    fn what_could_come_again_makes_no_room() {
        let mut machine = Machine::new();
        for invite in 0..CAPACITY {
            assert_eq!(machine.take(invite), Ok(()));
        }
        // A full memory survives a restart whole.
        machine.restart();
        assert_eq!(machine.memory.taken.len(), CAPACITY);
        assert_eq!(machine.take(9000), Err(NotRemembered::Full));
        machine.now += 3 * REMEMBERED;
        assert_eq!(machine.take(9000), Err(NotRemembered::Full));
        assert_eq!(machine.take(0), Err(NotRemembered::Replayed));
    }

    #[test]
    fn a_full_memory_refuses_strangers_first_and_then_everybody() {
        let mut machine = Machine::new();
        for invite in 0..STRANGER_CAPACITY {
            let taken = machine.take_from(invite, NOW, &key(invite / 64), true);
            assert_eq!(taken, Ok(()));
        }
        let (full, stranger) = (Err(NotRemembered::Full), key(9000));
        assert_eq!(machine.take_from(9000, NOW, &stranger, true), full);
        for invite in STRANGER_CAPACITY..CAPACITY {
            assert_eq!(machine.take(invite), Ok(()));
        }
        assert_eq!(machine.take(9000), full);
        // Time makes room, if it passes on both clocks.
        machine.wallclock_ms += millis(REMEMBERED);
        assert_eq!(machine.take(9000), full);
        machine.now += REMEMBERED + Duration::from_millis(1);
        assert_eq!(machine.take(9000), Ok(()));
        assert_eq!(machine.memory.taken.len(), 1);
    }

    #[test]
    fn one_identity_fills_no_more_than_its_share() {
        let mut machine = Machine::new();
        let (one, other) = (key(1), key(2));
        for invite in 0..CAPACITY_OF_ONE {
            assert_eq!(machine.take_from(invite, NOW, &one, false), Ok(()));
        }
        let full = Err(NotRemembered::Full);
        assert_eq!(machine.take_from(900, NOW, &one, false), full);
        assert_eq!(machine.take_from(900, NOW, &other, true), Ok(()));
    }

    #[test]
    fn it_survives_a_restart() {
        let mut machine = Machine::new();
        machine.take(1).unwrap();
        machine.restart();
        assert_eq!(machine.take(1), Err(NotRemembered::Replayed));
        for (bytes, error) in [
            (&[][..], ReplayMemoryError::Damaged),
            (&[2], ReplayMemoryError::Version(2)),
            (&[0], ReplayMemoryError::Damaged),
            (&[1, 0], ReplayMemoryError::Damaged),
            (&[1; 1 + (CAPACITY + 1) * ENTRY], ReplayMemoryError::Damaged),
        ] {
            assert_eq!(ReplayMemory::from_bytes(bytes).err(), Some(error));
        }
    }
}

//! Days, as limits and records count them.

use securecall_ghostnet::UnixTime;

/// A day of UTC, counted from 1970-01-01: what limits and records go by. No record says the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) i64);

impl Day {
    const SECONDS: u64 = 24 * 60 * 60;

    /// The day of a time.
    pub(crate) fn of(time: UnixTime) -> Self {
        Self(
            (time.as_secs() / Self::SECONDS)
                .try_into()
                .unwrap_or(i64::MAX),
        )
    }
}

/// `2026-11-28`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = u64::try_from(self.0)
            .unwrap_or(0)
            .saturating_mul(Self::SECONDS);
        let text = UnixTime::from_secs(seconds).to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_utc() {
        assert_eq!(Day::of(UnixTime::from_secs(86_399)), Day(0));
        assert_eq!(Day::of(UnixTime::from_secs(86_400)), Day(1));
        assert_eq!(Day(20_785).to_string(), "2026-11-28");
    }
}

//! Times of day, as directories, keys and tokens have them.

use std::fmt;

/// A time of day: seconds since 1970-01-01 00:00 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From seconds since 1970.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// So many seconds later, or the end of time.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// How many seconds ago this was, as of `now`; 0 when it is yet to come.
    pub const fn secs_until(self, now: Self) -> u64 {
        now.0.saturating_sub(self.0)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil_date(days);
        let (hour, minute) = (rest / 3_600, rest / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// The Gregorian date so many days after 1970-01-01. Years are counted from March, so that a leap day is the last of its year.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // 0000-03-01 is 719,468 days before 1970-01-01.
    let since_march_0 = days + 719_468;
    let day_of_era = since_march_0 % DAYS_OF_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + since_march_0 / DAYS_OF_400_YEARS * 400 + (month <= 2) as u64;
    (year, month, day)
}

/// From when until when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Validity {
    /// From the first time on, and no longer at the second. `None` where nothing is between them.
    pub fn new(not_before: UnixTime, not_after: UnixTime) -> Option<Self> {
        (not_before < not_after).then_some(Self {
            not_before,
            not_after,
        })
    }

    /// The first moment at which it holds.
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The first moment at which it holds no longer.
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether it holds.
    pub fn contains(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(UnixTime::from_secs(seconds).to_string(), text);
        }
        // Whatever a file says can be shown.
        assert!(!UnixTime::from_secs(u64::MAX).to_string().is_empty());
    }

    #[test]
    fn a_validity_has_its_beginning_and_not_its_end() {
        let at = UnixTime::from_secs;
        let validity = Validity::new(at(10), at(20)).unwrap();
        for (now, holds) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(validity.contains(at(now)), holds, "{now}");
        }
        assert_eq!(Validity::new(at(10), at(10)), None);
    }
}

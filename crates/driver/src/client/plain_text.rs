//! How often the program hears that messages in plain text were refused: anybody can send any number of them.

use std::time::Duration;

use web_time::Instant;

/// At most one report in this time.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct PlainTextReports {
    told_at: Option<Instant>,
    /// Refused since then.
    untold: u64,
}

impl PlainTextReports {
    /// Counts a refused message; whether to say so now.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.untold += 1;
        let waits = |at: Instant| now.saturating_duration_since(at) < INTERVAL;
        if self.told_at.is_some_and(waits) {
            return false;
        }
        tracing::warn!(
            messages = self.untold,
            "refused messages that were not encrypted"
        );
        self.told_at = Some(now);
        self.untold = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_reported_once_a_minute() {
        let mut reports = PlainTextReports::default();
        let start = crate::clock::now();
        let told = (0..120_u64)
            .filter(|second| reports.is_due(start + Duration::from_secs(*second)))
            .collect::<Vec<_>>();
        assert_eq!(told, [0, 60]);
        assert_eq!(reports.untold, 59);
    }
}

//! One event of one process.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who dials.
    Caller,
    /// Who answers.
    Callee,
}

impl Side {
    /// Both, the caller first.
    pub(crate) const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    /// `caller` or `callee`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }

    /// Its place in a pair, the caller first.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Callee => 1,
        }
    }

    /// The side this one talks to.
    pub(crate) const fn peer(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// A line of `--json` output and when we read it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Whose it is.
    pub(crate) side: Side,
    /// When the line was read, in milliseconds since the Unix epoch.
    pub(crate) read_at_ms: f64,
    /// The object.
    pub(crate) event: Value,
}

impl Record {
    /// A line read now; `None` if it is no JSON object.
    pub(crate) fn read_now(side: Side, line: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        event.is_object().then(|| Self {
            side,
            read_at_ms: unix_ms(),
            event,
        })
    }

    /// The event's name, empty if it has none.
    pub(crate) fn name(&self) -> &str {
        self.text("event")
    }

    /// When it happened by the process's own word, in milliseconds since the Unix epoch; when we read it otherwise.
    pub(crate) fn at_ms(&self) -> f64 {
        // Anything smaller would be a clock that starts with the process, which two processes do not share.
        const YEAR_2001: f64 = 1e12;
        self.number("at_ms")
            .filter(|&at| at > YEAR_2001)
            .unwrap_or(self.read_at_ms)
    }

    /// A field that is a number.
    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        self.event[field].as_f64()
    }

    /// A field that is text, empty if it is not there.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.event[field].as_str().unwrap_or_default()
    }

    /// The event with the process's name, as a line of `events.jsonl`.
    pub(crate) fn tagged(&self) -> String {
        let mut object = json!({"process": self.side.name(), "read_at_ms": self.read_at_ms});
        if let (Some(object), Some(event)) = (object.as_object_mut(), self.event.as_object()) {
            object.extend(event.clone());
        }
        object.to_string()
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_own_clock_counts_only_if_it_is_the_worlds() {
        let shared =
            Record::read_now(Side::Caller, r#"{"event":"dialing","at_ms":1790000000000}"#).unwrap();
        let own = Record::read_now(Side::Caller, r#"{"event":"dialing","at_ms":312}"#).unwrap();
        assert_eq!(shared.at_ms(), 1_790_000_000_000.0);
        assert_eq!(own.at_ms(), own.read_at_ms);
    }

    #[test]
    fn a_tagged_line_keeps_every_field() {
        let record = Record::read_now(Side::Callee, r#"{"event":"muted","muted":true}"#).unwrap();
        let line: Value = serde_json::from_str(&record.tagged()).unwrap();
        assert_eq!(line["process"], "callee");
        assert_eq!(line["event"], "muted");
        assert_eq!(line["muted"], true);
    }

    #[test]
    fn what_is_no_object_is_no_event() {
        assert!(Record::read_now(Side::Caller, "17").is_none());
        assert!(Record::read_now(Side::Caller, "not json").is_none());
    }
}

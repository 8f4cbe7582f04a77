//! An event as a line of JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::event::Event;
use crate::harmless::Printable;

/// The event's fields, and when it was told.
pub(super) fn json_line(event: &Event) -> Printable {
    let mut value = serde_json::to_value(event).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        fields.insert("at_ms".to_owned(), wallclock_ms().into());
    }
    Printable::json(&value)
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "events carry the time of day")]
fn wallclock_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

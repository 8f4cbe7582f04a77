//! Reads the answer to a sync while it comes in, and keeps only what is for us.
//!
//! A homeserver, or anybody who writes to our device, decides what is in a sync and how long it is. So it is never held
//! as a whole: bytes go through a scanner that knows no more of JSON than where values begin and end. Our messages and
//! three small fields are cut out and read by a real parser, each within a bound of its own; everything else, and every
//! message beyond the bounds, is gone as soon as it has passed.

use std::collections::BTreeMap;

use ruma::{OneTimeKeyAlgorithm, UInt};
use serde::de::DeserializeOwned;

use crate::{
    rooms::{
        answer::{RoomsAnswer, RoomsReader},
        filter::SyncScope,
    },
    sync_scanner::{Cut, Field, SyncScanner, UnreadableSync},
    to_device::ToDevice,
};

/// Events kept of one answer. A server hands out a hundred at a time.
const MAX_EVENTS: usize = 512;

/// What the kept events of one answer may take together: a hundred of the longest fit.
const MAX_EVENTS_SIZE: usize = 8 * 1024 * 1024;

/// How many one-time keys a homeserver has left of ours, by algorithm.
type KeyCounts = BTreeMap<OneTimeKeyAlgorithm, UInt>;

/// What is kept of the answer to one sync.
#[derive(Debug, Default)]
pub(crate) struct SyncAnswer {
    /// Where the next sync is to begin.
    pub(crate) next_batch: String,
    /// What is for us, in its order.
    pub(crate) events: Vec<ToDevice>,
    /// How many events there were, whatever they were.
    pub(crate) received: usize,
    /// How many of them were too long, or too many.
    pub(crate) dropped: usize,
    /// The one-time keys that are left.
    pub(crate) key_counts: KeyCounts,
    /// The fallback keys that nobody has used, if the server has such.
    pub(crate) unused_fallback_keys: Option<Vec<OneTimeKeyAlgorithm>>,
    /// What is of rooms, if it was asked for.
    pub(crate) rooms: RoomsAnswer,
    /// Whether events of calls from device to device are for us.
    pub(crate) takes_calls: bool,
}

/// Reads an answer. Bytes go in with [`read`](Self::read), in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct SyncReader {
    scanner: SyncScanner,
    read: ReadSoFar,
}

#[derive(Debug, Default)]
struct ReadSoFar {
    next_batch: Option<String>,
    answer: SyncAnswer,
    /// What [`SyncAnswer::events`] take.
    size: usize,
    rooms: Option<RoomsReader>,
}

impl SyncReader {
    /// For the answer to a sync that asks for this.
    pub(crate) fn new(scope: SyncScope<'_>) -> Self {
        let SyncScope::Rooms(scope) = scope else {
            return Self::default();
        };
        let mut reader = Self {
            scanner: SyncScanner::with_rooms(),
            ..Self::default()
        };
        reader.read.answer.takes_calls = !scope.followed.is_empty();
        reader.read.rooms = Some(RoomsReader::new(scope));
        reader
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// When this is not JSON, or nested too deeply.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), UnreadableSync> {
        let Self { scanner, read } = self;
        scanner.read(bytes, |cut| read.take(&cut))
    }

    /// All bytes are in.
    ///
    /// # Errors
    ///
    /// When that is not a whole answer.
    pub(crate) fn finish(self) -> Result<SyncAnswer, UnreadableSync> {
        match self.read.next_batch {
            Some(next_batch) if self.scanner.is_whole() => Ok(SyncAnswer {
                next_batch,
                rooms: self.read.rooms.map(RoomsReader::finish).unwrap_or_default(),
                ..self.read.answer
            }),
            _ => Err(UnreadableSync),
        }
    }
}

impl ReadSoFar {
    fn take(&mut self, cut: &Cut) -> Result<(), UnreadableSync> {
        match cut.field {
            Field::Event => self.take_event(cut),
            // One that is too long ends nowhere, which no parser takes.
            Field::NextBatch => self.next_batch = Some(parse(&cut.bytes)?),
            Field::KeyCounts => self.answer.key_counts = parse(&cut.bytes)?,
            Field::UnusedFallbackKeys => self.answer.unused_fallback_keys = parse(&cut.bytes)?,
            Field::Room(_) | Field::RoomEvent(_) | Field::Limited => {
                if let Some(rooms) = &mut self.rooms {
                    rooms.take(cut);
                }
            }
        }
        Ok(())
    }

    fn take_event(&mut self, cut: &Cut) {
        self.answer.received += 1;
        let has_room =
            self.answer.events.len() < MAX_EVENTS && self.size + cut.bytes.len() <= MAX_EVENTS_SIZE;
        if cut.is_too_long || !has_room {
            self.answer.dropped += 1;
        } else if let Some(event) = ToDevice::read(&cut.bytes, self.answer.takes_calls) {
            self.size += cut.bytes.len();
            self.answer.events.push(event);
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnreadableSync> {
    serde_json::from_slice(bytes).map_err(|_| UnreadableSync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync_scanner::{MAX_EVENT, MAX_FIELD};

    fn read(text: &str) -> Result<SyncAnswer, UnreadableSync> {
        let mut reader = SyncReader::default();
        reader.read(text.as_bytes())?;
        reader.finish()
    }

    fn encrypted(filler: &str) -> String {
        format!(
            r#"{{"type":"m.room.encrypted","sender":"@a:b.test","content":{{"algorithm":"m.olm.v1.curve25519-aes-sha2","x":"{filler}"}}}}"#
        )
    }

    fn with_events(events: &[String]) -> String {
        format!(
            r#"{{"next_batch":"s1","to_device":{{"events":[{}]}}}}"#,
            events.join(",")
        )
    }

    #[test]
    fn what_is_for_us_is_found_wherever_it_stands() {
        let text = format!(
            r#" {{ "rooms" : {{"join":{{"next_batch":"no","to_device":{{"events":[1]}}}}}},
            "device_one_time_keys_count":{{"signed_curve25519":50}}, "a":[], "b":[{{}},[[]],-1.5e3,null,"\"}}]"],
            "to_device":{{"events":[ {} , {}]}}, "next_batch":"s\u0031",
            "device_unused_fallback_key_types":["signed_curve25519"] }} "#,
            encrypted("\\\"]}"),
            encrypted("")
        );
        let answer = read(&text).unwrap();
        assert_eq!(answer.next_batch, "s1");
        assert_eq!((answer.received, answer.dropped), (2, 0));
        assert_eq!(answer.events.len(), 2);
        let counts: Vec<_> = answer.key_counts.values().copied().collect();
        assert_eq!(counts, [UInt::from(50_u32)]);
        assert_eq!(answer.unused_fallback_keys.map(|keys| keys.len()), Some(1));
    }

    #[test]
    fn pieces_of_any_size_make_the_same_answer() {
        let text = with_events(&[encrypted("1"), encrypted("2")]);
        for size in 1..40 {
            let mut reader = SyncReader::default();
            for piece in text.as_bytes().chunks(size) {
                reader.read(piece).unwrap();
            }
            assert_eq!(reader.finish().unwrap().events.len(), 2, "{size}");
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_dropped_and_the_next_is_read() {
        let fits = MAX_EVENT - encrypted("").len();
        for (length, dropped) in [(fits, 0), (fits + 1, 1), (20 * MAX_EVENT, 1)] {
            let events = [encrypted(&"x".repeat(length)), encrypted("")];
            let answer = read(&with_events(&events)).unwrap();
            assert_eq!(answer.dropped, dropped);
            assert_eq!(answer.events.len() + dropped, 2);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_size() {
        let many = vec![encrypted(""); 3 * MAX_EVENTS];
        let answer = read(&with_events(&many)).unwrap();
        assert_eq!(answer.events.len(), MAX_EVENTS);
        assert_eq!(answer.received, 3 * MAX_EVENTS);
        assert_eq!(answer.dropped, 2 * MAX_EVENTS);

        let large = vec![encrypted(&"x".repeat(60 * 1024)); 300];
        let answer = read(&with_events(&large)).unwrap();
        assert!(answer.events.len() * 60 * 1024 <= MAX_EVENTS_SIZE);
        assert!(answer.events.len() > 100);
        assert_eq!(answer.events.len() + answer.dropped, 300);
    }

    #[test]
    fn what_is_no_answer_to_a_sync_is_refused() {
        let deep = format!(r#"{{"next_batch":"s","a":{}"#, "[".repeat(10_000));
        let long = format!(r#"{{"next_batch":"{}"}}"#, "s".repeat(MAX_FIELD));
        for text in [
            "",
            "{}",
            "[]",
            "1",
            r#"{"next_batch":1}"#,
            r#"{"next_batch":"s""#,
            r#"{"next_batch":"s"]"#,
            r#"{"next_batch":"s"}}"#,
            r#"{"next_batch":"s"}{}"#,
            r#"{"next_batch":"s","a":[1}}"#,
            r#"{"next_batch":"s" "a":1}"#,
            r#"{"next_batch":"s","a"}"#,
            "<html></html>",
            &deep,
            &long,
        ] {
            assert_eq!(read(text).unwrap_err(), UnreadableSync, "{text:.40}");
        }
    }
}

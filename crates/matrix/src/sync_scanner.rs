//! Cuts the values that matter out of the answer to a sync, while it comes in.
//!
//! It knows no more of JSON than where values begin and end: what is cut out goes to a real parser, everything else is gone
//! as soon as it has passed. Sans-IO and without any of this crate's other types, so that it can be fuzzed without them.

/// The longest event that is kept: a signal of the greatest size, encrypted, has 47 KiB.
pub(crate) const MAX_EVENT: usize = 64 * 1024;

/// The longest of the other fields: the position, and the counts of one-time keys.
pub(crate) const MAX_FIELD: usize = 4 * 1024;

/// Longer keys are none that we know.
const MAX_KEY: usize = 64;

/// Values inside values. Our own have five levels; the parser itself takes 128.
const MAX_DEPTH: usize = 128;

/// It is no answer to a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to a sync is not as Matrix has it")]
pub(crate) struct UnreadableSync;

/// The scanner. Bytes go in with [`read`](Self::read), in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct SyncScanner {
    position: Position,
    /// The open objects and arrays.
    open: Vec<Open>,
    /// The last key, while it is read or waits for its value.
    key: Vec<u8>,
    /// The value that is being cut out.
    cut: Option<Cut>,
    /// The value that has just ended.
    done: Option<Cut>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// The one value that there is has not begun.
    #[default]
    Start,
    /// A value is due, and has not begun.
    Value,
    /// In a string; whether the next byte is escaped, and whether the string is a key.
    Text { escaped: bool, is_key: bool },
    /// In a number or a word.
    Word,
    /// Behind a value: a comma, or the end of what holds it.
    Behind,
    /// A key, or the end of its object.
    Key,
    /// Behind a key.
    Colon,
    /// All is read.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    is_object: bool,
    place: Place,
}

/// The objects and arrays that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Answer,
    ToDevice,
    Events,
    Other,
}

/// The values that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    NextBatch,
    KeyCounts,
    UnusedFallbackKeys,
    Event,
}

/// A value that is cut out, as far as it has come in.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) field: Field,
    /// How many objects and arrays are open around it.
    depth: usize,
    /// Its JSON, or the beginning of it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_too_long: bool,
}

impl SyncScanner {
    /// Takes the next bytes, and gives each value that ends in them to `take`.
    ///
    /// # Errors
    ///
    /// When this is not JSON, or nested too deeply; or what `take` says.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Cut) -> Result<(), UnreadableSync>,
    ) -> Result<(), UnreadableSync> {
        for byte in bytes {
            self.read_byte(*byte)?;
            if let Some(cut) = self.done.take() {
                take(cut)?;
            }
        }
        Ok(())
    }

    /// Whether all of one value has been read, and nothing else.
    pub(crate) fn is_whole(&self) -> bool {
        self.position == Position::End
    }

    fn read_byte(&mut self, byte: u8) -> Result<(), UnreadableSync> {
        // A word has no end of its own: it ends where something else begins.
        if self.position == Position::Word && is_delimiter(byte) {
            self.end_value();
        }
        match self.position {
            Position::Text { escaped, is_key } => self.read_text(byte, escaped, is_key),
            Position::Word => self.keep(byte),
            _ if is_space(byte) => self.keep(byte),
            Position::Start if byte == b'{' => self.open(byte)?,
            Position::Value => self.begin_value(byte)?,
            Position::Key if byte == b'"' => {
                self.key.clear();
                self.keep(byte);
                self.position = Position::Text {
                    escaped: false,
                    is_key: true,
                };
            }
            Position::Colon if byte == b':' => {
                self.keep(byte);
                self.position = Position::Value;
            }
            Position::Behind if byte == b',' => {
                self.keep(byte);
                let is_object = self.open.last().is_some_and(|open| open.is_object);
                self.position = match is_object {
                    true => Position::Key,
                    false => Position::Value,
                };
            }
            Position::Behind | Position::Key if matches!(byte, b'}' | b']') => self.close(byte)?,
            _ => return Err(UnreadableSync),
        }
        Ok(())
    }

    fn read_text(&mut self, byte: u8, escaped: bool, is_key: bool) {
        self.keep(byte);
        let ends = byte == b'"' && !escaped;
        self.position = Position::Text {
            escaped: byte == b'\\' && !escaped,
            is_key,
        };
        match (ends, is_key) {
            (true, true) => self.position = Position::Colon,
            (true, false) => self.end_value(),
            // One too long is cut off, and so is none that we know.
            (false, true) if self.key.len() <= MAX_KEY => self.key.push(byte),
            _ => {}
        }
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), UnreadableSync> {
        // An empty array has no value where one might begin. Where no array is open, it closes nothing.
        if byte == b']' {
            return self.close(byte);
        }
        if let Some(field) = self.field() {
            self.cut = Some(Cut {
                field,
                depth: self.open.len(),
                bytes: Vec::new(),
                is_too_long: false,
            });
        }
        match byte {
            b'{' | b'[' => self.open(byte)?,
            b'"' => {
                self.keep(byte);
                self.position = Position::Text {
                    escaped: false,
                    is_key: false,
                };
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                self.keep(byte);
                self.position = Position::Word;
            }
            _ => return Err(UnreadableSync),
        }
        Ok(())
    }

    /// What the value that begins here is to us. Inside one of these there is none.
    fn field(&self) -> Option<Field> {
        match (self.open.last()?.place, self.key.as_slice()) {
            (Place::Answer, b"next_batch") => Some(Field::NextBatch),
            (Place::Answer, b"device_one_time_keys_count") => Some(Field::KeyCounts),
            (Place::Answer, b"device_unused_fallback_key_types") => Some(Field::UnusedFallbackKeys),
            (Place::Events, _) => Some(Field::Event),
            _ => None,
        }
    }

    fn open(&mut self, byte: u8) -> Result<(), UnreadableSync> {
        if self.open.len() == MAX_DEPTH {
            return Err(UnreadableSync);
        }
        self.keep(byte);
        let is_object = byte == b'{';
        let place = match (self.open.last(), self.key.as_slice(), is_object) {
            (None, _, _) => Place::Answer,
            (Some(around), b"to_device", true) if around.place == Place::Answer => Place::ToDevice,
            (Some(around), b"events", false) if around.place == Place::ToDevice => Place::Events,
            _ => Place::Other,
        };
        self.open.push(Open { is_object, place });
        self.position = match is_object {
            true => Position::Key,
            false => Position::Value,
        };
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), UnreadableSync> {
        let closed = self.open.pop().ok_or(UnreadableSync)?;
        if closed.is_object != (byte == b'}') {
            return Err(UnreadableSync);
        }
        self.keep(byte);
        self.end_value();
        Ok(())
    }

    fn end_value(&mut self) {
        self.position = match self.open.is_empty() {
            true => Position::End,
            false => Position::Behind,
        };
        match self.cut.take() {
            Some(cut) if cut.depth == self.open.len() => self.done = Some(cut),
            other => self.cut = other,
        }
    }

    fn keep(&mut self, byte: u8) {
        let Some(cut) = &mut self.cut else { return };
        let limit = match cut.field {
            Field::Event => MAX_EVENT,
            _ => MAX_FIELD,
        };
        if cut.bytes.len() < limit {
            cut.bytes.push(byte);
        } else if !cut.is_too_long {
            cut.is_too_long = true;
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_delimiter(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b'}' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_held_of_a_key_or_a_value_that_is_not_for_us() {
        let mut scanner = SyncScanner::default();
        let long = "x".repeat(1024 * 1024);
        let text = format!(r#"{{"rooms":"{long}","a":[{long}],"{long}":1,"{long}"#);
        scanner
            .read(text.as_bytes(), |cut| panic!("{cut:?}"))
            .unwrap();
        assert!(scanner.key.capacity() <= 2 * MAX_KEY);
        assert!(scanner.cut.is_none() && scanner.done.is_none());
    }

    #[test]
    fn a_long_key_is_not_one_that_begins_like_it() {
        let known = "next_batch";
        for filler in [1, MAX_KEY, 10 * MAX_KEY] {
            let text = format!(r#"{{"{known}{}":"s"}}"#, "x".repeat(filler));
            let mut scanner = SyncScanner::default();
            scanner
                .read(text.as_bytes(), |cut| panic!("{cut:?}"))
                .unwrap();
            assert!(scanner.is_whole());
        }
    }

    #[test]
    fn what_is_held_of_a_value_is_bounded() {
        for (before, limit) in [
            (r#"{"next_batch":""#, MAX_FIELD),
            (r#"{"to_device":{"events":[""#, MAX_EVENT),
        ] {
            let mut scanner = SyncScanner::default();
            scanner
                .read(before.as_bytes(), |cut| panic!("{cut:?}"))
                .unwrap();
            let long = vec![b'x'; 4 * limit];
            scanner.read(&long, |cut| panic!("{cut:?}")).unwrap();
            let cut = scanner.cut.as_ref().unwrap();
            assert!(cut.is_too_long && cut.bytes.len() == limit);
        }
    }

    #[test]
    fn values_inside_values_have_an_end() {
        for (depth, outcome) in [(MAX_DEPTH - 1, Ok(())), (MAX_DEPTH, Err(UnreadableSync))] {
            let text = format!(r#"{{"a":{}"#, "[".repeat(depth));
            let mut scanner = SyncScanner::default();
            assert_eq!(
                scanner.read(text.as_bytes(), |_| Ok(())),
                outcome,
                "{depth}"
            );
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused_where_it_stops_to_be_one() {
        for text in [
            "[",
            "1",
            "\"",
            "n",
            "{x",
            "{1",
            "{[",
            "{]",
            "{\"a\";",
            "{\"a\"}",
            "{\"a\":]",
            "{\"a\":}",
            "{\"a\":?",
            "{\"a\":,",
            "{\"a\":A",
            "{\"a\":\"\";",
            "{\"a\":1 2",
            "{\"a\":\"\"\"",
            "{\"a\":1]",
            "{\"a\":[}",
            "{\"a\":[1}",
            "{\"a\":[\"\";",
            "{}{",
            "{}}",
        ] {
            let (begun, last) = text.split_at(text.len() - 1);
            let mut scanner = SyncScanner::default();
            assert_eq!(scanner.read(begun.as_bytes(), |_| Ok(())), Ok(()), "{text}");
            assert_eq!(
                scanner.read(last.as_bytes(), |_| Ok(())),
                Err(UnreadableSync),
                "{text}"
            );
        }
    }

    #[test]
    fn events_are_where_they_should_be_and_nowhere_else() {
        for text in [
            r#"{"to_device":[{"events":[1]}]}"#,
            r#"{"to_device":[{"events":1},[1]]}"#,
            r#"{"to_device":{"events":{"events":[1]}}}"#,
            r#"{"to_device":{"other":[1]}}"#,
            r#"{"to_device":{"to_device":{"events":[1]}}}"#,
            r#"{"events":[1]}"#,
            r#"{"rooms":{"to_device":{"events":[1]},"next_batch":"s"}}"#,
        ] {
            let mut scanner = SyncScanner::default();
            scanner
                .read(text.as_bytes(), |cut| panic!("{text}: {cut:?}"))
                .unwrap();
            assert!(scanner.is_whole(), "{text}");
        }
    }
}

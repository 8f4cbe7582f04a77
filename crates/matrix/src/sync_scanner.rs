//! Cuts the values that matter out of the answer to a sync, or of the state of a room, while it comes in.
//!
//! It knows no more of JSON than where values begin and end: what is cut out goes to a real parser, everything else is gone
//! as soon as it has passed. Sans-IO and without any of this crate's other types, so that it can be fuzzed without them.

/// The longest event that is kept: a signal of the greatest size, encrypted, has 47 KiB, an event of a room 64 at most.
pub(crate) const MAX_EVENT: usize = 64 * 1024;

/// The longest of the other fields: the position, and the counts of one-time keys.
pub(crate) const MAX_FIELD: usize = 4 * 1024;

/// Longer keys are none that we know: the longest are the IDs of rooms.
const MAX_KEY: usize = 255;

/// Values inside values. Our own have five levels; the parser itself takes 128.
const MAX_DEPTH: usize = 128;

/// It is no answer to a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to a sync is not as Matrix has it")]
pub(crate) struct UnreadableSync;

/// The scanner. Bytes go in with [`read`](Self::read), in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct SyncScanner {
    what: What,
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

/// What it is the scanner of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    /// A sync, without what is in rooms.
    #[default]
    Sealed,
    /// A sync, with it.
    WithRooms,
    /// The state of one room: a list of events.
    State,
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
    /// All rooms, those of one kind, and one of these.
    Rooms,
    Section(Section),
    Room(Section),
    /// What holds a room's events, and the events.
    Timeline(Section),
    RoomEvents(Section),
    Other,
}

/// The kinds of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// We are in them.
    Joined,
    /// We are invited to them.
    Invited,
    /// We have just left them.
    Left,
}

impl Section {
    fn read(key: &[u8]) -> Option<Self> {
        match key {
            b"join" => Some(Self::Joined),
            b"invite" => Some(Self::Invited),
            b"leave" => Some(Self::Left),
            _ => None,
        }
    }

    /// What holds the events of such a room.
    fn timeline(self) -> &'static [u8] {
        match self {
            Self::Joined | Self::Left => b"timeline",
            Self::Invited => b"invite_state",
        }
    }
}

/// The values that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    NextBatch,
    KeyCounts,
    UnusedFallbackKeys,
    Event,
    /// A room begins: the value is its ID, as JSON has it between the quotation marks. What follows is of this room.
    Room(Section),
    /// An event of the room.
    RoomEvent(Section),
    /// Whether events of the room are missing.
    Limited,
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
    /// One that cuts out what is in rooms as well.
    pub(crate) fn with_rooms() -> Self {
        Self {
            what: What::WithRooms,
            ..Self::default()
        }
    }

    /// One that cuts the events out of the state of a room.
    pub(crate) fn of_state() -> Self {
        Self {
            what: What::State,
            ..Self::default()
        }
    }

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
            Position::Start if byte == self.beginning() => self.open(byte)?,
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

    fn beginning(&self) -> u8 {
        match self.what {
            What::Sealed | What::WithRooms => b'{',
            What::State => b'[',
        }
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
            (Place::RoomEvents(section), _) => Some(Field::RoomEvent(section)),
            (Place::Timeline(Section::Joined), b"limited") => Some(Field::Limited),
            _ => None,
        }
    }

    fn open(&mut self, byte: u8) -> Result<(), UnreadableSync> {
        if self.open.len() == MAX_DEPTH {
            return Err(UnreadableSync);
        }
        self.keep(byte);
        let is_object = byte == b'{';
        let place = self.place(is_object);
        if let Place::Room(section) = place {
            self.done = Some(Cut {
                field: Field::Room(section),
                depth: self.open.len(),
                bytes: self.key.clone(),
                is_too_long: self.key.len() > MAX_KEY,
            });
        }
        self.open.push(Open { is_object, place });
        self.position = match is_object {
            true => Position::Key,
            false => Position::Value,
        };
        Ok(())
    }

    /// What the object or array that begins here is to us.
    fn place(&self, is_object: bool) -> Place {
        let Some(around) = self.open.last() else {
            return match self.what {
                What::Sealed | What::WithRooms => Place::Answer,
                What::State => Place::RoomEvents(Section::Joined),
            };
        };
        match (around.place, self.key.as_slice(), is_object) {
            (Place::Answer, b"to_device", true) => Place::ToDevice,
            (Place::ToDevice, b"events", false) => Place::Events,
            (Place::Answer, b"rooms", true) if self.what == What::WithRooms => Place::Rooms,
            (Place::Rooms, key, true) => Section::read(key).map_or(Place::Other, Place::Section),
            (Place::Section(section), _, true) => Place::Room(section),
            (Place::Room(section), key, true) if key == section.timeline() => {
                Place::Timeline(section)
            }
            (Place::Timeline(section), b"events", false) => Place::RoomEvents(section),
            _ => Place::Other,
        }
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
            Field::Event | Field::RoomEvent(_) => MAX_EVENT,
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
            (
                r#"{"rooms":{"join":{"!":{"timeline":{"events":[""#,
                MAX_EVENT,
            ),
        ] {
            let mut scanner = SyncScanner::with_rooms();
            scanner.read(before.as_bytes(), |_| Ok(())).unwrap();
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
            let mut scanner = SyncScanner::with_rooms();
            scanner
                .read(text.as_bytes(), |cut| panic!("{text}: {cut:?}"))
                .unwrap();
            assert!(scanner.is_whole(), "{text}");
        }
    }

    fn cuts(mut scanner: SyncScanner, text: &str) -> Vec<(Field, String)> {
        let mut cuts = Vec::new();
        let read = scanner.read(text.as_bytes(), |cut| {
            cuts.push((cut.field, String::from_utf8(cut.bytes).unwrap()));
            Ok(())
        });
        read.unwrap();
        assert!(scanner.is_whole(), "{text}");
        cuts
    }

    const ROOMS: &str = r#"{"rooms":{
        "join":{"!j":{"state":{"events":[0]},"timeline":{"events":[1,{"events":[2]}],"limited":true,"prev_batch":"p"}},"!k":{}},
        "invite":{"!i":{"timeline":{"events":[3]},"invite_state":{"events":[4],"limited":false}}},
        "leave":{"!l":{"timeline":{"events":[5]}}},
        "knock":{"!n":{"timeline":{"events":[6]}}}}}"#;

    #[test]
    fn what_is_in_rooms_is_told_with_its_room() {
        use Section::{Invited, Joined, Left};
        let told = cuts(SyncScanner::with_rooms(), ROOMS);
        let told: Vec<_> = told
            .iter()
            .map(|(field, text)| (*field, text.as_str()))
            .collect();
        let expected = [
            (Field::Room(Joined), "!j"),
            (Field::RoomEvent(Joined), "1"),
            (Field::RoomEvent(Joined), r#"{"events":[2]}"#),
            (Field::Limited, "true"),
            (Field::Room(Joined), "!k"),
            (Field::Room(Invited), "!i"),
            (Field::RoomEvent(Invited), "4"),
            (Field::Room(Left), "!l"),
            (Field::RoomEvent(Left), "5"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn where_no_rooms_are_asked_for_there_are_none() {
        assert_eq!(cuts(SyncScanner::default(), ROOMS), []);
    }

    #[test]
    fn rooms_are_where_they_should_be_and_nowhere_else() {
        for text in [
            r#"{"rooms":[{"join":{"!j":{"timeline":{"events":[1]}}}}]}"#,
            r#"{"rooms":{"join":[{"timeline":{"events":[1]}}]}}"#,
            r#"{"rooms":{"join":{"!j":1}}}"#,
            r#"{"join":{"!j":{"timeline":{"events":[1]}}}}"#,
            r#"{"to_device":{"rooms":{"join":{"!j":{"timeline":{"events":[1]}}}}}}"#,
        ] {
            assert_eq!(cuts(SyncScanner::with_rooms(), text), [], "{text}");
        }
    }

    #[test]
    fn the_id_of_a_room_may_be_as_long_as_matrix_allows_and_a_longer_one_is_known_as_such() {
        for (length, is_too_long) in [(255, false), (256, true), (1_000_000, true)] {
            let id = "!".repeat(length);
            let text = format!(r#"{{"rooms":{{"join":{{"{id}":{{}}}}}}}}"#);
            let mut rooms = 0;
            let mut scanner = SyncScanner::with_rooms();
            let read = scanner.read(text.as_bytes(), |cut| {
                rooms += 1;
                assert_eq!(cut.is_too_long, is_too_long);
                assert!(cut.bytes.len() <= MAX_KEY + 1);
                Ok(())
            });
            read.unwrap();
            assert_eq!(rooms, 1);
        }
    }
}

//! The state event that says in which calls a user is, and with which devices.

use securecall_contact::DeviceId;
use serde_json::{Map, Value};

use super::{GroupCallId, SessionId};
use crate::wire::room::fields::Fields;
use crate::wire::room::read::object;
use crate::wire::room::{RoomSignalError, StreamPurpose};

/// The most calls of one user that are looked at. MSC3401 allows one.
pub const MAX_CALLS_OF_MEMBER: usize = 4;
/// The most devices of one user in a call. Whoever has more is called on these.
pub const MAX_DEVICES_OF_CALL: usize = 8;
/// The most entries that are looked at for them: what is no device costs something too.
const MAX_ENTRIES: usize = 256;

/// In which calls a user is, as the user's devices say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberState {
    calls: Vec<(GroupCallId, Vec<MemberDevice>)>,
}

/// One device that is in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDevice {
    /// The device.
    pub device_id: DeviceId,
    /// Its run: another one has forgotten its calls.
    pub session_id: SessionId,
    /// Until when it is in the call, in Unix ms of the device's clock; nothing of it can be relied on.
    pub expires_ms: u64,
    /// Whether it shows its screen.
    pub shares_screen: bool,
}

impl MemberState {
    /// Reads the content of [`MEMBER_EVENT`](super::MEMBER_EVENT).
    ///
    /// An entry that lacks something, or holds something else than it should, is left out, and the others count: so it is with
    /// matrix-js-sdk. The first entry of a call, or of a device, is the one that counts. Who is too much is left out too.
    ///
    /// # Errors
    /// [`RoomSignalError`] if the content is no object, or too long.
    pub fn parse(content: &[u8]) -> Result<Self, RoomSignalError> {
        object(content).map(|map| Self::of(&map))
    }

    /// What a content says that was read before.
    pub(super) fn of(content: &Map<String, Value>) -> Self {
        let mut state = Self::default();
        for call in entries(content.get("m.calls")).take(MAX_CALLS_OF_MEMBER) {
            state.add(call);
        }
        state
    }

    /// The calls, each with its devices. There is none without a device.
    pub fn calls(&self) -> impl Iterator<Item = (&GroupCallId, &[MemberDevice])> {
        self.calls.iter().map(|(id, devices)| (id, &**devices))
    }

    /// The devices in one call.
    pub fn devices_in(&self, call: &GroupCallId) -> &[MemberDevice] {
        let found = self.calls.iter().find(|(id, _)| id == call);
        found.map_or(&[], |(_, devices)| devices)
    }

    fn add(&mut self, entry: &Value) {
        let Some(id) = call_id(entry) else { return };
        let mut devices: Vec<MemberDevice> = Vec::new();
        for device in entries(entry.get("m.devices")).filter_map(MemberDevice::read) {
            if devices.len() == MAX_DEVICES_OF_CALL {
                break;
            }
            if devices.iter().all(|it| it.device_id != device.device_id) {
                devices.push(device);
            }
        }
        let is_new = self.calls.iter().all(|(it, _)| *it != id);
        if is_new && !devices.is_empty() {
            self.calls.push((id, devices));
        }
    }
}

impl MemberDevice {
    /// An entry of `m.devices`; `None` without any of the four fields, each of its kind.
    pub(super) fn read(entry: &Value) -> Option<Self> {
        let fields = Fields::in_value(entry, "m.devices[]").ok()?;
        let feeds = fields.array("feeds").ok()?;
        Some(Self {
            device_id: fields.text("device_id").ok()?.parse().ok()?,
            session_id: SessionId::parse(fields.text("session_id").ok()?).ok()?,
            expires_ms: milliseconds(fields.value("expires_ts")?)?,
            shares_screen: feeds.iter().take(MAX_ENTRIES).any(is_screen),
        })
    }
}

/// The call that an entry of `m.calls` is about.
pub(super) fn call_id(entry: &Value) -> Option<GroupCallId> {
    GroupCallId::parse(entry.get("m.call_id")?.as_str()?).ok()
}

/// Whatever is no array has no entries.
pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let entries = value.and_then(Value::as_array);
    entries.into_iter().flatten().take(MAX_ENTRIES)
}

/// JavaScript's numbers may have fractions and signs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast of a float keeps to the bounds of the integer"
)]
fn milliseconds(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|number| number as u64))
}

fn is_screen(feed: &Value) -> bool {
    let purpose = feed.get("purpose").and_then(Value::as_str);
    purpose.and_then(StreamPurpose::parse) == Some(StreamPurpose::Screenshare)
}

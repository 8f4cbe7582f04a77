//! Our own member event: all devices of a user share one, so each changes only what is its own in it.

use securecall_contact::DeviceId;
use serde_json::{Map, Value, json};

use super::member_state::{MAX_CALLS_OF_MEMBER, MAX_DEVICES_OF_CALL, call_id, entries};
use super::{GroupCallId, MemberDevice, MemberState, SessionId};
use crate::wire::room::read::object;
use crate::wire::room::{MAX_ROOM_CONTENT, StreamPurpose};

/// The entry of this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEntry {
    /// The call that it is in.
    pub call_id: GroupCallId,
    /// This device.
    pub device_id: DeviceId,
    /// This run of it.
    pub session_id: SessionId,
    /// Until when it is in the call, in Unix ms.
    pub expires_ms: u64,
}

/// The content of our own member event, with everything that our other devices, of whatever client, have written into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnMemberContent(Map<String, Value>);

impl OwnMemberContent {
    /// What the homeserver has. What is no content of such an event is as good as nothing: it is written anew.
    pub fn read(content: &[u8]) -> Self {
        Self(object(content).unwrap_or_default())
    }

    /// As others read it.
    pub fn state(&self) -> MemberState {
        MemberState::of(&self.0)
    }

    /// The same with this device in the call, and without devices whose time is over.
    #[must_use]
    pub fn with(&self, entry: &OwnEntry, now_ms: u64) -> Self {
        let add = |devices: &mut Vec<Value>| {
            devices.truncate(MAX_DEVICES_OF_CALL - 1);
            devices.push(entry.to_value());
        };
        let (call, device) = (&entry.call_id, &entry.device_id);
        let changed = self.changed(call, device, now_ms, add);
        if changed.is_too_long() {
            return Self::default().changed(call, device, now_ms, add);
        }
        changed
    }

    /// The same without this device, and without devices whose time is over.
    #[must_use]
    pub fn without(&self, call: &GroupCallId, device: &DeviceId, now_ms: u64) -> Self {
        self.changed(call, device, now_ms, |_| ())
    }

    /// The entries of our other devices in a call that still count, as they wrote them.
    pub(crate) fn others(&self, call: &GroupCallId, own: &DeviceId, now_ms: u64) -> Vec<Value> {
        let call = self.calls().find(|it| call_id(it).as_ref() == Some(call));
        let counts = |value: &&Value| {
            MemberDevice::read(value)
                .is_some_and(|it| it.device_id != *own && it.expires_ms > now_ms)
        };
        let devices = call.into_iter().flat_map(|it| entries(it.get("m.devices")));
        devices.filter(counts).cloned().collect()
    }

    /// The same with entries that our other devices had written, where there is none of theirs any more.
    pub(crate) fn restored(&self, call: &GroupCallId, lost: &[Value], now_ms: u64) -> Self {
        let mut restored = self.clone();
        for value in lost {
            if let Some(device) = MemberDevice::read(value)
                && device.expires_ms > now_ms
                && !restored.has(call, &device.device_id)
            {
                restored = restored.changed(call, &device.device_id, now_ms, |devices| {
                    devices.push(value.clone());
                });
            }
        }
        restored
    }

    /// Whether a device is in a call.
    pub(crate) fn has(&self, call: &GroupCallId, device: &DeviceId) -> bool {
        self.entry(call, device).is_some()
    }

    /// What is said of a device in a call.
    pub(crate) fn entry(&self, call: &GroupCallId, device: &DeviceId) -> Option<MemberDevice> {
        let state = self.state();
        let mut devices = state.devices_in(call).iter();
        devices.find(|it| it.device_id == *device).cloned()
    }

    /// The content to be sent.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// With the devices of one call changed: those that count, without one of them.
    fn changed(
        &self,
        call: &GroupCallId,
        device: &DeviceId,
        now_ms: u64,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Self {
        let mut devices = self.others(call, device, now_ms);
        change(&mut devices);
        let is_call = |it: &&Value| call_id(it).as_ref() == Some(call);
        // Whatever else a client says of the call stays.
        let mut entry = match self.calls().find(is_call) {
            Some(Value::Object(entry)) => entry.clone(),
            _ => Map::from_iter([("m.call_id".to_owned(), call.as_str().into())]),
        };
        let others = self.calls().filter(|it| call_id(it).as_ref() != Some(call));
        let mut calls: Vec<Value> = others.take(MAX_CALLS_OF_MEMBER - 1).cloned().collect();
        if !devices.is_empty() {
            entry.insert("m.devices".to_owned(), devices.into());
            calls.insert(0, entry.into());
        }
        let mut content = self.0.clone();
        content.insert("m.calls".to_owned(), calls.into());
        Self(content)
    }

    fn calls(&self) -> impl Iterator<Item = &Value> {
        entries(self.0.get("m.calls"))
    }

    /// Half of what an event may have is left for everything else in it.
    fn is_too_long(&self) -> bool {
        self.to_value().to_string().len() > MAX_ROOM_CONTENT / 2
    }
}

impl OwnEntry {
    fn to_value(&self) -> Value {
        json!({
            "device_id": self.device_id.as_str(),
            "session_id": self.session_id.as_str(),
            "expires_ts": self.expires_ms,
            "feeds": [{"purpose": StreamPurpose::Usermedia.as_str()}],
        })
    }
}

//! What was told and said.

use securecall_session::{EndReason, Event};
use serde_json::Value;

use super::World;

impl World {
    /// The types of all call events of somebody, in order.
    pub(in super::super) fn said_by(&self, who: &str) -> Vec<String> {
        let timeline = self.rooms.iter().flat_map(|it| &it.timeline);
        let said = timeline.filter(|it| it.sender == who);
        said.map(|it| it.event_type.replace("m.call.", ""))
            .collect()
    }

    /// The last content of a type that somebody said.
    pub(in super::super) fn last(&self, who: &str, event_type: &str) -> Value {
        let timeline = self.rooms.iter().flat_map(|it| &it.timeline);
        let mut said = timeline.filter(|it| it.sender == who && it.event_type == event_type);
        said.next_back()
            .map_or(Value::Null, |it| it.content.clone())
    }

    pub(in super::super) fn told(&self, device: usize, matches: impl Fn(&Event) -> bool) -> bool {
        self.devices[device].events.iter().any(matches)
    }

    pub(in super::super) fn ended(&self, device: usize) -> Option<EndReason> {
        let mut events = self.devices[device].events.iter().rev();
        events.find_map(|event| match event {
            Event::Ended { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    pub(in super::super) fn connected(&self, device: usize) -> bool {
        self.told(device, |it| matches!(it, Event::Connected { .. }))
    }

    pub(in super::super) fn rings(&self, device: usize) -> usize {
        let events = self.devices[device].events.iter();
        events
            .filter(|it| matches!(it, Event::Incoming { .. }))
            .count()
    }

    pub(in super::super) fn all_empty(&self) -> bool {
        self.devices
            .iter()
            .all(|it| it.endpoint.is_empty() && it.open.is_empty())
    }

    pub(in super::super) fn call_id(&self, device: usize) -> String {
        self.devices[device].call.as_ref().unwrap().id.to_string()
    }
}

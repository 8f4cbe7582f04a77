//! What devices show, and what is left.

use super::*;

/// A row of the screen: a device, or somebody who has a sealed leg.
fn shown(peer: &Peer) -> String {
    match &peer.device_id {
        Some(device_id) => device_id.to_string(),
        None => peer.matrix_id.to_string(),
    }
}

impl World {
    /// What a device was told of the call of the room.
    pub(in super::super) fn told(&self, who: usize) -> impl Iterator<Item = &ConferenceEvent> {
        self.ours[&who]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Conference { event, .. } => Some(event),
                _ => None,
            })
    }

    /// Which devices are in, and heard, as a device shows it.
    pub(in super::super) fn heard(&self, who: usize) -> BTreeSet<String> {
        let mut heard = BTreeSet::new();
        for event in self.told(who) {
            match event {
                ConferenceEvent::Joined { peer, .. } => {
                    heard.insert(shown(peer));
                }
                ConferenceEvent::Left { peer, .. } | ConferenceEvent::NoPath { peer } => {
                    heard.remove(&shown(peer));
                }
                ConferenceEvent::Ended { .. } => heard.clear(),
                _ => {}
            }
        }
        heard
    }

    /// Whether these, and no others, hear each other: each of them shows all others.
    pub(in super::super) fn check_all_hear(&self, all: &[usize]) {
        let name = |who: &usize, by: &usize| match self.ours.get(who) {
            Some(it) if it.user.securecall_id().is_some() && self.ours.contains_key(by) => {
                it.user.to_string()
            }
            Some(it) => it.device_id.to_string(),
            None => self.pages[who].device_id.to_string(),
        };
        for who in all {
            let others = all.iter().filter(|it| *it != who);
            let others: BTreeSet<_> = others.map(|it| name(it, who)).collect();
            let heard = match self.ours.get(who) {
                Some(_) => self.heard(*who),
                None => self.pages[who].heard(),
            };
            assert_eq!(heard, others, "{who}");
        }
    }

    /// All leave, and nothing is left of it anywhere.
    pub(in super::super) fn check_empty_without(&mut self, all: &[usize]) {
        for who in all {
            self.leave(*who);
        }
        self.check_empty();
    }

    /// Nothing is left of it anywhere.
    pub(in super::super) fn check_empty(&mut self) {
        self.seconds(400);
        assert_eq!(self.devices_in(), BTreeSet::new());
        for (who, ours) in self.ours.iter().filter(|(_, it)| !it.crashed) {
            assert!(ours.endpoint.is_empty(), "{who}");
            assert!(!ours.endpoint.follows_group_room(&self.room));
        }
        assert!(self.delayed.is_empty());
    }

    pub(in super::super) fn run_ms(&mut self, milliseconds: u64) {
        self.run_until(self.now + Duration::from_millis(milliseconds));
    }

    /// Calls of the room that are not over.
    pub(in super::super) fn open_calls(&self) -> usize {
        let calls = self
            .state
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Call);
        calls
            .filter(|(_, it)| !it.content.contains("m.terminated"))
            .count()
    }

    /// All calls of the room are over, for all.
    pub(in super::super) fn terminate(&mut self) {
        let calls: Vec<_> = self
            .state
            .keys()
            .filter(|(kind, _)| *kind == Kind::Call)
            .cloned()
            .collect();
        let content = serde_json::json!({ "m.type": "m.voice", "m.intent": "m.prompt", "m.terminated": "call_ended" });
        for (_, key) in calls {
            self.write(user("b"), true, &key, &content);
        }
    }
}

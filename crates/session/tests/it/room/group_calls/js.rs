//! A page of matrix-js-sdk 43 in a group call (`groupCall.ts`, `callEventHandler.ts`): as strict as it is, and no stricter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId};
use securecall_session::{GroupRoomEvent, GroupRoomEventKind};
use serde_json::{Value, json};
use web_time::Instant;

use super::super::contents::{of_call, sdp, with};
use super::world::Sent;

const RETRY: Duration = Duration::from_secs(5);
const MAX_RETRIES: u32 = 3;

/// One page.
pub(super) struct Js {
    index: usize,
    pub(super) user: MatrixId,
    pub(super) device_id: DeviceId,
    session: String,
    /// The call that it is in.
    call: Option<String>,
    /// Who else is in, and in which run.
    others: BTreeMap<(MatrixId, DeviceId), String>,
    calls: BTreeMap<(MatrixId, DeviceId), Call>,
    /// By the ID of the call: what came before its invite.
    early: BTreeMap<String, BTreeMap<u64, (String, Value)>>,
    retries: BTreeMap<(MatrixId, DeviceId), u32>,
    retry_at: Option<Instant>,
    count: u32,
    in_clear: bool,
    writes: Vec<Value>,
    sent: Vec<Sent>,
}

struct Call {
    id: String,
    /// The run of the other, whom it is with.
    session: String,
    sends: u64,
    next: u64,
    held: BTreeMap<u64, (String, Value)>,
    connected: bool,
    is_outbound: bool,
}

impl Js {
    pub(super) fn new(index: usize, user: MatrixId) -> Self {
        Self {
            index,
            user,
            device_id: format!("PAGE{index}").parse().unwrap(),
            session: format!("session{index}"),
            call: None,
            others: BTreeMap::new(),
            calls: BTreeMap::new(),
            early: BTreeMap::new(),
            retries: BTreeMap::new(),
            retry_at: None,
            count: 0,
            in_clear: false,
            writes: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(super) fn take(&mut self) -> (Vec<Value>, Vec<Sent>) {
        (
            std::mem::take(&mut self.writes),
            std::mem::take(&mut self.sent),
        )
    }

    pub(super) const fn wakes(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn is(&self, sent: &Sent) -> bool {
        sent.to == self.user && sent.to_device == self.device_id
    }

    pub(super) fn heard(&self) -> BTreeSet<String> {
        let connected = self.calls.iter().filter(|(_, call)| call.connected);
        connected
            .map(|((_, device), _)| device.to_string())
            .collect()
    }

    pub(super) fn enter(&mut self, now: Instant, server_ms: u64, call: &str, in_clear: bool) {
        self.call = Some(call.to_owned());
        self.in_clear = in_clear;
        let device = json!({
            "device_id": self.device_id.as_str(), "session_id": self.session,
            "expires_ts": server_ms + 3_600_000, "feeds": [{ "purpose": "m.usermedia" }],
        });
        self.writes
            .push(json!({ "m.calls": [{ "m.call_id": call, "m.devices": [device] }] }));
        self.place_calls(now);
    }

    pub(super) fn leave(&mut self) {
        self.writes.push(json!({ "m.calls": [] }));
        self.hang_up_all();
        self.call = None;
        self.retry_at = None;
    }

    /// It ends all 1:1 calls, and stays in.
    pub(super) fn hang_up_all(&mut self) {
        for key in self.calls.keys().cloned().collect::<Vec<_>>() {
            self.say(&key, "m.call.hangup", json!({ "reason": "user_hangup" }));
        }
        self.calls.clear();
    }

    /// It begins anew, as a page that is loaded again.
    pub(super) fn reload(&mut self, now: Instant, server_ms: u64) {
        let call = self.call.clone().unwrap();
        self.session.push('x');
        self.calls.clear();
        self.retries.clear();
        self.enter(now, server_ms, &call, self.in_clear);
    }

    /// A state event.
    pub(super) fn see(&mut self, now: Instant, server_ms: u64, event: &GroupRoomEvent) {
        if event.kind != GroupRoomEventKind::Member {
            return;
        }
        self.others.retain(|(user, _), _| *user != event.sender);
        let content: Value = serde_json::from_str(&event.content).unwrap();
        for call in content["m.calls"].as_array().into_iter().flatten() {
            for device in call["m.devices"].as_array().unwrap() {
                let id: DeviceId = device["device_id"].as_str().unwrap().parse().unwrap();
                let is_over = device["expires_ts"].as_u64().unwrap() < server_ms;
                if !is_over && (&event.sender, &id) != (&self.user, &self.device_id) {
                    let session = device["session_id"].as_str().unwrap().to_owned();
                    self.others.insert((event.sender.clone(), id), session);
                }
            }
        }
        // Whoever is another run is another device. Who is not there any more is not let go of.
        let others = &self.others;
        let is_it = |key: &_, call: &Call| others.get(key).is_none_or(|it| *it == call.session);
        self.calls.retain(|key, call| is_it(key, call));
        self.place_calls(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, _: u64) {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.place_calls(now);
        }
    }

    fn place_calls(&mut self, now: Instant) {
        if self.call.is_none() {
            return;
        }
        for (key, session) in self.others.clone() {
            let we_call = (&self.user, &self.device_id) < (&key.0, &key.1);
            let retries = self.retries.entry(key.clone()).or_default();
            if !we_call || self.calls.contains_key(&key) || *retries >= MAX_RETRIES {
                continue;
            }
            *retries += 1;
            self.count += 1;
            let id = format!("js{}call{}", self.index, self.count);
            self.calls.insert(key.clone(), Call::new(id, session, true));
            let offer = json!({
                "lifetime": 60_000, "invitee": key.0.as_str(),
                "offer": { "type": "offer", "sdp": sdp(&self.index.to_string(), "sendrecv") },
                "sdp_stream_metadata": self.streams(),
            });
            self.say(&key, "m.call.invite", offer);
            self.retry_at = Some(now + RETRY);
        }
    }

    fn streams(&self) -> Value {
        json!({ format!("stream-{}", self.index): { "purpose": "m.usermedia", "audio_muted": false, "video_muted": true } })
    }

    fn say(&mut self, key: &(MatrixId, DeviceId), event_type: &str, content: Value) {
        let call = self.calls.get_mut(key).unwrap();
        let seq = call.sends;
        call.sends += 1;
        let content = with(of_call(&call.id, self.device_id.as_str()), content);
        let route = json!({
            "conf_id": self.call, "device_id": self.device_id.as_str(), "seq": seq,
            "sender_session_id": self.session, "dest_session_id": call.session,
        });
        self.sent.push(Sent {
            from: self.user.clone(),
            from_device: self.device_id.clone(),
            to: key.0.clone(),
            to_device: key.1.clone(),
            event_type: event_type.to_owned(),
            content: with(content, route),
            in_clear: self.in_clear,
        });
    }

    /// Something came from a device: in its order, from 0 on, or never.
    pub(super) fn hear(&mut self, now: Instant, _: u64, sent: &Sent) {
        let text = |field: &str| sent.content[field].as_str().map(str::to_owned);
        let is_for_us =
            text("conf_id") == self.call && text("dest_session_id").as_ref() == Some(&self.session);
        if !is_for_us
            || self.call.is_none()
            || text("device_id").is_none()
            || sent.in_clear != self.in_clear
        {
            return;
        }
        let key = (sent.from.clone(), sent.from_device.clone());
        let (Some(id), Some(session)) = (text("call_id"), text("sender_session_id")) else {
            return;
        };
        let seq = sent.content["seq"].as_u64().unwrap();
        let is_current = self.calls.get(&key).is_some_and(|it| it.id == id);
        if !is_current {
            let is_invite = sent.event_type == "m.call.invite";
            let may_call = (&key.0, &key.1) < (&self.user, &self.device_id);
            if !may_call {
                return;
            }
            if !is_invite {
                let event = (sent.event_type.clone(), sent.content.clone());
                self.early.entry(id).or_default().insert(seq, event);
                return;
            }
            let mut call = Call::new(id.clone(), session, false);
            call.held = self.early.remove(&id).unwrap_or_default();
            self.calls.insert(key.clone(), call);
        }
        let call = self.calls.get_mut(&key).unwrap();
        if seq >= call.next {
            call.held
                .insert(seq, (sent.event_type.clone(), sent.content.clone()));
        }
        while let Some((event_type, content)) = self.calls.get_mut(&key).and_then(Call::next_event)
        {
            self.take_event(now, &key, &event_type, &content);
        }
    }

    fn take_event(
        &mut self,
        now: Instant,
        key: &(MatrixId, DeviceId),
        event_type: &str,
        content: &Value,
    ) {
        match event_type {
            "m.call.invite" => {
                assert_eq!(content["invitee"], self.user.as_str());
                let answer = json!({
                    "answer": { "type": "answer", "sdp": sdp(&self.index.to_string(), "sendrecv") },
                    "sdp_stream_metadata": self.streams(),
                });
                self.say(key, "m.call.answer", answer);
                self.calls.get_mut(key).unwrap().connected = true;
            }
            "m.call.answer" => {
                let call = self.calls.get_mut(key).unwrap();
                assert!(call.is_outbound);
                call.connected = true;
                self.retries.remove(key);
                let party = content["party_id"].clone();
                self.say(
                    key,
                    "m.call.select_answer",
                    json!({ "selected_party_id": party }),
                );
            }
            "m.call.hangup" | "m.call.reject" => {
                self.calls.remove(key);
                self.retry_at = Some(now + RETRY);
            }
            _ => {}
        }
    }
}

impl Call {
    const fn new(id: String, session: String, is_outbound: bool) -> Self {
        Self {
            id,
            session,
            sends: 0,
            next: 0,
            held: BTreeMap::new(),
            connected: false,
            is_outbound,
        }
    }

    fn next_event(&mut self) -> Option<(String, Value)> {
        let event = self.held.remove(&self.next)?;
        self.next += 1;
        Some(event)
    }
}

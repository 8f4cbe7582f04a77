//! Whatever comes, in whatever order: no panic, bounds hold, and nothing is left at the end. From seeds.

use rand_core::Rng;
use securecall_contact::DeviceId;
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    Event, GroupRoomEvent, GroupRoomEventKind, InboundDeviceEvent, MediaEvent, PathRoute,
};
use serde_json::{Value, json};

use super::super::contents::{js_answer, js_invite, of_call, with};
use super::world::{World, address, user};

const TYPES: [&str; 9] = [
    "m.call.invite",
    "m.call.answer",
    "m.call.candidates",
    "m.call.select_answer",
    "m.call.negotiate",
    "m.call.reject",
    "m.call.hangup",
    "m.call.sdp_stream_metadata_changed",
    "m.call.any",
];

struct Chaos {
    world: World,
    ours: usize,
    /// Another one of us, who means well.
    peer: usize,
}

impl Chaos {
    fn below(&mut self, bound: u64) -> u64 {
        self.world.rng.next_u64() % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let number = usize::try_from(self.below(all.len() as u64)).unwrap();
        all[number].clone()
    }

    /// Half of the users have the lesser ID.
    fn somebody(&mut self) -> securecall_contact::MatrixId {
        if self.below(20) == 0 {
            let seed = 100 + u8::try_from(self.below(20)).unwrap();
            let seed = IdentitySeed::from_bytes([seed; 32]);
            return address(&IdentityKeyPair::from_seed(&seed));
        }
        let side = self.one_of(&["a", "z"]);
        let number = self.below(30);
        user(&format!("{side}{number}"))
    }

    /// Any one field is something else now and then.
    fn spoiled(&mut self, mut content: Value) -> Value {
        if self.below(4) == 0
            && let Value::Object(fields) = &mut content
        {
            let keys: Vec<_> = fields.keys().cloned().collect();
            if !keys.is_empty() {
                let key = self.one_of(&keys);
                let value = self.one_of(&[
                    Value::Null,
                    json!(-1),
                    json!(1e300),
                    json!(""),
                    json!([[]]),
                    json!({ "a": {} }),
                    json!("x".repeat(70_000)),
                ]);
                content[key] = value;
            }
        }
        content
    }

    /// The call that we are in, and our session in it.
    fn own_place(&self) -> (Value, Value) {
        let content = self.world.member(&self.world.ours[&self.ours].user);
        let call = content.map_or(Value::Null, |it| it["m.calls"][0].clone());
        (
            call["m.call_id"].clone(),
            call["m.devices"][0]["session_id"].clone(),
        )
    }

    fn state_event(&mut self) {
        let sender = self.somebody();
        let is_call = self.below(8) == 0;
        let (call_id, _) = self.own_place();
        let content = if is_call {
            let ends = self.below(3) == 0;
            json!({ "m.type": "m.voice", "m.intent": "m.prompt", "m.terminated": ends })
        } else {
            let expires = self.world.server_ms() + self.below(100_000);
            let devices: Vec<_> = (0..self.below(4))
                .map(|number| {
                    json!({
                        "device_id": format!("D{number}"), "session_id": "s",
                        "expires_ts": expires, "feeds": [],
                    })
                })
                .collect();
            json!({ "m.calls": [{ "m.call_id": call_id, "m.devices": devices }] })
        };
        let key = match is_call {
            true => format!("call{}", self.below(3)),
            false => self.one_of(&[sender.clone(), user("m")]).to_string(),
        };
        let event = GroupRoomEvent {
            sender,
            kind: match is_call {
                true => GroupRoomEventKind::Call,
                false => GroupRoomEventKind::Member,
            },
            state_key: key,
            content: self.spoiled(content).to_string(),
            sent_ms: self.world.rng.next_u64() >> self.below(64),
            age_ms: self.one_of(&[None, Some(0), Some(i64::MIN), Some(i64::MAX)]),
        };
        let room = self.world.room.clone();
        self.world.with(self.ours, |endpoint, now, rng| {
            endpoint.handle_group_room_event(now, rng, &room, &event);
        });
    }

    fn device_event(&mut self) {
        let (call_id, session) = self.own_place();
        let id = format!("c{}", self.below(4));
        let event_type = self.one_of(&TYPES);
        let content = match event_type {
            "m.call.invite" => js_invite(&id),
            "m.call.answer" => js_answer(&id),
            _ => of_call(&id, "JSDEVICE"),
        };
        let device: DeviceId = format!("D{}", self.below(4)).parse().unwrap();
        let route = json!({
            "conf_id": call_id, "dest_session_id": session, "sender_session_id": "s",
            "device_id": device.as_str(), "seq": self.below(5),
        });
        let content = self.spoiled(with(content, route)).to_string();
        let sender = self.somebody();
        let is_proven = self.below(8) > 0;
        let _ = self.world.with(self.ours, |endpoint, now, rng| {
            let event = InboundDeviceEvent {
                sender: &sender,
                proven: is_proven.then_some(&device),
                event_type,
                content: &content,
            };
            endpoint.handle_device_event(now, rng, event)
        });
    }

    /// What was sent before comes again, from whomever, whole or not.
    fn sealed_event(&mut self) {
        let sent: Vec<_> = self.world.sealed_sent.clone();
        if sent.is_empty() {
            return;
        }
        let from = self.one_of(&[self.peer, self.ours]);
        let mut content = self.one_of(&sent).content;
        if self.below(4) == 0 {
            content.truncate(content.len() / 2);
        }
        self.world.hand_in_sealed(self.ours, from, &content);
    }

    fn anything_else(&mut self) {
        let room = self.world.room.clone();
        let who = self.one_of(&[user("a1"), user("z1"), user("m")]);
        // Whoever is put out of the room is out of its call for good here.
        let comes = self.below(2) == 0 || who == user("m");
        let calls: Vec<_> = self.world.ours[&self.ours]
            .commands
            .keys()
            .copied()
            .collect();
        match self.below(5) {
            0 => self.world.with(self.ours, |endpoint, now, rng| {
                endpoint.handle_group_room_membership(now, rng, &room, &who, comes);
            }),
            1 => {
                let state = self.world.room_state();
                self.world.with(self.ours, |endpoint, now, rng| {
                    endpoint.handle_group_room_state(now, rng, &room, &state);
                });
            }
            2 => self.world.is_down = !self.world.is_down,
            _ if calls.is_empty() => {}
            3 => {
                let call = self.one_of(&calls);
                let route = PathRoute::Direct;
                let event = self.one_of(&[
                    MediaEvent::PathUp { route },
                    MediaEvent::AuthenticatedPacket,
                    MediaEvent::PathSilent,
                ]);
                self.world.with(self.ours, |endpoint, now, rng| {
                    endpoint.handle_media(now, rng, call, event);
                });
            }
            _ => {
                let (call, muted) = (self.one_of(&calls), self.below(2) == 0);
                let _ = self.world.with(self.ours, |endpoint, now, rng| {
                    endpoint.set_muted(now, rng, call, muted)
                });
            }
        }
    }

    /// Calls that were told of, and are not over.
    fn live(&self) -> usize {
        let events = self.world.ours[&self.ours].events.iter();
        events.fold(0, |live, event| match event {
            Event::Ended { .. } => live - 1,
            Event::Conference {
                event: securecall_session::ConferenceEvent::Leg { .. },
                ..
            } => live + 1,
            _ => live,
        })
    }
}

#[test]
fn whatever_comes_bounds_hold_and_nothing_is_left() {
    let mut most = 0;
    for seed in 0..25 {
        let mut world = World::new(2000 + seed);
        let ours = world.add("m");
        let peer = world.add_sealed();
        world.join(ours);
        world.seconds(5);
        world.join(peer);
        let mut chaos = Chaos { world, ours, peer };
        for _ in 0..600 {
            match chaos.below(8) {
                0 => chaos.anything_else(),
                1 | 2 => chaos.state_event(),
                3 => {
                    let time = chaos.below(3000);
                    chaos.world.run_ms(time);
                }
                4 => chaos.sealed_event(),
                _ => chaos.device_event(),
            }
            // Those that end are told of as over in the same moment.
            assert!(chaos.live() <= 33 + 7, "seed {seed}: {}", chaos.live());
            most = most.max(chaos.live());
            if chaos.world.ours[&ours].endpoint.conference().is_none() {
                chaos.world.is_down = false;
                chaos.world.seconds(100);
                let order = chaos.world.order(false);
                chaos.world.join_with(ours, order).unwrap();
                chaos.world.seconds(3);
            }
        }
        let mut world = chaos.world;
        world.is_down = false;
        world.leave(ours);
        if world.ours[&peer].endpoint.conference().is_some() {
            world.leave(peer);
        }
        world.seconds(400);
        assert!(world.ours[&ours].endpoint.is_empty(), "seed {seed}");
    }
    assert!(most > 16, "{most}");
}

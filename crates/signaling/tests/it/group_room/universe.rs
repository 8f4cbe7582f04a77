//! Several devices in one room, two of them of one user, with a homeserver and a network that delay, reorder, double and lose: at quiet
//! each is connected with each, by one call that both ends know. On virtual time, from seeds.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::MatrixId;
use securecall_signaling::group_room::{
    Addressed, DelayId, Envelope, Failure, GroupRoom, GroupRoomOutput as Output, LegId, Own,
    Request, RequestId, Response, Secrecy, Sent,
};
use securecall_signaling::wire::group_room::{GroupSignal, MessageId};
use securecall_signaling::wire::room::RoomContent;
use securecall_signaling::{DescriptionKind, HangupReason, WireCallId};
use serde_json::Value;
use web_time::Instant;

use super::events::{CALL, call_content};
use super::{BEGIN, RIGHT, SECOND, call, candidates, invite, own, said, sdp, start_call, wire_id};
use crate::calls::origin;
use crate::chance::Chance;

const DEVICES: [(&str, &str); 6] = [
    ("a", "A1"),
    ("b", "B1"),
    ("m", "M1"),
    ("m", "M2"),
    ("x", "X1"),
    ("y", "Y1"),
];

/// After which a call ends of whose other end nothing is heard.
const SILENCE: Duration = Duration::from_secs(30);

enum Event {
    Answer(usize, RequestId, Result<Response, Failure>),
    /// A request reaches the homeserver.
    Asked(usize, RequestId, Request),
    /// A member event reaches a device.
    Member(usize, MatrixId, Value, u64),
    /// The wire of what one device says to another.
    Signal(usize, usize, &'static str, Value),
    /// A call that was not answered is given up.
    Unanswered(usize, LegId, WireCallId),
    /// Nothing is heard of a call's other end, if that is not in it.
    Silent(usize, LegId, WireCallId),
    Leaves(usize),
    Joins(usize),
}

struct Universe {
    chance: Chance,
    now: Instant,
    begin: Instant,
    rooms: Vec<GroupRoom>,
    owns: Vec<Own>,
    /// By device: the calls that are up, by leg.
    up: Vec<BTreeMap<LegId, WireCallId>>,
    /// By device: what is written on what it says in a call.
    envelopes: Vec<BTreeMap<(LegId, WireCallId), Envelope>>,
    server: BTreeMap<MatrixId, Value>,
    sync: Vec<Instant>,
    queue: BTreeMap<(Instant, u64), Event>,
    count: u64,
    placed: usize,
    /// Until then the network is bad.
    bad_until: Instant,
}

impl Universe {
    fn new(seed: u64) -> Self {
        let begin = origin();
        let owns: Vec<_> = DEVICES
            .iter()
            .map(|(name, device)| own(name, device))
            .collect();
        let room = |own: &Own| {
            let mut room = GroupRoom::new(begin, RIGHT, own.clone());
            start_call(&mut room, begin, CALL, BEGIN, &call_content());
            room
        };
        Self {
            chance: Chance(seed),
            now: begin,
            begin,
            rooms: owns.iter().map(room).collect(),
            up: vec![BTreeMap::new(); owns.len()],
            envelopes: vec![BTreeMap::new(); owns.len()],
            sync: vec![begin; owns.len()],
            owns,
            server: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            placed: 0,
            bad_until: begin + SECOND * 30,
        }
    }

    fn later(&mut self, at: Instant, event: Event) {
        self.count += 1;
        self.queue.insert((at, self.count), event);
    }

    fn run(&mut self, until: Instant) {
        loop {
            self.drain();
            let due = self.rooms.iter().filter_map(GroupRoom::poll_timeout).min();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = [due, queued]
                .into_iter()
                .flatten()
                .min()
                .filter(|at| *at <= until)
            else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            match self.queue.first_entry().filter(|it| it.key().0 <= self.now) {
                Some(entry) => {
                    let event = entry.remove();
                    self.happens(event);
                }
                None => self
                    .rooms
                    .iter_mut()
                    .for_each(|room| room.handle_timeout(self.now)),
            }
        }
    }

    fn happens(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Joins(who) => self.rooms[who]
                .join(now, &call(), Secrecy::Encrypted)
                .unwrap(),
            Event::Leaves(who) => {
                self.rooms[who].leave();
            }
            Event::Answer(who, id, answer) => self.rooms[who].handle_response(now, id, answer),
            Event::Asked(who, id, request) => self.asked(who, id, request),
            Event::Member(who, user, content, sent_ms) => {
                let at_ms = BEGIN + (now - self.begin).as_millis() as u64;
                let sent = Sent {
                    at_ms: sent_ms,
                    age_ms: Some((at_ms - sent_ms) as i64),
                };
                self.rooms[who]
                    .handle_member_event(now, &user, sent, content.to_string().as_bytes(), true)
                    .unwrap();
            }
            Event::Signal(from, to, event_type, content) => {
                let signal = GroupSignal::parse(event_type, content.to_string().as_bytes());
                let own = self.owns[from].clone();
                let signal = signal.unwrap().unwrap();
                let _ = self.rooms[to].handle_signal(now, &own.user, Some(&own.device_id), signal);
            }
            Event::Silent(who, leg, call_id) => {
                if self.up[who].get(&leg) != Some(&call_id) {
                    return;
                }
                let is_heard = self
                    .other_end(who, leg)
                    .is_some_and(|other| self.up[other].values().any(|it| *it == call_id));
                if is_heard {
                    self.later(now + SILENCE, Event::Silent(who, leg, call_id));
                } else {
                    self.up[who].remove(&leg);
                    self.rooms[who].leg_ended(now, leg, Some(&call_id));
                }
            }
            Event::Unanswered(who, leg, call_id) => {
                if self.up[who].get(&leg) != Some(&call_id) {
                    self.rooms[who].leg_ended(now, leg, Some(&call_id));
                }
            }
        }
    }

    fn asked(&mut self, who: usize, id: RequestId, request: Request) {
        let user = self.owns[who].user.clone();
        let answer = match request {
            Request::ReadMember => match self.server.get(&user) {
                Some(content) => Ok(Response::Content(content.to_string().into_bytes())),
                None => Err(Failure::NotFound),
            },
            Request::WriteMember { content } => {
                self.server.insert(user.clone(), content.clone());
                let sent_ms = BEGIN + (self.now - self.begin).as_millis() as u64;
                for other in 0..self.rooms.len() {
                    // Each device sees all events in the order in which they were sent.
                    let at = (self.now + self.chance.within(SECOND * 2)).max(self.sync[other]);
                    self.sync[other] = at;
                    self.later(
                        at,
                        Event::Member(other, user.clone(), content.clone(), sent_ms),
                    );
                }
                Ok(Response::Done)
            }
            Request::ScheduleMember { .. } => Ok(Response::Delayed(DelayId::parse("d").unwrap())),
            Request::RestartDelayed { .. } | Request::CancelDelayed { .. } => Ok(Response::Done),
        };
        let at = self.now + self.chance.within(SECOND);
        self.later(at, Event::Answer(who, id, answer));
    }

    fn drain(&mut self) {
        for who in 0..self.rooms.len() {
            while let Some(output) = self.rooms[who].poll_output() {
                self.does(who, output);
            }
        }
    }

    fn does(&mut self, who: usize, output: Output) {
        match output {
            Output::Request { id, request } => {
                let at = self.now + self.chance.within(SECOND);
                self.later(at, Event::Asked(who, id, request));
            }
            Output::PlaceCall { leg } => {
                self.placed += 1;
                let call_id = format!("c{}", self.placed);
                let id = WireCallId::parse(&call_id).unwrap();
                self.rooms[who].leg_placed(leg, id.clone());
                self.says(who, leg, &call_id, invite(&call_id).content);
                self.says(who, leg, &call_id, candidates(&call_id).content);
                self.later(self.now + SECOND * 10, Event::Unanswered(who, leg, id));
            }
            Output::Signal { leg, signal } => self.hears(who, leg, signal.call_id, &signal.content),
            Output::EndCall { leg, .. } => {
                if let Some(id) = self.up[who].remove(&leg) {
                    let reason = HangupReason::UserHangup.into();
                    self.says(who, leg, id.as_str(), RoomContent::Hangup { reason });
                    self.rooms[who].leg_ended(self.now, leg, Some(&id));
                }
            }
            _ => {}
        }
    }

    fn hears(&mut self, who: usize, leg: LegId, id: WireCallId, content: &RoomContent) {
        match content {
            RoomContent::Invite(_) => {
                let answer = sdp(DescriptionKind::Answer);
                self.comes_up(who, leg, id.clone());
                self.says(
                    who,
                    leg,
                    id.as_str(),
                    RoomContent::Answer {
                        answer,
                        streams: None,
                    },
                );
                self.says(who, leg, id.as_str(), candidates(id.as_str()).content);
            }
            RoomContent::Answer { .. } => {
                self.rooms[who].leg_connected(self.now, leg);
                self.comes_up(who, leg, id);
            }
            RoomContent::Hangup { .. } if self.up[who].get(&leg) == Some(&id) => {
                self.up[who].remove(&leg);
                self.rooms[who].leg_ended(self.now, leg, Some(&id));
            }
            _ => {}
        }
    }

    /// From now on the call ends by itself if nothing is heard of its other end: a hangup may be lost.
    fn comes_up(&mut self, who: usize, leg: LegId, id: WireCallId) {
        self.up[who].insert(leg, id.clone());
        self.later(self.now + SILENCE, Event::Silent(who, leg, id));
    }

    fn other_end(&self, who: usize, leg: LegId) -> Option<usize> {
        let it = self.rooms[who].participant(leg)?;
        let is_it = |own: &Own| own.user == it.user && own.device_id == it.device_id;
        self.owns.iter().position(is_it)
    }

    fn says(&mut self, who: usize, leg: LegId, call_id: &str, content: RoomContent) {
        let Some(fresh) = self.rooms[who].envelope(leg) else {
            return;
        };
        let key = (leg, wire_id(call_id));
        let envelope = self.envelopes[who].entry(key).or_insert(fresh);
        let Addressed {
            user,
            device_id,
            signal,
        } = envelope.address(said(call_id, content));
        let (event_type, content) = signal.to_event(MessageId::from_random([1; 16]));
        let to = self
            .owns
            .iter()
            .position(|it| it.user == user && it.device_id == device_id)
            .unwrap();
        let is_bad = self.now < self.bad_until;
        let copies = match (is_bad, self.chance.below(10)) {
            (true, 0) => 0,
            (true, 1) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + self.chance.within(SECOND);
            self.later(at, Event::Signal(who, to, event_type, content.clone()));
        }
    }

    /// The calls of one device by the other end.
    fn calls_of(&self, who: usize) -> BTreeMap<usize, WireCallId> {
        let legs = self.up[who].iter();
        legs.filter_map(|(leg, id)| Some((self.other_end(who, *leg)?, id.clone())))
            .collect()
    }
}

#[test]
fn at_quiet_each_is_connected_with_each() {
    for seed in 0..60 {
        let mut universe = Universe::new(seed);
        let begin = universe.begin;
        for who in 0..DEVICES.len() {
            let at = begin + universe.chance.within(SECOND * 5);
            universe.later(at, Event::Joins(who));
            // Some come back, as the same run of the same client.
            if universe.chance.below(2) == 0 {
                let away = at + universe.chance.within(SECOND * 15);
                universe.later(away, Event::Leaves(who));
                universe.later(away + SECOND * 10, Event::Joins(who));
            }
        }
        universe.run(begin + SECOND * 120);
        for a in 0..DEVICES.len() {
            let calls = universe.calls_of(a);
            let others: Vec<_> = (0..DEVICES.len()).filter(|b| *b != a).collect();
            assert_eq!(
                calls.keys().copied().collect::<Vec<_>>(),
                others,
                "seed {seed}, {a}"
            );
            for (b, id) in calls {
                assert_eq!(
                    universe.calls_of(b).get(&a),
                    Some(&id),
                    "seed {seed}: {a} and {b}"
                );
            }
        }
        assert!(
            universe.placed < 120,
            "seed {seed}: {} calls",
            universe.placed
        );

        for who in 0..DEVICES.len() {
            universe.happens(Event::Leaves(who));
        }
        universe.run(begin + SECOND * 240);
        for (who, room) in universe.rooms.iter().enumerate() {
            assert_eq!(
                room.participants(&call(), universe.now).count(),
                0,
                "seed {seed}"
            );
            assert!(room.poll_timeout().is_none(), "seed {seed}, {who}");
        }
    }
}

//! Several devices in one room, two of them of one user, with a homeserver and a network that delay, reorder, double and lose: at quiet
//! each is connected with each, by one call that both ends know. On virtual time, from seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use securecall_contact::MatrixId;
use securecall_signaling::WireCallId;
use securecall_signaling::group_room::{
    Addressed, Clocks, DelayId, Failure, GroupRoom, GroupRoomOutput as Output, LegId, MAX_LEGS,
    Own, Request, RequestId, Response, Secrecy, Sent,
};
use securecall_signaling::wire::group_room::{GroupSignal, MessageId};
use securecall_signaling::wire::room::RoomContent;
use securecall_signaling::{Description, DescriptionKind, HangupReason};
use serde_json::Value;
use web_time::Instant;

use crate::group_events::{CALL, call_content};
use crate::group_rooms::{BEGIN, NOW, call, invite, origin, own, said, start_call, user};

const SECOND: Duration = Duration::from_secs(1);
const DEVICES: [(&str, &str); 6] = [
    ("a", "A1"),
    ("b", "B1"),
    ("m", "M1"),
    ("m", "M2"),
    ("x", "X1"),
    ("y", "Y1"),
];

/// A generator whose numbers depend on its seed alone (splitmix64).
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn within(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(longest.as_millis() as u64))
    }
}

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
    Leaves(usize),
    Joins(usize),
}

struct Universe {
    seed: Seed,
    now: Instant,
    begin: Instant,
    rooms: Vec<GroupRoom>,
    owns: Vec<Own>,
    /// By device: the calls that are up, by leg.
    up: Vec<BTreeMap<LegId, WireCallId>>,
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
        let clocks = Clocks {
            wallclock_ms: BEGIN,
            homeserver_ms: Some(BEGIN),
        };
        let room = |own: &Own| {
            let mut room = GroupRoom::new(begin, clocks, own.clone());
            start_call(&mut room, begin, CALL, BEGIN, &call_content());
            room
        };
        Self {
            seed: Seed(seed),
            now: begin,
            begin,
            rooms: owns.iter().map(room).collect(),
            up: vec![BTreeMap::new(); owns.len()],
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
                    let at = (self.now + self.seed.within(SECOND * 2)).max(self.sync[other]);
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
        let at = self.now + self.seed.within(SECOND);
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
                let at = self.now + self.seed.within(SECOND);
                self.later(at, Event::Asked(who, id, request));
            }
            Output::PlaceCall { leg } => {
                self.placed += 1;
                let call_id = format!("c{}", self.placed);
                let id = WireCallId::parse(&call_id).unwrap();
                self.rooms[who].leg_placed(leg, id.clone());
                self.says(who, leg, &call_id, invite(&call_id).content);
                self.says(
                    who,
                    leg,
                    &call_id,
                    RoomContent::Candidates {
                        candidates: Vec::new(),
                    },
                );
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
                let answer = Description {
                    kind: DescriptionKind::Answer,
                    sdp: "v=0".to_owned(),
                };
                self.up[who].insert(leg, id.clone());
                self.says(
                    who,
                    leg,
                    id.as_str(),
                    RoomContent::Answer {
                        answer,
                        streams: None,
                    },
                );
                self.says(
                    who,
                    leg,
                    id.as_str(),
                    RoomContent::Candidates {
                        candidates: Vec::new(),
                    },
                );
            }
            RoomContent::Answer { .. } => {
                self.rooms[who].leg_connected(self.now, leg);
                self.up[who].insert(leg, id);
            }
            RoomContent::Hangup { .. } if self.up[who].get(&leg) == Some(&id) => {
                self.up[who].remove(&leg);
                self.rooms[who].leg_ended(self.now, leg, Some(&id));
            }
            _ => {}
        }
    }

    fn says(&mut self, who: usize, leg: LegId, call_id: &str, content: RoomContent) {
        let Some(Addressed {
            user,
            device_id,
            signal,
        }) = self.rooms[who].address(leg, said(call_id, content))
        else {
            return;
        };
        let (event_type, content) = signal.to_event(MessageId::from_random([1; 16]));
        let to = self
            .owns
            .iter()
            .position(|it| it.user == user && it.device_id == device_id)
            .unwrap();
        let is_bad = self.now < self.bad_until;
        let copies = match (is_bad, self.seed.below(10)) {
            (true, 0) => 0,
            (true, 1) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + self.seed.within(SECOND);
            self.later(at, Event::Signal(who, to, event_type, content.clone()));
        }
    }

    /// The calls of one device by the other end.
    fn calls_of(&self, who: usize) -> BTreeMap<usize, WireCallId> {
        let other = |leg: &LegId| {
            let it = self.rooms[who].participant(*leg)?;
            self.owns
                .iter()
                .position(|own| own.user == it.user && own.device_id == it.device_id)
        };
        let legs = self.up[who].iter();
        legs.filter_map(|(leg, id)| Some((other(leg)?, id.clone())))
            .collect()
    }
}

#[test]
fn at_quiet_each_is_connected_with_each() {
    for seed in 0..60 {
        let mut universe = Universe::new(seed);
        let begin = universe.begin;
        for who in 0..DEVICES.len() {
            let at = begin + universe.seed.within(SECOND * 5);
            universe.later(at, Event::Joins(who));
            // Some come back, as the same run of the same client.
            if universe.seed.below(2) == 0 {
                let away = at + universe.seed.within(SECOND * 15);
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

#[derive(Clone, Debug)]
enum Input {
    Call(u8, bool),
    Member(u8, Vec<(u8, u8, i64)>, bool),
    Membership(u8, bool),
    Signal(u8, u8, u8, Option<u32>, u8, bool),
    Placed(u8),
    Connected(u8),
    Ended(u8, bool),
    Answer(u8),
    Wait(u16),
    Join,
    Leave,
}

fn inputs() -> impl Strategy<Value = Input> {
    let devices = prop::collection::vec((0..12_u8, 0..3_u8, -5_000..5_000_000_i64), 0..20);
    prop_oneof![
        (0..4_u8, any::<bool>()).prop_map(|(id, open)| Input::Call(id, open)),
        (0..60_u8, devices, any::<bool>())
            .prop_map(|(user, devices, joined)| Input::Member(user, devices, joined)),
        (0..60_u8, any::<bool>()).prop_map(|(user, joined)| Input::Membership(user, joined)),
        (
            0..60_u8,
            0..12_u8,
            0..3_u8,
            prop::option::of(0..40_u32),
            0..5_u8,
            any::<bool>()
        )
            .prop_map(
                |(user, device, session, number, call, is_invite)| Input::Signal(
                    user, device, session, number, call, is_invite
                )
            ),
        (0..40_u8).prop_map(Input::Placed),
        (0..40_u8).prop_map(Input::Connected),
        (0..40_u8, any::<bool>()).prop_map(|(leg, placed)| Input::Ended(leg, placed)),
        (0..8_u8).prop_map(Input::Answer),
        (0..60_000_u16).prop_map(Input::Wait),
        Just(Input::Join),
        Just(Input::Leave),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_comes_the_bounds_hold(inputs in prop::collection::vec(inputs(), 0..150)) {
        let mut now = origin();
        let clocks = Clocks { wallclock_ms: BEGIN, homeserver_ms: None };
        let mut room = GroupRoom::new(now, clocks, own("u30", "D3"));
        let (mut legs, mut requests, mut in_call) = (Vec::new(), Vec::new(), BTreeSet::new());
        for input in inputs {
            feed(&mut room, &mut now, &legs, &mut requests, input);
            while let Some(output) = room.poll_output() {
                match output {
                    Output::Request { id, .. } => requests.push(id),
                    Output::Joined { leg, participant } => {
                        prop_assert!(participant.user != user("u30") || participant.device_id.as_str() != "D3");
                        prop_assert!(in_call.insert(leg));
                        legs.push(leg);
                    }
                    Output::Left { leg } => prop_assert!(in_call.remove(&leg)),
                    Output::PlaceCall { leg } | Output::Signal { leg, .. } => prop_assert!(in_call.contains(&leg)),
                    _ => {}
                }
            }
            prop_assert!(in_call.len() <= MAX_LEGS);
            prop_assert!(requests.len() <= 4, "{} at once", requests.len());
        }
        room.leave();
        while let Some(due) = room.poll_timeout() {
            now = now.max(due);
            room.handle_timeout(now);
            while room.poll_output().is_some() {}
        }
    }
}

fn feed(
    room: &mut GroupRoom,
    now: &mut Instant,
    legs: &[LegId],
    requests: &mut Vec<RequestId>,
    input: Input,
) {
    let leg = |n: u8| legs.get(usize::from(n)).copied();
    let id = |n: u8| WireCallId::parse(&format!("c{n}")).unwrap();
    match input {
        Input::Call(n, is_open) => {
            let name = if n == 0 {
                CALL.to_owned()
            } else {
                format!("call{n}")
            };
            let content = if is_open {
                call_content()
            } else {
                serde_json::json!({})
            };
            start_call(room, *now, &name, BEGIN - u64::from(n), &content);
        }
        Input::Member(name, devices, joined) => {
            let device = |(id, session, left): (u8, u8, i64)| {
                crate::group_events::device(
                    &format!("D{id}"),
                    &format!("s{session}"),
                    BEGIN.saturating_add_signed(left),
                )
            };
            let devices: Vec<_> = devices.into_iter().map(device).collect();
            let content = crate::group_events::member_content(CALL, &devices).to_string();
            let _ = room.handle_member_event(
                *now,
                &user(&format!("u{name}")),
                NOW,
                content.as_bytes(),
                joined,
            );
        }
        Input::Membership(name, joined) => {
            room.handle_room_membership(*now, &user(&format!("u{name}")), joined);
        }
        Input::Signal(name, device, session, number, call_id, is_invite) => {
            let signal = if is_invite {
                invite(id(call_id).as_str())
            } else {
                said(
                    id(call_id).as_str(),
                    RoomContent::Candidates {
                        candidates: Vec::new(),
                    },
                )
            };
            let device: securecall_contact::DeviceId = format!("D{device}").parse().unwrap();
            let session =
                securecall_signaling::wire::group_room::SessionId::parse(&format!("s{session}"))
                    .unwrap();
            let route = securecall_signaling::wire::group_room::Route {
                group_call_id: call(),
                device_id: None,
                from_session: Some(session),
                to_session: own("u30", "D3").session_id,
                sequence_number: number,
            };
            let _ = room.handle_signal(
                *now,
                &user(&format!("u{name}")),
                Some(&device),
                GroupSignal { route, signal },
            );
        }
        Input::Placed(n) => {
            if let Some(leg) = leg(n) {
                room.leg_placed(leg, id(n));
            }
        }
        Input::Connected(n) => {
            if let Some(leg) = leg(n) {
                room.leg_connected(*now, leg);
            }
        }
        Input::Ended(n, placed) => {
            if let Some(leg) = leg(n) {
                room.leg_ended(*now, leg, placed.then(|| id(n)).as_ref());
            }
        }
        Input::Answer(n) => {
            if !requests.is_empty() {
                let request = requests.remove(usize::from(n) % requests.len());
                let answer = match n {
                    0 | 1 => Ok(Response::Done),
                    2 => Ok(Response::Content(b"{}".to_vec())),
                    3 => Ok(Response::Delayed(DelayId::parse("d").unwrap())),
                    4 => Err(Failure::NotFound),
                    5 => Err(Failure::Unsupported),
                    6 => Err(Failure::Later(SECOND * 1000)),
                    _ => Err(Failure::Forbidden),
                };
                room.handle_response(*now, request, answer);
            }
        }
        Input::Wait(ms) => {
            *now += Duration::from_millis(u64::from(ms));
            room.handle_timeout(*now);
        }
        Input::Join => {
            let _ = room.join(*now, &call(), Secrecy::Encrypted);
        }
        Input::Leave => room.leave(),
    }
}

//! Group calls by matrix-js-sdk (MSC3401), with the newest version in clear and with the last one that encrypts: all hear all; we read
//! whatever they really say; and when we say that we are in the call, they believe it and call us.

#![expect(clippy::disallowed_methods, reason = "the peers live in real time")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use securecall_interop::{
    JsSdk, JsSdkDevice, JsSdkGroupEvent, JsSdkGroupStatus, JsSdkLogin, JsSdkWay, Synapse,
    SynapseOptions,
};
use securecall_signaling::group_room::{
    Clocks, DelayId, Failure, GroupRoom, GroupRoomOutput as Output, LEAVE_DELAY, Own, Request,
    Response, Secrecy, Sent,
};
use securecall_signaling::wire::group_room::{
    CALL_EVENT, CallState, GroupCallId, GroupSignal, MEMBER_EVENT, MemberState, SessionId,
};
use securecall_signaling::wire::room::RoomContent;
use serde_json::{Value, json};

use crate::matrix_client::Client;

const TONES: [f32; 3] = [440.0, 700.0, 1000.0];

/// Three devices of three users in one room with one call, and ourselves in the room.
struct Meeting<'a> {
    devices: Vec<JsSdkDevice>,
    room: String,
    call: String,
    ours: Client<'a>,
}

impl<'a> Meeting<'a> {
    fn new(synapse: &'a Synapse, browser: &JsSdk, names: &str) -> Self {
        let device = |(number, hertz): (usize, f32)| {
            let (homeserver, user) = (&synapse.base_url(), &format!("{names}{number}"));
            browser.register(homeserver, user, "password").unwrap();
            let login = JsSdkLogin {
                homeserver,
                user,
                password: "password",
                hertz,
                force_turn: false,
            };
            browser.log_in(&login).unwrap()
        };
        let devices: Vec<_> = TONES.into_iter().enumerate().map(device).collect();
        // Of all the greatest, so that they call us.
        let ours = Client::new(synapse, &format!("{names}_"));
        let [first, others @ ..] = &devices[..] else {
            unreachable!("there are three")
        };
        let mut invitees: Vec<_> = others.iter().map(JsSdkDevice::user_id).collect();
        invitees.push(&ours.matrix_id);
        let room = first.create_group_room(&invitees).unwrap();
        for other in others {
            other.join_invite(first.user_id()).unwrap();
        }
        ours.join(&room);
        for user in invitees {
            for device in &devices {
                device.wait_for_member(&room, user).unwrap();
            }
        }
        let call = first.create_group_call(&room).unwrap();
        Self {
            devices,
            room,
            call,
            ours,
        }
    }

    /// All enter, and hear all others. Gives what each knows then.
    fn enter(&self) -> Vec<JsSdkGroupStatus> {
        for device in &self.devices {
            assert_eq!(device.enter_group_call(&self.room).unwrap(), self.call);
        }
        let hears = |(number, device): (usize, &JsSdkDevice)| {
            let others = TONES.iter().enumerate().filter(|(it, _)| *it != number);
            let others: Vec<_> = others.map(|(_, hertz)| *hertz).collect();
            device.wait_for_group_tones(&self.room, &others).unwrap()
        };
        self.devices.iter().enumerate().map(hears).collect()
    }

    fn device_ids(&self) -> BTreeSet<&str> {
        self.devices.iter().map(JsSdkDevice::device_id).collect()
    }
}

#[test]
fn all_hear_all_and_we_and_they_understand_each_other() {
    let options = SynapseOptions {
        delayed_events: true,
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let newest = JsSdk::start().unwrap();
    let with_olm = JsSdk::start_with_olm().unwrap();
    for (browser, names, secrecy) in [
        (newest, "clear", Secrecy::InClearToo),
        (with_olm, "olm", Secrecy::Encrypted),
    ] {
        let meeting = Meeting::new(&synapse, &browser, names);
        let known = meeting.enter();
        println!(
            "{names}: all heard all {:.0} ms after the last came",
            after_ms(&known)
        );
        for device in &meeting.devices {
            let events = device.group_events().unwrap();
            we_read_all(&events, &meeting, secrecy == Secrecy::Encrypted);
        }
        they_know_us(&meeting, secrecy);
    }
}

/// From the last who entered to the last first packet.
fn after_ms(known: &[JsSdkGroupStatus]) -> f64 {
    let entered = known.iter().filter_map(|it| it.entered_at_ms);
    let legs = known.iter().flat_map(|it| &it.legs);
    let heard = legs.filter_map(|it| it.first_packet_at_ms);
    heard.fold(0.0, f64::max) - entered.fold(0.0, f64::max)
}

/// Every event is one that we read, and says what it should.
fn we_read_all(events: &[JsSdkGroupEvent], meeting: &Meeting<'_>, encrypted: bool) {
    let call = GroupCallId::parse(&meeting.call).unwrap();
    let (mut in_call, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let content = event.content.to_string();
        match (event.way, event.kind.as_str()) {
            (JsSdkWay::State, CALL_EVENT) => {
                let state = CallState::parse(content.as_bytes()).unwrap();
                assert!(matches!(state, CallState::Open(_)), "{content}");
            }
            (JsSdkWay::State, MEMBER_EVENT) => {
                let state = MemberState::parse(content.as_bytes()).unwrap();
                let devices = state.devices_in(&call).iter();
                in_call.extend(devices.map(|it| it.device_id.to_string()));
            }
            (way, kind) => {
                let read = GroupSignal::parse(kind, content.as_bytes());
                let signal = read.unwrap_or_else(|error| panic!("{kind}: {error}: {content}"));
                let route = signal
                    .unwrap_or_else(|| panic!("{kind} is no event of ours"))
                    .route;
                assert_eq!(route.group_call_id, call);
                assert!(route.from_session.is_some() && route.sequence_number.is_some());
                let sender = route.device_id.unwrap();
                assert!(meeting.device_ids().contains(sender.as_str()));
                if way == JsSdkWay::Received {
                    assert_eq!(event.encrypted, Some(encrypted), "{kind}");
                }
                kinds.insert(kind.to_owned());
            }
        }
    }
    assert_eq!(
        in_call.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        meeting.device_ids()
    );
    for kind in [
        "m.call.invite",
        "m.call.answer",
        "m.call.candidates",
        "m.call.select_answer",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
}

/// We join by our own rules, all see us in the call and call us, and when we leave, or are gone without a word, we are not in it.
fn they_know_us(meeting: &Meeting<'_>, secrecy: Secrecy) {
    let mut us = Us::new(meeting);
    us.read_room();
    let theirs: Vec<_> = us.participants();
    assert_eq!(
        theirs.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        meeting.device_ids()
    );
    let call = GroupCallId::parse(&meeting.call).unwrap();
    us.room.join(Instant::now(), &call, secrecy).unwrap();
    us.work();
    let mut all: Vec<_> = meeting.device_ids().into_iter().collect();
    all.push(&meeting.ours.device_id);
    for device in &meeting.devices {
        device.wait_for_group_devices(&meeting.room, &all).unwrap();
    }
    if secrecy == Secrecy::InClearToo {
        us.wait_for_invites(3);
    } else {
        // Without keys of ours they cannot encrypt for us, and say so; they do not call in clear.
        let stops = Instant::now() + Duration::from_secs(2);
        while Instant::now() < stops {
            assert_eq!(us.hear(), 0);
        }
    }
    // The homeserver holds back what takes us out, and begins anew when we ask.
    let delay_id = us.delay_id.clone().unwrap();
    us.room.handle_timeout(Instant::now() + LEAVE_DELAY / 2);
    us.work();
    if secrecy == Secrecy::InClearToo {
        us.room.leave();
        us.work();
        assert_eq!(us.delay_id, None, "it is taken back");
    } else {
        // As if the time were over.
        us.tell_delayed(&delay_id, "send").unwrap();
    }
    for device in &meeting.devices {
        let theirs: Vec<_> = meeting.device_ids().into_iter().collect();
        device
            .wait_for_group_devices(&meeting.room, &theirs)
            .unwrap();
    }
}

/// Our own device, without a voice.
struct Us<'a> {
    meeting: &'a Meeting<'a>,
    room: GroupRoom,
    /// What the homeserver holds back.
    delay_id: Option<DelayId>,
}

impl<'a> Us<'a> {
    fn new(meeting: &'a Meeting<'a>) -> Self {
        let own = Own {
            user: meeting.ours.matrix_id.parse().unwrap(),
            device_id: meeting.ours.device_id.parse().unwrap(),
            session_id: SessionId::from_random([9; 16]),
        };
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let clocks = Clocks {
            wallclock_ms: u64::try_from(now_ms.unwrap().as_millis()).unwrap(),
            homeserver_ms: None,
        };
        Self {
            meeting,
            room: GroupRoom::new(Instant::now(), clocks, own),
            delay_id: None,
        }
    }

    /// The state of the room, as the homeserver has it.
    fn read_room(&mut self) {
        let path = format!("rooms/{}/state", self.meeting.room);
        let (code, state) = self.meeting.ours.try_to("GET", &path, &Value::Null);
        assert_eq!(code, 200, "{state}");
        for event in state.as_array().unwrap() {
            self.read_state(event);
        }
    }

    fn read_state(&mut self, event: &Value) {
        let now = Instant::now();
        let content = event["content"].to_string();
        let key = event["state_key"].as_str().unwrap_or_default();
        let sent = Sent {
            at_ms: event["origin_server_ts"].as_u64().unwrap(),
            age_ms: event["unsigned"]["age"].as_i64(),
        };
        match event["type"].as_str().unwrap() {
            CALL_EVENT => {
                let id = GroupCallId::parse(key).unwrap();
                let read = self
                    .room
                    .handle_call_event(now, id, sent.at_ms, content.as_bytes());
                read.unwrap();
            }
            MEMBER_EVENT => {
                let user = key.parse().unwrap();
                let read =
                    self.room
                        .handle_member_event(now, &user, sent, content.as_bytes(), true);
                read.unwrap();
            }
            _ => {}
        }
    }

    fn participants(&self) -> Vec<String> {
        let call = GroupCallId::parse(&self.meeting.call).unwrap();
        let all = self.room.participants(&call, Instant::now());
        all.map(|it| it.device_id.to_string()).collect()
    }

    /// Asks the homeserver what the room wants to be asked. Gives how many invites were said.
    fn work(&mut self) -> usize {
        let mut invites = 0;
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Request { id, request } => {
                    let answer = self.ask(request);
                    self.room.handle_response(Instant::now(), id, answer);
                }
                Output::Signal { signal, .. } => {
                    invites += usize::from(matches!(signal.content, RoomContent::Invite(_)));
                }
                Output::PlaceCall { .. } => panic!("it is for the others to call"),
                _ => {}
            }
        }
        invites
    }

    fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        let ours = &self.meeting.ours;
        let (room, user) = (&self.meeting.room, &ours.matrix_id);
        let path = format!("rooms/{room}/state/{MEMBER_EVENT}/{user}");
        let (code, answer) = match request {
            Request::ReadMember => ours.try_to("GET", &path, &Value::Null),
            Request::WriteMember { content } => ours.try_to("PUT", &path, &content),
            Request::ScheduleMember { content, delay } => {
                let path = format!("{path}?org.matrix.msc4140.delay={}", delay.as_millis());
                let (code, answer) = ours.try_to("PUT", &path, &content);
                assert_eq!(code, 200, "{answer}");
                self.delay_id = DelayId::parse(answer["delay_id"].as_str().unwrap());
                return Ok(Response::Delayed(self.delay_id.clone().unwrap()));
            }
            Request::RestartDelayed { delay_id } => return self.tell_delayed(&delay_id, "restart"),
            Request::CancelDelayed { delay_id } => {
                self.delay_id = None;
                return self.tell_delayed(&delay_id, "cancel");
            }
        };
        match code {
            200 => Ok(Response::Content(answer.to_string().into_bytes())),
            404 => Err(Failure::NotFound),
            _ => panic!("{path}: {answer}"),
        }
    }

    fn tell_delayed(&self, delay_id: &DelayId, action: &str) -> Result<Response, Failure> {
        let id = delay_id.as_str();
        let path =
            format!("/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{id}/{action}");
        let (code, answer) = self.meeting.ours.ask_at("POST", &path, &json!({}));
        assert_eq!(code, 200, "{action}: {answer}");
        Ok(Response::Done)
    }

    /// Takes what is new. Gives how many invites were said.
    fn hear(&mut self) -> usize {
        let news = self.meeting.ours.sync();
        let timeline = &news["rooms"]["join"][&self.meeting.room]["timeline"]["events"];
        for event in timeline.as_array().into_iter().flatten() {
            self.read_state(event);
        }
        for event in news["to_device"]["events"].as_array().into_iter().flatten() {
            let kind = event["type"].as_str().unwrap();
            let content = event["content"].to_string();
            if let Some(signal) = GroupSignal::parse(kind, content.as_bytes()).unwrap() {
                let sender = event["sender"].as_str().unwrap().parse().unwrap();
                let now = Instant::now();
                self.room.handle_signal(now, &sender, None, signal).unwrap();
            }
        }
        self.work()
    }

    fn wait_for_invites(&mut self, count: usize) {
        let gives_up = Instant::now() + Duration::from_secs(60);
        let mut heard = 0;
        while heard < count {
            assert!(Instant::now() < gives_up, "{heard} of {count} called us");
            heard += self.hear();
        }
        assert_eq!(heard, count);
    }
}

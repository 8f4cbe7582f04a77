//! Group calls in rooms, as `docs/protocol/group-rooms.md` has them: which call counts, who is in it, who calls whom, in which order things are
//! said, and our own place in it. On virtual time.

mod any_inputs;
mod events;
mod legs;
mod members;
mod own_membership;
mod room_calls;
mod signals;
mod universe;

use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId};
use securecall_signaling::group_room::{
    Clocks, GroupRoom, GroupRoomOutput as Output, LegId, Own, Secrecy, Sent, SignalRefused,
};
use securecall_signaling::wire::group_room::{GroupCallId, GroupSignal, Route, SessionId};
use securecall_signaling::wire::room::{RoomContent, RoomInvite, RoomReason, RoomSignal};
use securecall_signaling::{Description, DescriptionKind, HangupReason, PartyId, WireCallId};
use serde_json::Value;
use web_time::Instant;

use self::events::{CALL, call_content, device, member_content};

/// The homeserver's time when a test begins, in Unix ms.
const BEGIN: u64 = 1_795_892_916_000;
const HOUR: u64 = 3_600_000;
const SECOND: Duration = Duration::from_secs(1);

fn user(name: &str) -> MatrixId {
    format!("@{name}:homeserver.test").parse().unwrap()
}

fn own(name: &str, device: &str) -> Own {
    Own {
        user: user(name),
        device_id: device.parse().unwrap(),
        session_id: SessionId::parse(&format!("{name}-{device}")).unwrap(),
    }
}

fn call() -> GroupCallId {
    GroupCallId::parse(CALL).unwrap()
}

const RIGHT: Clocks = Clocks {
    wallclock_ms: BEGIN,
    homeserver_ms: Some(BEGIN),
};

/// Sent just now.
const NOW: Sent = Sent {
    at_ms: BEGIN,
    age_ms: Some(0),
};

fn outputs(room: &mut GroupRoom) -> Vec<Output> {
    std::iter::from_fn(|| room.poll_output())
        .filter(|output| !matches!(output, Output::Request { .. }))
        .collect()
}

fn start_call(room: &mut GroupRoom, now: Instant, id: &str, sent_ms: u64, content: &Value) {
    let id = GroupCallId::parse(id).unwrap();
    let _ = room.handle_call_event(now, id, sent_ms, content.to_string().as_bytes());
}

fn has_joined(room: &mut GroupRoom, now: Instant, name: &str, devices: &[Value], sent: Sent) {
    let content = member_content(CALL, devices).to_string();
    room.handle_member_event(now, &user(name), sent, content.as_bytes(), true)
        .unwrap();
}

/// One device is in the call, for an hour.
fn enters(room: &mut GroupRoom, now: Instant, name: &str, device_id: &str, session: &str) {
    let device = device(device_id, session, BEGIN + HOUR);
    has_joined(room, now, name, &[device], NOW);
}

/// A room with a call in it that M's device joined.
fn in_call(now: Instant) -> GroupRoom {
    in_call_by(now, RIGHT)
}

fn in_call_by(now: Instant, clocks: Clocks) -> GroupRoom {
    let mut room = GroupRoom::new(now, clocks, own("m", "M1"));
    start_call(&mut room, now, CALL, BEGIN, &call_content());
    room.join(now, &call(), Secrecy::Encrypted).unwrap();
    outputs(&mut room);
    room
}

/// The same with a device of somebody in it.
fn in_call_with(now: Instant, name: &str, device_id: &str) -> (GroupRoom, LegId) {
    let mut room = in_call(now);
    enters(&mut room, now, name, device_id, "s1");
    let leg = outputs(&mut room)
        .into_iter()
        .find_map(|output| match output {
            Output::Joined { leg, .. } => Some(leg),
            _ => None,
        });
    (room, leg.unwrap())
}

fn wire_id(id: &str) -> WireCallId {
    WireCallId::parse(id).unwrap()
}

fn sdp(kind: DescriptionKind) -> Description {
    Description {
        kind,
        sdp: "v=0".to_owned(),
    }
}

fn said(call_id: &str, content: RoomContent) -> RoomSignal {
    let party = PartyId::parse("P").unwrap();
    RoomSignal::new(wire_id(call_id), party, content)
}

fn invite(call_id: &str) -> RoomSignal {
    let invite = RoomInvite {
        offer: sdp(DescriptionKind::Offer),
        lifetime: SECOND * 60,
        invitee: None,
        streams: None,
    };
    said(call_id, RoomContent::Invite(invite))
}

fn candidates(call_id: &str) -> RoomSignal {
    said(
        call_id,
        RoomContent::Candidates {
            candidates: Vec::new(),
        },
    )
}

fn hangup(call_id: &str) -> RoomSignal {
    let reason = RoomReason::from(HangupReason::UserHangup);
    said(call_id, RoomContent::Hangup { reason })
}

fn from(device: &str, session: &str, number: Option<u32>, signal: RoomSignal) -> GroupSignal {
    GroupSignal {
        route: Route {
            group_call_id: call(),
            device_id: Some(device.parse().unwrap()),
            from_session: Some(SessionId::parse(session).unwrap()),
            to_session: SessionId::parse("m-M1").unwrap(),
            sequence_number: number,
        },
        signal,
    }
}

/// B's device says something.
fn b_says(
    room: &mut GroupRoom,
    now: Instant,
    number: u32,
    signal: RoomSignal,
) -> Result<(), SignalRefused> {
    let device: DeviceId = "B1".parse().unwrap();
    room.handle_signal(
        now,
        &user("b"),
        Some(&device),
        from("B1", "s1", Some(number), signal),
    )
}

fn heard(room: &mut GroupRoom) -> Vec<&'static str> {
    let all = outputs(room).into_iter();
    all.filter_map(|output| match output {
        Output::Signal { signal, .. } => Some(signal.content.event_type()),
        _ => None,
    })
    .collect()
}

fn devices(room: &GroupRoom, now: Instant) -> Vec<String> {
    let call = call();
    let all = room.participants(&call, now);
    all.map(|it| it.device_id.to_string()).collect()
}

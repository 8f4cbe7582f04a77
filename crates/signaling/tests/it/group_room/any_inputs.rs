//! Whatever comes, in whatever order, the bounds hold.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use securecall_contact::DeviceId;
use securecall_signaling::WireCallId;
use securecall_signaling::group_room::{
    Clocks, DelayId, Failure, GroupRoom, GroupRoomOutput as Output, LegId, MAX_LEGS, RequestId,
    Response, Secrecy,
};
use securecall_signaling::wire::group_room::{GroupSignal, Route, SessionId};
use serde_json::json;
use web_time::Instant;

use super::events::{CALL, call_content, device, member_content};
use super::{BEGIN, NOW, SECOND, call, candidates, invite, own, start_call, user};
use crate::calls::origin;

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
            let content = if is_open { call_content() } else { json!({}) };
            start_call(room, *now, &name, BEGIN - u64::from(n), &content);
        }
        Input::Member(name, devices, joined) => {
            let device = |(id, session, left): (u8, u8, i64)| {
                device(
                    &format!("D{id}"),
                    &format!("s{session}"),
                    BEGIN.saturating_add_signed(left),
                )
            };
            let devices: Vec<_> = devices.into_iter().map(device).collect();
            let content = member_content(CALL, &devices).to_string();
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
                candidates(id(call_id).as_str())
            };
            let device: DeviceId = format!("D{device}").parse().unwrap();
            let session = SessionId::parse(&format!("s{session}")).unwrap();
            let route = Route {
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

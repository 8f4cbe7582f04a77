//! Our own member event: written when we join, renewed in time, never left behind, and never at the cost of another device of ours. On virtual
//! time, with a homeserver that is one state event.

use std::time::Duration;

use securecall_signaling::group_room::{
    Clocks, DelayId, Failure, GroupRoom, GroupRoomOutput as Output, LEAVE_DELAY, LONG_EXPIRY,
    Request, RequestId, Response, SHORT_EXPIRY, Secrecy, Sent, WhyOut,
};
use securecall_signaling::wire::group_room::MemberState;
use serde_json::{Value, json};
use web_time::Instant;

use super::events::{CALL, call_content, device, member_content};
use super::{BEGIN, NOW, SECOND, call, own, start_call, user};
use crate::calls::origin;

const MINUTE: Duration = Duration::from_secs(60);

/// What a homeserver has of one user.
struct Server {
    content: Value,
    /// What is held back, and since when.
    delayed: Option<(Value, Instant)>,
    has_delayed_events: bool,
    writes: usize,
    is_down: bool,
    may_write: bool,
}

impl Server {
    fn new(has_delayed_events: bool) -> Self {
        Self {
            content: json!({}),
            delayed: None,
            has_delayed_events,
            writes: 0,
            is_down: false,
            may_write: true,
        }
    }

    fn answer(&mut self, now: Instant, request: Request) -> Result<Response, Failure> {
        if self.is_down {
            return Err(Failure::Later(Duration::ZERO));
        }
        match request {
            Request::ReadMember if self.content == json!({}) => Err(Failure::NotFound),
            Request::ReadMember => Ok(Response::Content(self.content.to_string().into_bytes())),
            Request::WriteMember { .. } if !self.may_write => Err(Failure::Forbidden),
            Request::WriteMember { content } => {
                self.content = content;
                self.writes += 1;
                Ok(Response::Done)
            }
            _ if !self.has_delayed_events => Err(Failure::Unsupported),
            Request::ScheduleMember { content, delay } => {
                assert_eq!(delay, LEAVE_DELAY);
                self.delayed = Some((content, now));
                Ok(Response::Delayed(DelayId::parse("delay").unwrap()))
            }
            Request::RestartDelayed { .. } => match &mut self.delayed {
                Some((_, since)) => {
                    *since = now;
                    Ok(Response::Done)
                }
                None => Err(Failure::NotFound),
            },
            Request::CancelDelayed { .. } => {
                self.delayed = None;
                Ok(Response::Done)
            }
        }
    }

    /// Sends what it holds back, if nobody held it back for too long.
    fn look(&mut self, now: Instant) {
        let is_due = |(_, since): &mut (Value, Instant)| now >= *since + LEAVE_DELAY;
        if let Some((content, _)) = self.delayed.take_if(is_due) {
            self.content = content;
        }
    }

    fn devices(&self) -> Vec<String> {
        let state = MemberState::parse(self.content.to_string().as_bytes()).unwrap();
        let devices = state.devices_in(&call()).iter();
        devices.map(|it| it.device_id.to_string()).collect()
    }

    fn expiry_of(&self, id: &str) -> u64 {
        let state = MemberState::parse(self.content.to_string().as_bytes()).unwrap();
        let mut devices = state.devices_in(&call()).iter();
        devices
            .find(|it| it.device_id.as_str() == id)
            .unwrap()
            .expires_ms
    }
}

fn room(now: Instant, device: &str) -> GroupRoom {
    let clocks = Clocks {
        wallclock_ms: 5,
        homeserver_ms: Some(BEGIN),
    };
    let mut room = GroupRoom::new(now, clocks, own("m", device));
    start_call(&mut room, now, CALL, BEGIN, &call_content());
    room
}

fn joined(now: Instant, device: &str) -> GroupRoom {
    let mut room = room(now, device);
    room.join(now, &call(), Secrecy::Encrypted).unwrap();
    room
}

/// What is asked, and what is told besides.
fn asked(room: &mut GroupRoom) -> (Vec<(RequestId, Request)>, Vec<Output>) {
    let (mut requests, mut others) = (Vec::new(), Vec::new());
    while let Some(output) = room.poll_output() {
        match output {
            Output::Request { id, request } => requests.push((id, request)),
            other => others.push(other),
        }
    }
    (requests, others)
}

/// Answers all that is asked, until nothing more is; gives what is told besides.
fn serve(room: &mut GroupRoom, now: Instant, server: &mut Server) -> Vec<Output> {
    let mut told = Vec::new();
    loop {
        let (requests, others) = asked(room);
        told.extend(others);
        if requests.is_empty() {
            return told;
        }
        for (id, request) in requests {
            let answer = server.answer(now, request);
            room.handle_response(now, id, answer);
        }
    }
}

/// The member event comes back, as by a sync.
fn sync(room: &mut GroupRoom, now: Instant, content: &Value) {
    room.handle_member_event(now, &user("m"), NOW, content.to_string().as_bytes(), true)
        .unwrap();
}

/// Lets time pass, with answers to all that is asked meanwhile.
fn run(
    rooms: &mut [&mut GroupRoom],
    from: Instant,
    lasting: Duration,
    server: &mut Server,
) -> Instant {
    let until = from + lasting;
    let mut at = from;
    while at < until {
        at = (at + SECOND).min(until);
        server.look(at);
        for room in &mut *rooms {
            while room.poll_timeout().is_some_and(|due| due <= at) {
                room.handle_timeout(at);
                let before = server.content.clone();
                serve(room, at, server);
                if server.content != before {
                    sync(room, at, &server.content.clone());
                }
            }
        }
    }
    at
}

#[test]
fn we_are_in_as_matrix_js_sdk_has_it_and_by_the_homeservers_clock() {
    let now = origin();
    let mut server = Server::new(false);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let expires_ms = BEGIN + SHORT_EXPIRY.as_millis() as u64;
    assert_eq!(
        server.content,
        member_content(CALL, &[device("M1", "m-M1", expires_ms)])
    );
}

#[test]
fn without_delayed_events_an_entry_is_short_and_renewed_in_time() {
    let now = origin();
    let mut server = Server::new(false);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let mut at = now;
    for minute in 1..=60 {
        at = run(&mut [&mut room], at, MINUTE, &mut server);
        let left_ms = server.expiry_of("M1") - (BEGIN + minute * 60_000);
        assert!(Duration::from_millis(left_ms) >= MINUTE * 2, "{minute}");
    }
    assert_eq!(server.writes, 21);
    room.leave();
    serve(&mut room, at, &mut server);
    assert!(server.devices().is_empty() && room.is_idle());
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn with_delayed_events_the_homeserver_takes_out_who_is_gone() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let at = run(&mut [&mut room], now, MINUTE * 60, &mut server);
    assert_eq!(server.devices(), ["M1"]);
    let left_ms = server.expiry_of("M1") - (BEGIN + 3_600_000);
    assert!(
        Duration::from_millis(left_ms) > LONG_EXPIRY / 4 - SECOND,
        "{left_ms}"
    );
    assert_eq!(server.writes, 2, "joined, then renewed");
    // Gone without a word.
    server.look(at + LEAVE_DELAY);
    assert!(server.devices().is_empty());
    assert_eq!(server.content, json!({"m.calls": []}));
}

#[test]
fn nothing_of_us_is_in_the_room_before_the_homeserver_holds_what_takes_us_out() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    while server.writes == 0 {
        for (id, request) in asked(&mut room).0 {
            let is_write = matches!(request, Request::WriteMember { .. });
            assert_eq!(is_write, server.delayed.is_some(), "{request:?}");
            let answer = server.answer(now, request);
            room.handle_response(now, id, answer);
        }
    }
    // Gone right then, without a word.
    server.look(now + LEAVE_DELAY);
    assert!(server.devices().is_empty());
}

#[test]
fn what_could_not_be_held_back_at_first_is_soon() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    while server.writes == 0 {
        for (id, request) in asked(&mut room).0 {
            let is_schedule = matches!(request, Request::ScheduleMember { .. });
            let answer = server.answer(now, request);
            let limited = Err(Failure::Later(SECOND * 5));
            room.handle_response(now, id, if is_schedule { limited } else { answer });
        }
    }
    server.delayed = None;
    assert_eq!(server.devices(), ["M1"]);
    run(&mut [&mut room], now, SECOND * 11, &mut server);
    assert!(server.delayed.is_some());
    assert_eq!(server.writes, 2, "joined, then longer");
}

#[test]
fn who_leaves_takes_back_what_is_held_back() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    assert!(server.delayed.is_some());
    room.leave();
    assert_eq!(
        serve(&mut room, now, &mut server),
        [Output::CallChanged(Some(call())), Output::Out(WhyOut::Left)][1..]
    );
    assert!(server.delayed.is_none() && server.devices().is_empty() && room.is_idle());
}

#[test]
fn what_was_sent_although_we_are_there_is_written_over() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    // The homeserver did not hear from us for too long.
    let at = now + LEAVE_DELAY;
    server.look(at);
    assert!(server.devices().is_empty());
    run(&mut [&mut room], at, SECOND * 20, &mut server);
    assert_eq!(server.devices(), ["M1"]);
    assert!(server.delayed.is_some());
}

#[test]
fn two_devices_that_join_at_once_are_both_in() {
    // Each order in which the reads and writes of two can meet.
    for order in 0..64_u32 {
        let now = origin();
        let mut server = Server::new(order % 2 == 0);
        let mut rooms = [joined(now, "M1"), joined(now, "M2")];
        let mut pending: [Vec<(RequestId, Request)>; 2] = [Vec::new(), Vec::new()];
        let mut at = now;
        let mut bits = order;
        for step in 0..400 {
            at += Duration::from_millis(250);
            let which = if step < 6 {
                (bits & 1) as usize
            } else {
                step % 2
            };
            bits >>= 1;
            rooms[which].handle_timeout(at);
            pending[which].extend(asked(&mut rooms[which]).0);
            if !pending[which].is_empty() {
                let (id, request) = pending[which].remove(0);
                let before = server.content.clone();
                let answer = server.answer(at, request);
                if server.content != before {
                    // All devices see all events in one order.
                    let content = server.content.clone();
                    for room in &mut rooms {
                        sync(room, at, &content);
                    }
                }
                rooms[which].handle_response(at, id, answer);
            }
        }
        let mut devices = server.devices();
        devices.sort();
        assert_eq!(devices, ["M1", "M2"], "order {order:b}");
        assert!(server.delayed.is_none(), "it would take out both");
        assert!(server.writes < 12, "{} writes", server.writes);
    }
}

/// Joins, while between our read and our write another device joins, or leaves, as `between` says. `echo_first`: our event comes back
/// before the answer to the request does.
fn joined_beside(
    server: &mut Server,
    now: Instant,
    between: &[Value],
    echo_first: bool,
) -> GroupRoom {
    let mut room = joined(now, "M1");
    sync(&mut room, now, &server.content.clone());
    // It is read, and this homeserver holds nothing back.
    for _ in 0..2 {
        let (id, request) = asked(&mut room).0.remove(0);
        let answer = server.answer(now, request);
        room.handle_response(now, id, answer);
    }
    let (id, request) = asked(&mut room).0.remove(0);
    assert!(matches!(request, Request::WriteMember { .. }));
    sync(&mut room, now, &member_content(CALL, between));
    let answer = server.answer(now, request);
    if echo_first {
        sync(&mut room, now, &server.content.clone());
        room.handle_response(now, id, answer);
    } else {
        room.handle_response(now, id, answer);
        sync(&mut room, now, &server.content.clone());
    }
    room
}

#[test]
fn an_entry_of_another_device_that_our_write_took_away_is_put_back() {
    // Of another client, which will not look again for three quarters of an hour.
    let theirs = device("ELEMENT", "e", BEGIN + 3_600_000);
    for echo_first in [false, true] {
        let now = origin();
        let mut server = Server::new(false);
        let between = std::slice::from_ref(&theirs);
        let mut room = joined_beside(&mut server, now, between, echo_first);
        assert_eq!(server.devices(), ["M1"]);
        run(&mut [&mut room], now, SECOND * 6, &mut server);
        assert_eq!(server.devices(), ["ELEMENT", "M1"], "{echo_first}");
    }
}

#[test]
fn an_entry_that_another_device_took_out_itself_is_not_put_back() {
    let now = origin();
    let mut server = Server::new(false);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let ours = device("M1", "m-M1", server.expiry_of("M1"));
    let theirs = device("ELEMENT", "e", BEGIN + 3_600_000);
    for devices in [vec![theirs, ours.clone()], vec![ours]] {
        server.content = member_content(CALL, &devices);
        sync(&mut room, now, &server.content.clone());
    }
    run(&mut [&mut room], now, MINUTE * 10, &mut server);
    assert_eq!(server.devices(), ["M1"]);
}

#[test]
fn who_comes_back_while_leaving_is_in() {
    for echo_first in [false, true] {
        let now = origin();
        let mut server = Server::new(false);
        let mut room = joined(now, "M1");
        serve(&mut room, now, &mut server);
        room.leave();
        let (id, request) = asked(&mut room).0.remove(0);
        let answer = server.answer(now, request);
        room.handle_response(now, id, answer);
        let (id, request) = asked(&mut room).0.remove(0);
        room.join(now, &call(), Secrecy::Encrypted).unwrap();
        let answer = server.answer(now, request);
        if echo_first {
            sync(&mut room, now, &server.content.clone());
        }
        room.handle_response(now, id, answer);
        assert!(server.devices().is_empty());
        serve(&mut room, now, &mut server);
        assert_eq!(server.devices(), ["M1"], "{echo_first}");
    }
}

#[test]
fn what_another_device_wrote_over_is_written_again_but_not_all_the_time() {
    let now = origin();
    let mut server = Server::new(false);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let theirs = member_content(CALL, &[device("RUDE", "e", BEGIN + 3_600_000)]);
    let mut at = now;
    for _ in 0..60 {
        server.content.clone_from(&theirs);
        sync(&mut room, at, &theirs);
        at = run(&mut [&mut room], at, SECOND, &mut server);
    }
    assert!((10..=14).contains(&server.writes), "{}", server.writes);
    at = run(&mut [&mut room], at, SECOND * 6, &mut server);
    assert_eq!(server.devices(), ["RUDE", "M1"]);
    let _ = at;
}

#[test]
fn while_another_device_of_ours_is_in_nothing_is_held_back() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    let mut at = run(&mut [&mut room], now, MINUTE * 4, &mut server);
    assert!(server.delayed.is_some());
    assert!(server.expiry_of("M1") > BEGIN + 50 * 60_000);
    let both = member_content(
        CALL,
        &[
            device("ELEMENT", "e", BEGIN + 3_600_000),
            device("M1", "m-M1", server.expiry_of("M1")),
        ],
    );
    server.content.clone_from(&both);
    sync(&mut room, at, &both);
    serve(&mut room, at, &mut server);
    assert!(server.delayed.is_none());
    at = run(&mut [&mut room], at, SECOND * 6, &mut server);
    let now_ms = BEGIN + (at - now).as_millis() as u64;
    assert!(server.expiry_of("M1") <= now_ms + SHORT_EXPIRY.as_millis() as u64);
    assert_eq!(server.devices(), ["ELEMENT", "M1"]);
}

#[test]
fn what_fails_is_tried_again_and_less_and_less_often() {
    let now = origin();
    let mut server = Server::new(false);
    server.is_down = true;
    let mut room = joined(now, "M1");
    let mut tries = 0;
    let mut at = now;
    while at < now + MINUTE * 10 {
        let (requests, _) = asked(&mut room);
        tries += requests.len();
        for (id, request) in requests {
            let answer = server.answer(at, request);
            room.handle_response(at, id, answer);
        }
        at = room.poll_timeout().unwrap().max(at);
        room.handle_timeout(at);
    }
    assert!((15..=30).contains(&tries), "{tries}");
    server.is_down = false;
    serve(&mut room, at, &mut server);
    assert_eq!(server.devices(), ["M1"]);
}

#[test]
fn who_cannot_leave_gives_up_after_a_while_and_the_entry_ends_by_itself() {
    let now = origin();
    let mut server = Server::new(false);
    let mut room = joined(now, "M1");
    serve(&mut room, now, &mut server);
    server.is_down = true;
    room.leave();
    let mut at = now;
    serve(&mut room, at, &mut server);
    while let Some(due) = room.poll_timeout() {
        at = due.max(at);
        room.handle_timeout(at);
        serve(&mut room, at, &mut server);
    }
    assert!(room.is_idle());
    assert!(at - now < MINUTE * 2);
    assert_eq!(
        server.expiry_of("M1"),
        BEGIN + SHORT_EXPIRY.as_millis() as u64
    );
}

#[test]
fn what_an_earlier_run_left_behind_is_cleaned_up_and_nothing_else() {
    let now = origin();
    let mut server = Server::new(true);
    let mut room = room(now, "M1");
    let other = device("ELEMENT", "e", BEGIN + 3_600_000);
    server.content = member_content(CALL, &[other, device("M1", "earlier", BEGIN + 60_000)]);
    sync(&mut room, now, &server.content.clone());
    run(&mut [&mut room], now, SECOND, &mut server);
    assert_eq!(server.devices(), ["ELEMENT"]);
    sync(&mut room, now, &server.content.clone());
    // What is over is nobody's business.
    sync(
        &mut room,
        now,
        &member_content(CALL, &[device("M1", "earlier", BEGIN)]),
    );
    assert!(room.is_idle());
    assert_eq!(server.writes, 1);
}

#[test]
fn two_devices_that_leave_at_once_are_both_out() {
    let now = origin();
    let mut server = Server::new(false);
    let mut rooms = [joined(now, "M1"), joined(now, "M2")];
    for room in &mut rooms {
        serve(room, now, &mut server);
    }
    let both = server.content.clone();
    assert_eq!(server.devices(), ["M1", "M2"]);
    for room in &mut rooms {
        sync(room, now, &both);
        room.leave();
    }
    // Both read before either writes.
    let read: Vec<_> = rooms
        .iter_mut()
        .map(|room| asked(room).0.remove(0))
        .collect();
    for (room, (id, request)) in rooms.iter_mut().zip(read) {
        let answer = server.answer(now, request);
        room.handle_response(now, id, answer);
    }
    let mut written = Vec::new();
    for room in &mut rooms {
        serve(room, now, &mut server);
        written.push(server.content.clone());
    }
    assert_eq!(server.devices(), ["M1"], "the last one did not know");
    for content in &written {
        for room in &mut rooms {
            sync(room, now, content);
        }
    }
    let [one, other] = &mut rooms;
    run(&mut [one, other], now, SECOND * 12, &mut server);
    assert!(server.devices().is_empty());
}

/// Both come with the sync before the answer to our write does.
#[test]
fn what_another_device_writes_over_before_our_answer_is_written_again() {
    for leaves in [false, true] {
        let mut now = origin();
        let mut server = Server::new(false);
        let mut room = joined(now, "M1");
        if leaves {
            serve(&mut room, now, &mut server);
            sync(&mut room, now, &server.content);
            room.leave();
        }
        let before = server.content.clone();
        let (read, _) = asked(&mut room);
        let answer = server.answer(now, read[0].1.clone());
        room.handle_response(now, read[0].0, answer);
        let (write, _) = asked(&mut room);
        let answer = server.answer(now, write[0].1.clone());
        sync(&mut room, now, &server.content);
        server.content = member_content(CALL, &[]);
        if leaves {
            server.content = before;
        }
        sync(&mut room, now, &server.content);
        room.handle_response(now, write[0].0, answer);
        now += SECOND * 6;
        room.handle_timeout(now);
        serve(&mut room, now, &mut server);
        assert_eq!(server.devices().len(), usize::from(!leaves));
    }
}

#[test]
fn where_we_may_not_say_that_we_are_in_we_are_not() {
    let now = origin();
    let mut server = Server::new(false);
    server.may_write = false;
    let mut room = joined(now, "M1");
    let told = serve(&mut room, now, &mut server);
    assert_eq!(told.last(), Some(&Output::Out(WhyOut::NotAllowed)));
    assert!(room.is_idle());
    assert_eq!(server.content, json!({}));
}

#[test]
fn who_leaves_while_joining_is_out_whatever_was_on_its_way() {
    for answered in 0..3 {
        let now = origin();
        let mut server = Server::new(true);
        let mut room = joined(now, "M1");
        let mut held = Vec::new();
        for _ in 0..answered {
            let (requests, _) = asked(&mut room);
            for (id, request) in requests {
                let answer = server.answer(now, request);
                room.handle_response(now, id, answer);
            }
        }
        held.extend(asked(&mut room).0);
        room.leave();
        for (id, request) in held {
            let answer = server.answer(now, request);
            room.handle_response(now, id, answer);
        }
        serve(&mut room, now, &mut server);
        assert!(server.devices().is_empty(), "{answered}");
        assert!(server.delayed.is_none(), "{answered}");
        assert!(room.is_idle(), "{answered}: {room:?}");
    }
}

#[test]
fn answers_that_were_never_asked_for_or_of_another_kind_do_no_harm() {
    let now = origin();
    let mut room = joined(now, "M1");
    let (requests, _) = asked(&mut room);
    let (id, _) = requests[0];
    room.handle_response(now, id, Ok(Response::Delayed(DelayId::parse("d").unwrap())));
    room.handle_response(now, id, Ok(Response::Done));
    assert!(asked(&mut room).0.is_empty());
    assert!(DelayId::parse("").is_none() && DelayId::parse("a/ b").is_none());
    assert!(DelayId::parse(&"d".repeat(256)).is_none());
    let old = Sent {
        at_ms: 0,
        age_ms: None,
    };
    room.handle_member_event(now, &user("m"), old, b"{}", true)
        .unwrap();
}

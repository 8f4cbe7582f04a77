//! Calls in rooms, of two people who know no key of each other.

use std::time::Duration;

use securecall_contact::RoomId;
use securecall_driver::{
    AnswerPolicy, CallEvent, Callee, Client, ClientConfig, EndReason, Event, NamedCall, Tier,
};
use securecall_interop::WebServer;

use crate::people::{Person, direct, ended, hears, incoming, synapse, wait_for};
use crate::tone::median_amplitude;

/// Where such calls are heard.
fn config(person: &Person, tone_hz: u32) -> ClientConfig {
    let mut config = person.config(tone_hz);
    config.rooms = true;
    config
}

/// Of whom only the account is known.
fn account_of(person: &Person) -> Callee {
    Callee {
        identity: None,
        matrix_id: person.account.matrix_id().clone(),
    }
}

async fn started(person: &Person, config: ClientConfig) -> Client {
    Client::start(config, person.account.clone()).await.unwrap()
}

async fn connected(client: &mut Client) -> NamedCall {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Connected {
            call,
            peer,
            tier,
            safety_words,
            ..
        }) => {
            assert_eq!((*tier, peer.id), (Tier::Matrix, None));
            assert!(safety_words.is_none());
            Some(call.clone())
        }
        _ => None,
    })
    .await
}

async fn invited(client: &mut Client) {
    wait_for(client, |event| {
        matches!(event, Event::Call(CallEvent::Inviting { .. })).then_some(())
    })
    .await;
}

/// The events of calls in all rooms of the caller that still say something.
fn left_in_rooms(person: &Person) -> Vec<String> {
    let database = rusqlite::Connection::open_with_flags(
        synapse().database_path(),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let sql = "SELECT events.type FROM events LEFT JOIN redactions ON redactions.redacts = events.event_id
        WHERE events.room_id IN (SELECT room_id FROM room_memberships WHERE user_id = ?1)
        AND (events.type LIKE 'm.call.%' OR events.type = 'm.room.encrypted') AND redactions.event_id IS NULL";
    let mut rows = database.prepare(sql).unwrap();
    let user = person.account.matrix_id().as_str();
    let rows = rows.query_map([user], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_know_no_key_hear_each_other_in_a_room_and_nothing_of_it_is_left_there() {
    let (ada, bob) = (
        Person::ordinary(synapse()).await,
        Person::ordinary(synapse()).await,
    );
    let mut called = started(&bob, config(&bob, 1000)).await;
    let mut calling = started(&ada, config(&ada, 440)).await;
    let call = calling.handle().call(account_of(&bob), direct()).await;
    let call = call.unwrap();
    // There is no room yet: one is made, and the callee, who takes calls of strangers, comes.
    invited(&mut calling).await;
    let (caller_call, callee_call) = tokio::join!(connected(&mut calling), connected(&mut called));
    assert_eq!((&caller_call, &callee_call.id), (&call, &call.id));
    tokio::join!(hears(&mut calling), hears(&mut called));
    called.handle().hangup(callee_call.handle).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::RemoteHangup);
    assert_eq!(ended(&mut called).await, EndReason::LocalHangup);

    // Again, in the room there is now, the other way round.
    let again = called.handle().call(account_of(&ada), direct()).await;
    let again = again.unwrap();
    assert_eq!(incoming(&mut calling).await.id, again.id);
    tokio::join!(connected(&mut calling), connected(&mut called));
    // It is this call that is in the recordings.
    tokio::join!(hears(&mut calling), hears(&mut called));
    called.handle().hangup(again.handle).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::RemoteHangup);
    calling.stop().await;
    called.stop().await;
    for (person, own, theirs) in [(&ada, 440.0, 1000.0), (&bob, 1000.0, 440.0)] {
        let heard = median_amplitude(&person.recording(), theirs);
        assert!((0.1..0.4).contains(&heard), "{heard}");
        assert!(median_amplitude(&person.recording(), own) < 0.02, "an echo");
    }
    assert_eq!(left_in_rooms(&ada), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_room_is_declined_for_all_devices() {
    let (ada, bob) = (
        Person::ordinary(synapse()).await,
        Person::ordinary(synapse()).await,
    );
    let mut asks = config(&bob, 1000);
    asks.answer = AnswerPolicy::Ask;
    let mut called = started(&bob, asks).await;
    let mut calling = started(&ada, config(&ada, 440)).await;
    let placed = calling.handle().call(account_of(&bob), direct()).await;
    placed.unwrap();
    let ringing = incoming(&mut called).await;
    called.handle().reject(ringing.handle).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::Declined);
    assert_eq!(ended(&mut called).await, EndReason::LocalReject);
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_comes_to_is_given_up_while_it_waits() {
    let (ada, bob) = (
        Person::ordinary(synapse()).await,
        Person::ordinary(synapse()).await,
    );
    let mut calling = started(&ada, config(&ada, 440)).await;
    let call = calling.handle().call(account_of(&bob), direct()).await;
    invited(&mut calling).await;
    let call = call.unwrap().handle;
    calling.handle().hangup(call).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::Cancelled);
    calling.stop().await;
}

/// How often a homeserver was asked to let somebody into a room.
fn attempts(front: &WebServer, room: &RoomId) -> usize {
    let name = room.as_str().trim_start_matches('!');
    let name = name.split(':').next().unwrap();
    let requests = front.requests();
    let lines = requests.iter().map(|it| it.line.as_str());
    let lines = lines.filter(|line| line.contains("/join ") || line.contains("/join?"));
    lines.filter(|line| line.contains(name)).count()
}

async fn tried(front: &WebServer, room: &RoomId, times: usize) {
    while attempts(front, room) < times {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_tried_again_until_it_is_declined_elsewhere() {
    let front = WebServer::in_front_of(synapse().address()).unwrap();
    front.answer(
        "/join",
        "403 Forbidden\r\nContent-Type: application/json",
        r#"{"errcode":"M_FORBIDDEN","error":"You are not invited to this room."}"#,
    );
    let bob = Person::ordinary_behind(&front.base_url()).await;
    let ada = Person::ordinary(synapse()).await;
    let cy = Person::ordinary(synapse()).await;
    let called = started(&bob, config(&bob, 1000)).await;
    let invite = async |by: &Person| {
        let room = by.account.direct_room(bob.account.matrix_id()).await;
        room.unwrap().room
    };
    let declined = invite(&ada).await;
    tried(&front, &declined, 1).await;
    bob.account.leave(&declined).await.unwrap();
    // It comes later, and would be behind.
    let stands = invite(&cy).await;
    tried(&front, &stands, 6).await;
    assert!(attempts(&front, &declined) < 6);
    front.forget_answers();
    called.stop().await;
}

async fn held(client: &mut Client, by_us: bool, expected: bool) {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Held { local, held, .. }) => {
            assert_eq!((*local, *held), (by_us, expected));
            Some(())
        }
        _ => None,
    })
    .await;
}

/// Waits until the client has been this loud for a while: how loud the peer is, one way or the other.
async fn is_heard(client: &mut Client, expected: bool) {
    let mut fitting = 0;
    wait_for(client, |event| {
        if let Event::Levels { output, .. } = event {
            fitting = match (*output > 0.05) == expected {
                true => fitting + 1,
                false => 0,
            };
        }
        (fitting >= 5).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_is_not_heard_and_hears_nothing_until_the_call_is_resumed() {
    let (ada, bob) = (
        Person::ordinary(synapse()).await,
        Person::ordinary(synapse()).await,
    );
    let [mut of_ada, mut of_bob] = [config(&ada, 440), config(&bob, 1000)];
    (of_ada.levels, of_bob.levels) = (true, true);
    let mut called = started(&bob, of_bob).await;
    let mut calling = started(&ada, of_ada).await;
    let call = calling.handle().call(account_of(&bob), direct()).await;
    let call = call.unwrap().handle;
    tokio::join!(connected(&mut calling), connected(&mut called));
    tokio::join!(is_heard(&mut calling, true), is_heard(&mut called, true));
    for on in [true, false] {
        calling.handle().set_held(call, on).await.unwrap();
        held(&mut calling, true, on).await;
        held(&mut called, false, on).await;
        tokio::join!(is_heard(&mut calling, !on), is_heard(&mut called, !on));
    }
    calling.stop().await;
    called.stop().await;
}

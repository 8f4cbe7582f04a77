//! Rooms at a real Synapse: found and made, and what the tests of events in them need.

use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_matrix::{
    CallEvent, Inbox, Incoming, JoinRule, Membership, RoomError, RoomEvent, RoomEventContent,
    RoomInvite, RoomMessage, RoomNews,
};
use serde_json::{Value, json};

use crate::{
    people::{Person, synapse},
    signal::{access_token, request},
};

pub(crate) const INVITE: &str = "m.call.invite";
pub(crate) const CONTENT: &str = r#"{"call_id":"c","version":"1"}"#;

/// Two people in a room of theirs, and what they read.
pub(crate) struct Pair {
    pub(crate) caller: Person,
    pub(crate) callee: Person,
    pub(crate) caller_inbox: Inbox,
    pub(crate) callee_inbox: Inbox,
    pub(crate) room: RoomId,
}

impl Pair {
    /// In a room that the caller has made by [`Account::direct_room`](securecall_matrix::Account::direct_room).
    pub(crate) async fn in_direct_room() -> Self {
        let (mut pair, direct) = Self::invited().await;
        let invite = next_invite(&mut pair.callee_inbox).await;
        assert_eq!(invite.room, direct);
        pair.callee
            .account
            .join(&invite.room, Some(&invite.inviter))
            .await
            .unwrap();
        next_member(&mut pair.caller_inbox, pair.callee.account.matrix_id()).await;
        pair
    }

    /// In a room that is not encrypted, made as other clients do.
    pub(crate) async fn in_plain_room() -> Self {
        let mut pair = Self::of_two().await;
        let room = create_room(
            &pair.caller,
            &json!({ "preset": "private_chat", "is_direct": true, "invite": [id(&pair.callee)] }),
        );
        let invite = next_invite(&mut pair.callee_inbox).await;
        pair.callee
            .account
            .join(&invite.room, Some(&invite.inviter))
            .await
            .unwrap();
        pair.room = room.parse().unwrap();
        next_member(&mut pair.caller_inbox, pair.callee.account.matrix_id()).await;
        pair
    }

    async fn invited() -> (Self, RoomId) {
        let mut pair = Self::of_two().await;
        let callee = pair.callee.account.matrix_id();
        let direct = pair.caller.account.direct_room(callee).await.unwrap();
        assert!(direct.is_new && direct.encrypted);
        assert_eq!(direct.callee, Membership::Invited);
        pair.room = direct.room.clone();
        (pair, direct.room)
    }

    async fn of_two() -> Self {
        let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
        Self {
            caller_inbox: caller.account.start_with_rooms().await.unwrap(),
            callee_inbox: callee.account.start_with_rooms().await.unwrap(),
            caller,
            callee,
            room: "!none".parse().unwrap(),
        }
    }

    pub(crate) async fn send(
        &self,
        event_type: &str,
        transaction: &str,
    ) -> Result<EventId, RoomError> {
        let message = RoomMessage {
            room: &self.room,
            peer: self.callee.account.matrix_id(),
            event_type,
            content: CONTENT,
            transaction,
        };
        self.caller.account.send_to_room(message).await
    }
}

pub(crate) fn id(person: &Person) -> &str {
    person.account.matrix_id().as_str()
}

pub(crate) fn ask(person: &Person, what: &str, body: &Value) -> Value {
    let token = access_token(synapse(), id(person));
    let answer = request(synapse(), what, &token, &body.to_string());
    serde_json::from_str(&answer).unwrap()
}

pub(crate) fn create_room(person: &Person, body: &Value) -> String {
    let room = ask(person, "POST /_matrix/client/v3/createRoom", body);
    room["room_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn next_news(inbox: &mut Inbox) -> RoomNews {
    loop {
        match inbox.next().await.unwrap() {
            Incoming::Room(news) => return news,
            Incoming::SyncComplete => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn next_invite(inbox: &mut Inbox) -> RoomInvite {
    loop {
        if let RoomNews::Invited(invite) = next_news(inbox).await {
            return invite;
        }
    }
}

pub(crate) async fn next_event(inbox: &mut Inbox) -> RoomEvent {
    loop {
        if let RoomNews::Event(event) = next_news(inbox).await {
            return *event;
        }
    }
}

/// Waits until somebody is in the room.
pub(crate) async fn next_member(inbox: &mut Inbox, who: &MatrixId) {
    loop {
        if let RoomEventContent::Member { user, membership } = next_event(inbox).await.content
            && user == *who
            && membership == Membership::Joined
        {
            return;
        }
    }
}

pub(crate) async fn next_call(inbox: &mut Inbox) -> (RoomEvent, CallEvent) {
    loop {
        let event = next_event(inbox).await;
        if let RoomEventContent::Call(call) = event.content.clone() {
            return (event, call);
        }
    }
}

#[tokio::test]
async fn a_direct_room_is_made_once_and_found_by_both() {
    let pair = Pair::in_direct_room().await;
    let (caller, callee) = (&pair.caller.account, &pair.callee.account);
    for (one, other) in [(caller, callee), (callee, caller)] {
        let found = one.direct_room(other.matrix_id()).await.unwrap();
        assert_eq!(found.room, pair.room);
        assert!(found.encrypted && !found.is_new);
        assert_eq!(found.callee, Membership::Joined);
    }
    let facts = caller.room_facts(&pair.room).await.unwrap();
    assert!(facts.is_of_two(caller.matrix_id(), callee.matrix_id()));
    assert!(facts.encrypted && facts.join_rule == JoinRule::Invite);
    let state = ask(
        &pair.caller,
        &format!(
            "GET /_matrix/client/v3/rooms/{}/state/m.room.history_visibility",
            pair.room
        ),
        &json!({}),
    );
    assert_eq!(state["history_visibility"], "joined");
}

#[tokio::test]
async fn a_room_whose_invitation_waits_is_not_made_again() {
    let (mut pair, room) = Pair::invited().await;
    let callee = pair.callee.account.matrix_id();
    let found = pair.caller.account.direct_room(callee).await.unwrap();
    assert_eq!((found.room, found.is_new), (room.clone(), false));
    assert_eq!(found.callee, Membership::Invited);

    let invite = next_invite(&mut pair.callee_inbox).await;
    assert_eq!(invite.inviter, *pair.caller.account.matrix_id());
    assert!(invite.is_direct && invite.encrypted);
    assert_eq!(invite.join_rule, JoinRule::Invite);

    // Refused: then there is no room of two, and a call makes another.
    pair.callee.account.leave(&room).await.unwrap();
    let other = pair.caller.account.direct_room(callee).await.unwrap();
    assert!(other.is_new && other.room != room);
}

#[tokio::test]
async fn a_third_in_the_room_makes_it_none_of_two_unless_it_is_said_to_be_no_person() {
    let pair = Pair::in_direct_room().await;
    let third = Person::new(synapse()).await;
    let callee = pair.callee.account.matrix_id();
    let room = &pair.room;
    ask(
        &pair.caller,
        &format!("POST /_matrix/client/v3/rooms/{room}/invite"),
        &json!({ "user_id": id(&third) }),
    );
    ask(
        &third,
        &format!("POST /_matrix/client/v3/join/{room}"),
        &json!({}),
    );
    let facts = pair.caller.account.room_facts(room).await.unwrap();
    assert_eq!(facts.members.len(), 3);

    let bots = json!({ "service_members": [id(&third)] });
    ask(
        &pair.caller,
        &format!("PUT /_matrix/client/v3/rooms/{room}/state/io.element.functional_members/"),
        &bots,
    );
    let found = pair.caller.account.direct_room(callee).await.unwrap();
    assert_eq!(found.room, *room);

    ask(
        &pair.caller,
        &format!("PUT /_matrix/client/v3/rooms/{room}/state/io.element.functional_members/"),
        &json!({}),
    );
    let other = pair.caller.account.direct_room(callee).await.unwrap();
    assert!(other.is_new && other.room != *room);
}

fn joined(person: &Person) -> Value {
    ask(person, "GET /_matrix/client/v3/joined_rooms", &json!({}))["joined_rooms"].take()
}

fn direct(person: &Person) -> Value {
    let path = format!(
        "GET /_matrix/client/v3/user/{}/account_data/m.direct",
        id(person)
    );
    ask(person, &path, &json!({}))
}

/// Waits until the invitation to a room is withdrawn.
async fn next_left(inbox: &mut Inbox, room: &RoomId) {
    loop {
        if matches!(next_news(inbox).await, RoomNews::Left(left) if left == *room) {
            return;
        }
    }
}

#[tokio::test]
async fn a_room_that_is_abandoned_is_left_its_invitation_withdrawn_and_it_is_off_the_list() {
    let (mut pair, room) = Pair::invited().await;
    assert_eq!(
        direct(&pair.caller)[id(&pair.callee)],
        json!([room.as_str()])
    );
    next_invite(&mut pair.callee_inbox).await;
    let callee = pair.callee.account.matrix_id();
    let abandoned = pair.caller.account.abandon_direct_room(&room, callee).await;
    abandoned.unwrap();
    next_left(&mut pair.callee_inbox, &room).await;
    assert_eq!(joined(&pair.caller), json!([]));
    assert_eq!(direct(&pair.caller), json!({}));
}

#[tokio::test]
async fn of_a_room_that_is_given_up_while_it_is_made_nothing_is_left() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let callee = callee.account.matrix_id();
    let made = caller
        .account
        .make_direct_room(callee, std::future::ready(()));
    assert!(matches!(made.await, Err(RoomError::GivenUp)));
    assert_eq!(joined(&caller), json!([]));
    assert_eq!(caller.account.find_direct_room(callee).await.unwrap(), None);
}

#[tokio::test]
async fn rooms_that_are_made_at_once_are_all_on_the_list() {
    let caller = Person::new(synapse()).await;
    let mut callees = Vec::new();
    for _ in 0..4 {
        callees.push(Person::new(synapse()).await);
    }
    let [one, two, three, four] = &callees[..] else {
        unreachable!("there are four");
    };
    let make = async |callee: &Person| {
        let made = caller.account.direct_room(callee.account.matrix_id()).await;
        made.unwrap().room
    };
    let rooms = tokio::join!(make(one), make(two), make(three), make(four));
    let listed = direct(&caller);
    for (callee, room) in callees.iter().zip([rooms.0, rooms.1, rooms.2, rooms.3]) {
        assert_eq!(listed[id(callee)], json!([room.as_str()]));
    }
}

#[tokio::test]
async fn a_room_to_which_the_other_has_come_before_it_was_given_up_stays() {
    let mut pair = Pair::of_two().await;
    let callee = pair.callee.account.clone();
    let come = async {
        let invite = next_invite(&mut pair.callee_inbox).await;
        callee.join(&invite.room, None).await.unwrap();
    };
    // The answer that the room is made may be there before the other has come; then nobody gives it up.
    let made = pair
        .caller
        .account
        .make_direct_room(callee.matrix_id(), come);
    let made = made.await;
    assert!(matches!(made, Ok(_) | Err(RoomError::GivenUp)), "{made:?}");
    assert_eq!(joined(&pair.caller).as_array().unwrap().len(), 1);
}

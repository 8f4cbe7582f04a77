//! Rooms that devices make themselves: who is in them, who is invited, and when each hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_core::Rng as _;
use securecall_contact::RoomId;
use securecall_session::{FoundRoom, Request, RequestId, RoomInvitation, RoomRequestError};

use super::{Action, World, id_of};

/// What somebody is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Standing {
    Invited,
    Joined,
}

/// Who is in which room, and which of them people take for that of two.
#[derive(Default)]
pub(in super::super) struct Memberships {
    /// By room.
    members: BTreeMap<usize, BTreeMap<String, Standing>>,
    /// The list of an account, by the other.
    direct: BTreeMap<(String, String), Vec<usize>>,
    /// What the homeserver takes for an answer, and what a device's sync is behind, at most.
    pub(in super::super) delays: [Duration; 2],
    /// What it takes to make a room, which waits for the server of the invited.
    pub(in super::super) making: Duration,
}

impl World {
    /// From now on there are no rooms but those that devices make.
    pub(in super::super) fn rooms_are_made(&mut self, answer: u64, sync: u64, making: u64) {
        let [answer, sync, making] = [answer, sync, making].map(Duration::from_millis);
        self.rooms.clear();
        self.memberships = Some(Memberships {
            delays: [answer, sync],
            making,
            ..Memberships::default()
        });
    }

    /// The rooms in which somebody is, or to which they are invited, and what they take for the room with another.
    pub(in super::super) fn rooms_of(&self, who: &str, other: &str) -> (Vec<usize>, Vec<usize>) {
        let all = self.memberships.as_ref().unwrap();
        let rooms = all.members.iter();
        let rooms = rooms.filter(|(_, members)| members.contains_key(who));
        let direct = all.direct.get(&(who.to_owned(), other.to_owned()));
        (
            rooms.map(|(room, _)| *room).collect(),
            direct.cloned().unwrap_or_default(),
        )
    }

    /// Somebody makes a room by hand, and invites another.
    pub(in super::super) fn make_room_by_hand(&mut self, by: &str, invited: &str) -> usize {
        self.make_room(by, invited)
    }

    /// Both are in a room that was made before, and take it for theirs in this order.
    pub(in super::super) fn are_in_room(&mut self, one: &str, other: &str) -> usize {
        let room = self.make_room(one, other);
        self.enter(other, room);
        room
    }

    pub(in super::super) fn prefers_room(&mut self, who: &str, other: &str, room: usize) {
        let rooms = self.direct(who, other);
        rooms.retain(|it| *it != room);
        rooms.push(room);
    }

    /// What a device asks for of rooms, which it gets when the homeserver has it.
    pub(super) fn request_of_rooms(&mut self, device: usize, request: Request) {
        let own = self.devices[device].user.as_str().to_owned();
        let answer = self.random(0);
        match request {
            Request::FindRoom { id, user, first } => {
                let user = user.as_str().to_owned();
                self.later(answer, move |world| {
                    let found = world.find(&own, &user, first.as_ref());
                    world.found(device, id, found);
                });
            }
            Request::PrepareRoom { id, user, room } => self.later(answer, move |world| {
                let at = world.number(&room);
                let ready = world.is_of_two(at, &own, user.as_str());
                let found = FoundRoom {
                    ready: ready.then(|| world.rooms[at].facts),
                    room,
                };
                world.found(device, id, Ok(found));
            }),
            Request::MakeRoom { id, user } => self.later(answer, move |world| {
                let room = world.make_room(&own, user.as_str());
                let found = FoundRoom {
                    room: world.rooms[room].id.clone(),
                    ready: None,
                };
                let making = world.memberships.as_ref().unwrap().making;
                world.later(making, move |world| world.found(device, id, Ok(found)));
            }),
            Request::JoinRoom {
                room,
                user,
                is_direct,
            } => self.later(answer, move |world| {
                let at = world.number(&room);
                let entered = world.standing(at, &own) == Some(Standing::Invited);
                if entered {
                    world.enter(&own, at);
                    if is_direct {
                        world.prefers_room(&own, user.as_str(), at);
                    }
                }
                let answer = world.random(0);
                world.later(answer, move |world| {
                    world.devices[device]
                        .endpoint
                        .handle_room_entered(&room, entered);
                    world.drain(device);
                });
            }),
            Request::LeaveRoom { room, user } => self.later(answer, move |world| {
                let at = world.number(&room);
                if world.standing(at, user.as_str()) == Some(Standing::Invited) {
                    world.exit(user.as_str(), at);
                }
                world.exit(&own, at);
                world.direct(&own, user.as_str()).retain(|it| *it != at);
            }),
            other => panic!("not of rooms: {other:?}"),
        }
    }

    fn find(
        &mut self,
        own: &str,
        other: &str,
        first: Option<&RoomId>,
    ) -> Result<FoundRoom, RoomRequestError> {
        let mut rooms = self.direct(own, other).clone();
        rooms.extend(first.map(|room| self.number(room)));
        let mut invited = None;
        for room in rooms.into_iter().rev() {
            let found = FoundRoom {
                room: self.rooms[room].id.clone(),
                ready: Some(self.rooms[room].facts),
            };
            if self.is_of_two(room, own, other) {
                return Ok(found);
            }
            let is_ours = self.standing(room, own) == Some(Standing::Joined);
            if is_ours && self.standing(room, other) == Some(Standing::Invited) {
                invited = invited.or(Some(FoundRoom {
                    ready: None,
                    ..found
                }));
            }
        }
        invited.ok_or(RoomRequestError::NoRoom)
    }

    fn found(&mut self, device: usize, id: RequestId, found: Result<FoundRoom, RoomRequestError>) {
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.handle_room_found(self.now, &mut self.rng, id, found.clone());
        self.drain(device);
        // As the driver does it: whoever was invited may have come before the answer that says so.
        if let Ok(FoundRoom { room, ready: None }) = found {
            let at = self.number(&room);
            let others = self.memberships.as_ref().unwrap().members[&at].clone();
            let own = self.devices[device].user.clone();
            let joined = others.iter().filter(|(_, it)| **it == Standing::Joined);
            for (user, _) in joined.filter(|(user, _)| *user != own.as_str()) {
                let endpoint = &mut self.devices[device].endpoint;
                endpoint.handle_room_joined(&room, &id_of(user));
                self.drain(device);
            }
        }
    }

    fn make_room(&mut self, by: &str, invited: &str) -> usize {
        let room = self.add_room();
        let members = &mut self.memberships.as_mut().unwrap().members;
        members.insert(
            room,
            BTreeMap::from([
                (by.to_owned(), Standing::Joined),
                (invited.to_owned(), Standing::Invited),
            ]),
        );
        self.rooms[room].facts.joined_members = 1;
        self.prefers_room(by, invited, room);
        let (id, inviter) = (self.rooms[room].id.clone(), by.to_owned());
        self.tell_devices_of(invited, move |world, device| {
            let invitation = RoomInvitation {
                room: &id,
                inviter: &id_of(&inviter),
                is_direct: true,
                is_public: false,
            };
            let endpoint = &mut world.devices[device].endpoint;
            let _ = endpoint.handle_invitation(world.now, invitation);
            world.drain(device);
        });
        room
    }

    /// Somebody comes to a room to which they are invited.
    pub(in super::super) fn enter(&mut self, who: &str, room: usize) {
        let members = self.memberships.as_mut().unwrap();
        let members = members.members.get_mut(&room).unwrap();
        members.insert(who.to_owned(), Standing::Joined);
        self.rooms[room].facts.joined_members += 1;
        let (id, user) = (self.rooms[room].id.clone(), who.to_owned());
        self.tell_members(room, move |world, device| {
            let endpoint = &mut world.devices[device].endpoint;
            endpoint.handle_room_joined(&id, &id_of(&user));
            world.drain(device);
        });
    }

    fn exit(&mut self, who: &str, room: usize) {
        if self.standing(room, who).is_none() {
            return;
        }
        let (id, user) = (self.rooms[room].id.clone(), who.to_owned());
        self.tell_members(room, move |world, device| {
            let endpoint = &mut world.devices[device].endpoint;
            endpoint.handle_room_left(world.now, &mut world.rng, &id, &id_of(&user));
            world.drain(device);
        });
        let members = self.memberships.as_mut().unwrap();
        let members = members.members.get_mut(&room).unwrap();
        if members.remove(who) == Some(Standing::Joined) {
            self.rooms[room].facts.joined_members -= 1;
        }
    }

    pub(super) fn is_joined(&self, room: usize, device: usize) -> bool {
        self.memberships.is_none()
            || self.standing(room, self.devices[device].user.as_str()) == Some(Standing::Joined)
    }

    fn tell_members(&mut self, room: usize, tell: impl Fn(&mut Self, usize) + Clone + 'static) {
        let members = self.memberships.as_ref().unwrap().members[&room].clone();
        for user in members.keys() {
            self.tell_devices_of(user, tell.clone());
        }
    }

    /// In the order in which it happens.
    fn tell_devices_of(&mut self, user: &str, tell: impl Fn(&mut Self, usize) + Clone + 'static) {
        for device in 0..self.devices.len() {
            if self.devices[device].user.as_str() == user {
                let tell = tell.clone();
                let lag = self.lag(device);
                self.later(lag, move |world| tell(world, device));
            }
        }
    }

    /// How far a device's sync is behind.
    pub(super) fn lag(&self, device: usize) -> Duration {
        match &self.memberships {
            None => self.hop,
            // Not the same for all, and always the same for one.
            Some(memberships) => memberships.delays[1] * (device as u32 + 1),
        }
    }

    fn random(&mut self, which: usize) -> Duration {
        let most = self.memberships.as_ref().unwrap().delays[which];
        let most = u64::try_from(most.as_millis()).unwrap();
        Duration::from_millis(self.rng.next_u64() % (most + 1))
    }

    fn later(&mut self, after: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.schedule(after, Action::Do(Box::new(act)));
    }

    fn direct(&mut self, who: &str, other: &str) -> &mut Vec<usize> {
        let memberships = self.memberships.as_mut().unwrap();
        let key = (who.to_owned(), other.to_owned());
        memberships.direct.entry(key).or_default()
    }

    fn standing(&self, room: usize, who: &str) -> Option<Standing> {
        let memberships = self.memberships.as_ref().unwrap();
        memberships.members[&room].get(who).copied()
    }

    fn is_of_two(&self, room: usize, one: &str, other: &str) -> bool {
        [one, other]
            .iter()
            .all(|who| self.standing(room, who) == Some(Standing::Joined))
    }

    fn number(&self, room: &RoomId) -> usize {
        self.rooms.iter().position(|it| it.id == *room).unwrap()
    }
}

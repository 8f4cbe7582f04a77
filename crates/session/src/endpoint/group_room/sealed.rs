//! The sealed legs of the call of a room: with whom of those who are in it a key is known.

use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::Person;
use securecall_signaling::group::Mesh;
use securecall_signaling::wire::group_room::GroupCallId;
use web_time::Instant;

use super::joining::conference_id;
use crate::endpoint::Endpoint;
use crate::endpoint::conference::{Conference, person_of};
use crate::group::ConferenceEvent;

impl Conference {
    /// Its sealed legs are those of this call of the room. There are none yet.
    pub(super) fn is_of_call(&mut self, room: &RoomId, call_id: &GroupCallId) {
        let own = self.mesh.own_id();
        self.mesh = Mesh::of_room(own, conference_id(room, call_id));
    }
}

impl Endpoint {
    /// Somebody whose key is known is in.
    pub(super) fn sealed_is_in(&mut self, user: MatrixId) {
        let Some(person) = self.known_person(&user) else {
            return;
        };
        let peer = self.peer_of(&person);
        // Of whom the user wants to know nothing the mesh says so.
        if !self.is_blocked(&person) {
            self.tell_conference(ConferenceEvent::SealedInstead { peer });
        }
        if let Some(call) = &mut self.room_call {
            call.sealed.insert(user, person);
            call.sealed_changed = true;
        }
    }

    /// They are in no more.
    pub(super) fn sealed_left(&mut self, now: Instant, user: &MatrixId) {
        let is_known = self.account(user).id.is_some();
        let Some(call) = &mut self.room_call else {
            return;
        };
        call.sealed.remove(user);
        call.sealed_changed = true;
        let had_shown = call.shown_keys.remove(user).is_some();
        let known = self.group_rooms.get_mut(&call.room);
        if let Some(known) = known.filter(|_| had_shown && !is_known) {
            known.group.forget_contact(now, user);
        }
    }

    /// Somebody has proven a key, and offers a sealed leg. If they are in the call of the room, and no key of theirs was known, they are
    /// spoken with so from now on: they know ours, and do not take what is not sealed.
    pub(in crate::endpoint) fn shows_key_in_room(&mut self, now: Instant, person: &Person) {
        let user = person.matrix_id();
        let is_known = self.account(user).id.is_some();
        let Some(call) = self.room_call.as_mut().filter(|_| !is_known) else {
            return;
        };
        let Some(known) = self.group_rooms.get_mut(&call.room) else {
            return;
        };
        if known.group.is_with_us(user, now) && !call.shown_keys.contains_key(user) {
            call.shown_keys.insert(user.clone(), person.clone());
            known.group.handle_contact(now, user.clone());
        }
    }

    fn known_person(&self, user: &MatrixId) -> Option<Person> {
        let shown = self.room_call.as_ref()?.shown_keys.get(user).cloned();
        person_of(&self.account(user)).or(shown)
    }

    /// Tells the mesh who is in, once for all who came and went together: whoever is heard first, then contacts, for a room may name more
    /// people than there are legs. Returns whether there was something to tell.
    pub(in crate::endpoint) fn tell_mesh_who_is_in(&mut self, now: Instant) -> bool {
        let (Some(call), Some(conference)) = (&mut self.room_call, &mut self.conference) else {
            return false;
        };
        if !std::mem::take(&mut call.sealed_changed) {
            return false;
        }
        let mut people: Vec<Person> = call.sealed.values().cloned().collect();
        people.sort_by_key(|it| {
            let id = it.id();
            let is_heard = conference.mesh.people_connected().any(|it| it == id);
            (!is_heard, !self.contacts.contains(&id.identity_key()))
        });
        conference.mesh.room_names(now, &people);
        self.offer_again();
        true
    }
}

//! The conference that this device is in: a [`Mesh`] says what is to be done, and its legs are calls like any other
//! (`docs/protocol/group.md`). The group call of a room is one, too: its sealed legs are those of a mesh that hears of the room who is in,
//! and the others are a [`RoomCall`](super::group_room::RoomCall)'s.
//!
//! ```text
//!   user ── call_group, add, leave ─▶ ┌────────────┐ ── Call, EndLeg, Tell ─▶ legs (calls)
//!   legs ── LegNews ────────────────▶ │ Conference │
//!   invites ── leg_offered ─────────▶ └────────────┘ ── ConferenceEvent ────▶ user
//! ```
//!
//! What a leg tells is taken up by [`Endpoint::settle`], which every input ends in, so that no leg is changed while another one is
//! being worked on.

mod admission;
mod commands;
mod placing;
mod settling;
mod takeover;

use std::collections::{BTreeMap, BTreeSet};

use securecall_contact::SecureCallId;
use securecall_signaling::group::Mesh;
use securecall_signaling::{ConferenceId, Person};
use web_time::Instant;

use super::Endpoint;
use super::arrived::Arrived;
use super::legs::Legs;
use crate::EndReason;
use crate::call_handle::CallHandle;
use crate::config::CallOptions;
use crate::event::Peer;
use crate::group::{IncomingConference, NamedConference};

/// The most invites that wait until somebody names who they are from, or until the user has decided about the conference.
const MAX_KEPT: usize = 8;

/// A conference in which this device is.
pub(super) struct Conference {
    pub(super) legs: Legs,
    pub(super) mesh: Mesh<CallHandle>,
    /// The call between two in which it began, if it began in one.
    began_in: Option<CallHandle>,
    /// Whom this side has asked in.
    asked: BTreeSet<SecureCallId>,
    /// Who has asked us in, and whom they have named.
    introduced: Option<(SecureCallId, BTreeSet<SecureCallId>)>,
    /// Everybody who was told of.
    people: BTreeMap<SecureCallId, Peer>,
    /// Whom our rules neither call nor take: the user was told so.
    refused: BTreeSet<SecureCallId>,
    /// How the last leg with somebody ended.
    ends: BTreeMap<SecureCallId, EndReason>,
    kept: Vec<Kept>,
    /// When the mesh wants to be woken.
    wake: Option<Instant>,
}

/// A conference that somebody asks us into, and that rings here.
pub(super) struct RingingConference {
    /// The call that rings.
    call: CallHandle,
    told: IncomingConference,
    /// Who calls.
    inviter: Person,
    /// Whom they have named.
    members: Vec<Person>,
    options: CallOptions,
    /// Others who ask us into the same conference.
    kept: Vec<Arrived>,
}

/// An invite of somebody whom no member has named.
struct Kept {
    until: Instant,
    arrived: Arrived,
}

impl Conference {
    fn new(name: NamedConference, own: SecureCallId, options: CallOptions) -> Self {
        Self {
            mesh: Mesh::new(own, name.id),
            ..Self::of_room(name, own, options)
        }
    }

    /// The same, of the group call of a room.
    pub(super) fn of_room(name: NamedConference, own: SecureCallId, options: CallOptions) -> Self {
        Self {
            mesh: Mesh::of_room(own, name.id),
            legs: Legs::new(name, options),
            began_in: None,
            asked: BTreeSet::new(),
            introduced: None,
            people: BTreeMap::new(),
            refused: BTreeSet::new(),
            ends: BTreeMap::new(),
            kept: Vec::new(),
            wake: None,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let kept = self.kept.iter().map(|it| it.until);
        kept.chain(self.wake).min()
    }
}

impl Endpoint {
    /// When the conference has something to do.
    pub(super) fn conference_timeout(&self) -> Option<Instant> {
        self.conference.as_ref()?.poll_timeout()
    }

    fn is_in(&self, id: ConferenceId) -> bool {
        self.conference
            .as_ref()
            .is_some_and(|it| it.mesh.conference() == id)
    }

    pub(super) fn own_id(&self) -> SecureCallId {
        SecureCallId::new(&self.own.identity.public())
    }

    /// Who somebody that is named is to the user.
    pub(super) fn peer_of(&self, person: &Person) -> Peer {
        let id = person.id();
        let known = self
            .contacts
            .identify(&id.identity_key(), person.matrix_id());
        known.unwrap_or_else(|_| Peer {
            id: Some(id),
            matrix_id: person.matrix_id().clone(),
            name: None,
            new_address: false,
            device_id: None,
        })
    }

    /// Somebody whom we have heard of; `None` for ourselves, and for others.
    fn peer_with(&self, id: SecureCallId) -> Option<Peer> {
        self.conference.as_ref()?.people.get(&id).cloned()
    }

    pub(super) fn leave_mesh(&mut self) {
        if let Some(conference) = &mut self.conference {
            conference.mesh.leave();
        }
    }
}

/// A peer of whom a key is known, as others name them.
pub(super) fn person_of(peer: &Peer) -> Option<Person> {
    Person::new(peer.id?, peer.matrix_id.clone()).ok()
}

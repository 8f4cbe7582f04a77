//! Contents are parsed within bounds, in sealed messages and in rooms; the state machine of a call does what MSC2746 and `docs/protocol/signaling.md` say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundles;
mod calls;
mod chance;
mod group;
mod group_room;
mod out_of_turn;
mod room_bounds;
mod room_events;
mod room_fields;
mod room_peers;
mod room_round_trips;
mod rosters;
mod sizes;
mod states;

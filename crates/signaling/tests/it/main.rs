//! Contents are parsed within bounds; the state machine of a call does what MSC2746 and `docs/protocol/signaling.md` say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundles;
mod calls;
mod out_of_turn;
mod sizes;
mod states;

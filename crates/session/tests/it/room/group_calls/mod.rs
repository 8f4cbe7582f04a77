//! Group calls in rooms, with matrix-js-sdk and among ourselves (`docs/protocol/group-rooms.md`).

mod any_inputs;
mod calls;
mod hostile;
mod js;
mod sealed;
mod trouble;
mod world;

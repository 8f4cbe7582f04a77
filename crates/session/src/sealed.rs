//! The sealed carrier: a handshake and a ratchet with each device of the peer.

pub(crate) mod budget;
pub(crate) mod callee;
mod caller;
pub(crate) mod delivery;
pub(crate) mod epochs;
pub(crate) mod offer;
pub(crate) mod party;
pub(crate) mod prologue;
pub(crate) mod receive;
pub(crate) mod replay_memory;
pub(crate) mod sealed_box;
pub(crate) mod send;

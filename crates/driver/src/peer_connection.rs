//! The connection to one peer.

pub(crate) mod frames;
pub(crate) mod sockets;

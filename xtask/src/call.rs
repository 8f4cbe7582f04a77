//! Users and their `securecall` processes: what the demo and the bench have in common.

pub(crate) mod client;
pub(crate) mod conversation;
pub(crate) mod group;
pub(crate) mod interrupt;
pub(crate) mod record;
pub(crate) mod stage;
pub(crate) mod user;

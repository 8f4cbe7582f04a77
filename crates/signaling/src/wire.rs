//! What calls say as each carrier has it: one parser and one writer for each, as strict or as tolerant as its peers need.

pub mod group_room;
pub mod room;
